"""The kinds of figure for a sweep of cells: how each is drawn, and from which curves."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sweep.cells.thinning import MOST_PANELS, MOST_ROWS
from sweep.report.cell_curves import CellCurves
from sweep.report.figures.against_n import collapse_time_figure
from sweep.report.figures.curves import ROWS, curves_figure, schedules_figure
from sweep.report.figures.gpt import MOST_LINES, gpt_figure
from sweep.report.figures.simplex import simplex_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, kw_only=True)
class FigureKind:
    """A value of the config key `figure`."""

    draw: Callable[[Sequence[CellCurves], str], "Figure"]
    """Cells and title -> figure."""
    words: str
    """Alternative text; {cells} stands for the names of the cells, {first} for the first."""
    stored: Sequence[str] = ("sigma", "deviation")
    """The stored curves that it needs."""
    most: int | None = None
    """Most cells drawn; None for all."""
    deviation: bool = True
    """Whether the exact deviation is drawn, which is expensive."""


def _panels(kind: str) -> FigureKind:
    return FigureKind(
        draw=lambda cells, title: curves_figure(cells, title, ROWS[kind]),
        words="sigma and deviation against the generation, with theory, for {cells}",
        stored=("sigma", "deviation", "collapse_time"),
        most=MOST_PANELS,
    )


FIGURES = {kind: _panels(kind) for kind in ROWS} | {
    "schedules": FigureKind(
        draw=schedules_figure,
        most=MOST_ROWS,
        words="mean sigma and deviation against the generation for {cells}",
    ),
    "collapse_time": FigureKind(
        draw=collapse_time_figure,
        words="mean collapse time against n, with its exact value and lower bound",
        stored=("collapse_time",),
        deviation=False,
    ),
    "simplex": FigureKind(
        draw=lambda cells, title: simplex_figure(cells[0], title),
        words="the distributions of all contexts on the simplex over generations, for {first}",
        stored=("sigma", "deviation", "laws"),
        most=MOST_PANELS,
    ),
    "gpt": FigureKind(
        draw=gpt_figure,
        words="deviation against the generation, and validation losses, for {cells}",
        stored=(
            "deviation", "deviation/se_contexts", "deviation/retrained", "loss_curve/val",
            "loss_curve/step", "truth/loss/val",
        ),
        most=MOST_LINES,
    ),
}  # fmt: skip
