"""Cells of a grid: their axes, ids and names, and what computing one returns."""
