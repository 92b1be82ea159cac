"""The cells of a sweep with their runs, sorted."""

from collections.abc import Sequence
from dataclasses import dataclass

from models.schedules import RULES
from sweep.cells.cell import Cell
from sweep.cells.kinds import cell_from_params
from sweep.tracking.base import Run


@dataclass(frozen=True, kw_only=True)
class CellRun:
    """A cell and its run."""

    cell: Cell
    run: Run


def sorted_cell_runs(runs: Sequence[Run]) -> list[CellRun]:
    """The cells of these runs, sorted by their axes, whatever order they ran in.

    Runs without params, which were cut off as they started, are left out.
    """
    order = list(RULES)
    return sorted(
        (
            CellRun(cell=cell_from_params(run.params), run=run)
            for run in runs
            if "family" in run.params
        ),
        key=lambda cell_run: (
            cell_run.cell.kind.model,
            order.index(cell_run.cell.schedule.name),
            cell_run.cell.source.concentration,
            cell_run.cell.schedule.N or 0,
            cell_run.cell.schedule.K or 0,
            cell_run.cell.schedule.n or 0,
            bool(cell_run.cell.schedule.reuse),
            cell_run.cell.id,
        ),
    )
