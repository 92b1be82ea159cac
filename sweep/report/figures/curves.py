"""Figures of curves against the generation: simulation with theory drawn over it."""

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
"""Kind of figure -> what is drawn of each cell, from top to bottom."""


def curves_figure(panels: Sequence[CellCurves], title: str, rows: Sequence[str]) -> "Figure":
    """A column for each cell, a row for each of `rows`.

    Each run faint, their mean, the band between their 5% and 95% quantiles,
    and what theory says.
    """
    from matplotlib.figure import Figure

    def panel(axes: "Axes", index: int, name: str) -> None:
        cell = panels[index]
        if name == "p0":
            draw_initial(axes, cell)
        elif name == "T":
            _draw_times(axes, cell)
        elif drawn := _series(cell, name, spread=True):
            draw.draw_series(axes, drawn)
            draw.generation_axis(axes, cell.cell.generations)

    figure = Figure(layout="constrained")
    figure.suptitle(title, fontsize=12)
    draw_panels(figure, [panel.title for panel in panels], rows, panel)
    return figure


def schedules_figure(panels: Sequence[CellCurves], title: str) -> "Figure":
    """The means of all cells on the same axes, sigma and deviation; exact dashed."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 5.2), layout="constrained")
    for axes, name in zip(figure.subplots(1, 2), ("sigma", "deviation"), strict=True):
        cells = [(panel.title, _series(panel, name)) for panel in panels]
        draw.draw_together(axes, [(t, s) for t, s in cells if s is not None], LABELS[name])
    figure.suptitle(title, fontsize=12)
    draw.legend(figure)
    return figure


def draw_initial(axes: "Axes", panel: CellCurves) -> None:
    """p(0) over all tokens, probabilities in log scale."""
    p = panel.cell.source.probabilities()
    axes.bar(np.arange(1, len(p) + 1), p, width=1.0, color=EXACT, log=True)
    axes.set_xlim(0, panel.cell.source.s)
    axes.set_xlabel("token")
    draw.style(axes)


def _series(panel: CellCurves, name: str, *, spread: bool = False) -> Series | None:
    return series_of(panel, name, generations_of(panel, MOST_POINTS), spread=spread)


def _draw_times(axes: "Axes", panel: CellCurves) -> None:
    """The histogram of T, its mean, and its exact law; runs that outlast M are named."""
    T = panel.curves["collapse_time"]
    M = panel.cell.generations
    reached = T[T > 0]
    axes.set_xlabel("collapse time $T$")
    axes.set_xlim(0, M)
    edges = np.unique(np.linspace(0, M, 26).round()) + 0.5  # T = m lies between m - 0.5 and m + 0.5
    if len(reached):
        axes.hist(reached, bins=list(edges), weights=np.full(len(reached), 1 / len(T)), color=RUN)
        if len(reached) == len(T):
            axes.axvline(float(reached.mean()), color=MEAN, lw=2.2)
    if "collapsed/exact" in panel.theory.curves:
        rho = np.concatenate([[0.0], panel.theory.curves["collapsed/exact"]])
        mass = np.diff(rho[edges.astype(int)])
        mass = np.append(mass, mass[-1])
        axes.step(edges, mass, where="post", color=EXACT, lw=1.6, ls=draw.DASHES)
    if len(reached) < len(T):
        left = f"{len(T) - len(reached)} of {len(T)} runs\nnot collapsed by {M}"
        axes.text(0.97, 0.93, left, transform=axes.transAxes, ha="right", va="top", fontsize=9)
    draw.style(axes)
