"""How tables, figures and pages show the cells of a kind of model; each kind implements it."""

from collections.abc import Mapping, Sequence
from typing import Protocol, cast

from sweep.cells.cell import Cell
from sweep.cells.kinds import part
from sweep.report.cell_runs import CellRun
from sweep.report.numbers import Number


class Display(Protocol):
    """Everything that differs between kinds of models where cells are shown."""

    columns: Sequence[str]
    """Heads of the table for the terminal, the name of the cell first."""
    mlflow_columns: Sequence[str]
    """Metrics in MLflow's list of runs."""
    legend: str
    """Explanation of the columns of the page."""
    beside: str
    """Words for what the table of the page shows besides simulation, such as ` and theory`."""
    collapses: bool
    """Whether collapse times and shares of collapsed runs are shown."""
    figure: str | None
    """The figure of its sweeps whatever their setting says; None to follow the setting."""
    last_colours: bool
    """Whether its cells take colours from the end of the palette, so that they differ from those of
    another kind on the same chart."""

    def row(self, run: CellRun) -> Mapping[str, str]:
        """Column -> text of a finished cell, without its name."""
        ...

    def extra(self, run: CellRun) -> Mapping[str, str]:
        """Head -> text, for the last columns of the page."""
        ...

    def numbers(self, name: str, run: CellRun, runs: Sequence[CellRun]) -> list[Number]:
        """The means of a finished cell that a verdict compares; runs: all those of the sweep."""
        ...

    def initial(self, cell: Cell) -> str:
        """The initial distribution in words."""
        ...

    def note(self, metrics: Mapping[str, float]) -> str | None:
        """A remark on the last metrics of a cell."""
        ...


def display_of(cells: Sequence[Cell]) -> Display:
    """The display of the cells' kind of model; for several kinds, that of the statistical model."""
    models = {cell.kind.model for cell in cells}
    model = models.pop() if len(models) == 1 else "statistical"
    return cast(Display, part(model, "display").DISPLAY)
