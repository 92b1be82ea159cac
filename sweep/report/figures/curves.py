"""Figures of curves against the generation, with theory drawn over simulation."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from sweep.report.cell_curves import CellCurves
from sweep.report.figures import axes as draw
from sweep.report.figures.axes import EXACT, LABELS, MEAN, RUN
from sweep.report.figures.panels import draw_panels
from sweep.report.series import Series, generations_of, series_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_POINTS = 1000
"""Most generations drawn of a curve."""
ROWS = {
    "curves": ("sigma", "deviation"),
    "initial": ("p0", "sigma", "deviation"),
    "windows": ("sigma", "deviation", "T"),
}
"""Kind of figure -> the panels of each cell, from top to bottom."""


def curves_figure(cells: Sequence[CellCurves], title: str, rows: Sequence[str]) -> "Figure":
    """A column for each cell, a row for each of `rows`.

    A panel shows each run faintly, their mean, the band between their 5% and 95% quantiles,
    and theory.
    """
    from matplotlib.figure import Figure

    def panel(axes: "Axes", index: int, name: str) -> None:
        cell = cells[index]
        if name == "p0":
            draw_initial(axes, cell)
        elif name == "T":
            _draw_times(axes, cell)
        elif drawn := _series(cell, name, spread=True):
            draw.draw_series(axes, drawn)
            draw.generation_axis(axes, cell.cell.generations)

    figure = Figure(layout="constrained")
    figure.suptitle(title, fontsize=12)
    draw_panels(figure, [cell.title for cell in cells], rows, panel)
    return figure


def schedules_figure(cells: Sequence[CellCurves], title: str) -> "Figure":
    """The means of all cells on the same axes, for sigma and deviation; exact is dashed."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 5.2), layout="constrained")
    for axes, name in zip(figure.subplots(1, 2), ("sigma", "deviation"), strict=True):
        drawn = [(cell.title, series) for cell in cells if (series := _series(cell, name))]
        draw.draw_together(axes, drawn, LABELS[name])
    figure.suptitle(title, fontsize=12)
    draw.legend(figure)
    return figure


def draw_initial(axes: "Axes", cell: CellCurves) -> None:
    """Draw p(0) over all tokens, on a log scale."""
    p = cell.cell.source.probabilities()
    axes.bar(np.arange(1, len(p) + 1), p, width=1.0, color=EXACT, log=True)
    axes.set_xlim(0, cell.cell.source.s)
    axes.set_xlabel("token")
    draw.style(axes)


def _series(cell: CellCurves, name: str, *, spread: bool = False) -> Series | None:
    return series_of(cell, name, generations_of(cell, MOST_POINTS), spread=spread)


def _draw_times(axes: "Axes", cell: CellCurves) -> None:
    """Draw the histogram of T, its mean and its exact law; say how many runs outlast M."""
    T = cell.curves["collapse_time"]
    M = cell.cell.generations
    reached = T[T > 0]
    axes.set_xlabel("collapse time $T$")
    axes.set_xlim(0, M)
    edges = np.unique(np.linspace(0, M, 26).round()) + 0.5  # T = m lies between m - 0.5 and m + 0.5
    if len(reached):
        axes.hist(reached, bins=list(edges), weights=np.full(len(reached), 1 / len(T)), color=RUN)
        if len(reached) == len(T):
            axes.axvline(float(reached.mean()), color=MEAN, lw=2.2)
    if "collapsed/exact" in cell.theory.curves:
        rho = np.concatenate([[0.0], cell.theory.curves["collapsed/exact"]])
        mass = np.diff(rho[edges.astype(int)])
        mass = np.append(mass, mass[-1])
        axes.step(edges, mass, where="post", color=EXACT, lw=1.6, ls=draw.DASHES)
    if len(reached) < len(T):
        left = f"{len(T) - len(reached)} of {len(T)} runs\nnot collapsed by {M}"
        axes.text(0.97, 0.93, left, transform=axes.transAxes, ha="right", va="top", fontsize=9)
    draw.style(axes)
