"""Estimated cost of cells, in seconds on one core. Pure functions."""

from sweep.cells.cell import Cell
from sweep.cells.thinning import MOST_STEPS


def seconds(cell: Cell) -> float:
    """Estimate the seconds to compute and log a cell on one core."""
    return cell.kind.seconds(cell) + logging_seconds(cell)


def logging_seconds(cell: Cell) -> float:
    """Estimate the seconds to log a cell, its theory included."""
    theory = cell.kind.theory_seconds(cell)
    return theory + 0.03 + 0.00015 * 18 * min(cell.generations, MOST_STEPS)
