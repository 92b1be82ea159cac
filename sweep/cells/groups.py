"""Groups of cells that differ in n alone: what `tracking.detail=group` logs as one run."""

from collections.abc import Sequence

from sweep.cells.cell import Cell

MOST_CELLS = 200
"""Cells of one group."""
MANY_CELLS = 5000
"""Cells beyond which a sweep is logged by groups, unless the user says otherwise."""


def split(cells: Sequence[Cell]) -> list[list[Cell]]:
    """The groups of a sweep, each in order."""
    series: dict[str, list[Cell]] = {}
    for cell in cells:
        series.setdefault(name(cell), []).append(cell)
    return [
        members[at : at + MOST_CELLS]
        for members in series.values()
        for at in range(0, len(members), MOST_CELLS)
    ]


def name(cell: Cell) -> str:
    """What the cells of its series have in common."""
    return cell.name_without("n")
