"""Searches that choose cells: the threshold search, and optimization with Optuna."""
