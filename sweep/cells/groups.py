"""Groups of cells that differ in n alone: `tracking.detail=group` logs each as one run."""

from collections.abc import Sequence

from sweep.cells.cell import Cell

MOST_CELLS = 200
"""Most cells in one group."""
MANY_CELLS = 5000
"""Sweeps of more cells are logged in groups, unless the user chooses otherwise."""


def split(cells: Sequence[Cell]) -> list[list[Cell]]:
    """Split the cells of a sweep into groups, and keep their order within each."""
    series: dict[str, list[Cell]] = {}
    for cell in cells:
        series.setdefault(name(cell), []).append(cell)
    return [
        members[at : at + MOST_CELLS]
        for members in series.values()
        for at in range(0, len(members), MOST_CELLS)
    ]


def name(cell: Cell) -> str:
    """Name the series of a cell: what all its cells have in common."""
    return cell.name_without("n")
