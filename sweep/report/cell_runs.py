"""The cells of a sweep with their runs, in one order."""

from collections.abc import Sequence
from dataclasses import dataclass

from models.schedules import RULES
from sweep.cells.axes import AXES
from sweep.cells.cell import Cell
from sweep.cells.kinds import cell_from_params
from sweep.tracking.base import Run

SORTED = ("S0", *(axis for axis in reversed(AXES) if axis != "S0"))
"""The axes by which cells are sorted, n last, so that it moves first."""


@dataclass(frozen=True, kw_only=True)
class CellRun:
    """A cell and its run."""

    cell: Cell
    run: Run


def cell_runs(rows: Sequence[Run]) -> list[CellRun]:
    """Runs as cells, in one order whatever order they ran in."""
    found = [
        CellRun(cell=cell_from_params(row.params), run=row)
        for row in rows
        if "family" in row.params
    ]  # without params: begun, and cut off at once
    order = list(RULES)
    return sorted(
        found,
        key=lambda e: (
            e.cell.kind.model,
            order.index(e.cell.schedule.name),
            *(e.cell.axes.get(axis, 0.0) for axis in SORTED),
            bool(e.cell.schedule.reuse),
            e.cell.id,
        ),
    )
