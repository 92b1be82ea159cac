"""The cells of a sweep with their runs, sorted."""

from collections.abc import Sequence
from dataclasses import dataclass

from sweep.cells.axes import AXES
from sweep.cells.cell import Cell
from sweep.cells.kinds import UnknownKindError, cell_from_params
from sweep.config.validate import ConfigError
from sweep.models.schedules import RULES
from sweep.tracking.base import Run

SORTED = ("S0", *(axis for axis in reversed(AXES) if axis != "S0"))
"""The axes by which cells are sorted, n last, so that it moves first."""


@dataclass(frozen=True, kw_only=True)
class CellRun:
    """A cell and its run."""

    cell: Cell
    run: Run


def sorted_cell_runs(runs: Sequence[Run]) -> list[CellRun]:
    """The cells of these runs, sorted by their axes, whatever order they ran in.

    Runs without params, which were cut off as they started, are left out. Raises
    ConfigError for a kind of model that this version lacks.
    """
    order = list(RULES)
    try:
        cell_runs = [
            CellRun(cell=cell_from_params(run.params), run=run)
            for run in runs
            if "family" in run.params
        ]
    except UnknownKindError as error:
        raise ConfigError(f"sweep: {error}") from None
    return sorted(
        cell_runs,
        key=lambda cell_run: (
            cell_run.cell.kind.model,
            order.index(cell_run.cell.schedule.name),
            *(cell_run.cell.axes.get(axis, 0.0) for axis in SORTED),
            bool(cell_run.cell.schedule.reuse),
            cell_run.cell.id,
        ),
    )
