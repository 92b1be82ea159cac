"""Estimated memory of cells; cells that need too much are refused."""

from sweep.cells.cell import Cell
from sweep.config.validate import ConfigError
from sweep.models.schedules import LARGEST_POOL

LARGEST_CELL = 4 * 2**30
"""Most memory that one cell may need, in bytes."""


def memory(cell: Cell) -> int:
    """Estimate the bytes that a cell needs: twice eight float64 curves of all runs, and models."""
    curves = 2 * 8 * 8 * cell.replicates * cell.generations
    return curves + cell.kind.memory(cell)


def check_size(cell: Cell) -> None:
    """Raise ConfigError for a cell that is invalid, or too large to run."""
    cell.kind.check(cell)
    largest = cell.schedule.largest_pool(cell.generations)
    if largest > LARGEST_POOL:
        raise ConfigError(
            f"generations: got {cell.generations}: the cell `{cell.name}` gathers {largest:.3g} "
            f"samples; allowed: up to {LARGEST_POOL}; use fewer generations or samples"
        )
    if memory(cell) > LARGEST_CELL:
        raise ConfigError(
            f"replicates: got {cell.replicates} with generations={cell.generations}: "
            f"the cell `{cell.name}` needs {memory(cell) / 2**30:.1f} GiB; allowed: up to "
            f"{LARGEST_CELL // 2**30} GiB; use fewer replicates or generations"
        )
