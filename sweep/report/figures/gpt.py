"""Figure 5 of the paper: deviation over generations, and validation losses while training."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from sweep.cells.thinning import chosen
from sweep.report.cell_curves import CellCurves
from sweep.report.figures import axes as draw
from sweep.report.figures.curves import MOST_POINTS
from sweep.report.series import TRUTH, generations_of, series_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_LINES = 10
"""Most cells on the axes of the deviation."""
MOST_LOSSES = 5
"""Most cells whose losses get a panel; with the deviation they fill two rows."""


def gpt_figure(cells: Sequence[CellCurves], title: str) -> "Figure":
    """Deviation of every cell on the same axes, then a panel of losses for each cell.

    Bars are two standard errors: over runs, or over contexts if there is one run.
    """
    from matplotlib.figure import Figure

    losses = [cells[i] for i in chosen(len(cells), MOST_LOSSES)]
    count = 1 + len(losses)
    columns = 2 if count in (2, 4) else min(count, 3)
    rows = math.ceil(count / columns)
    figure = Figure(figsize=(4.7 * columns, 3.5 * rows + 0.4), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False)
    axes = list(grid.flat[:])
    for spare in axes[count:]:
        spare.set_axis_off()
    _draw_deviation(axes[0], cells)
    top = max(float(np.nanmax(cell.curves["loss_curve/val"])) for cell in losses)
    truth = min(float(cell.curves["truth/loss/val"]) for cell in losses)
    for ax, cell in zip(axes[1:], losses, strict=False):
        _draw_losses(ax, cell)
        ax.set_ylim(min(0.95 * truth, truth - 0.02 * (top - truth)), 1.03 * top)
    figure.suptitle(title, fontsize=12)
    return figure


def _draw_deviation(axes: "Axes", cells: Sequence[CellCurves]) -> None:
    drawn = [
        (cell.title, series)
        for cell in cells
        if (series := series_of(cell, "deviation", generations_of(cell, MOST_POINTS)))
    ]
    for k, (title, series) in enumerate(drawn):
        draw.draw_points(
            axes, series.generations, series.mean, series.se, k=k, name=title, joined=True
        )
    level = next((series.level for _, series in drawn if series.level), None)
    if level:
        draw.draw_level(axes, *level)
    draw.generation_axis(axes, max(int(series.generations[-1]) for _, series in drawn))
    axes.set_ylabel(f"{draw.LABELS['deviation']}, mean over contexts")
    draw.from_zero(axes)
    axes.legend(frameon=False, fontsize=9)
    axes.set_title("deviation", fontsize=10)
    draw.style(axes)


def _draw_losses(axes: "Axes", cell: CellCurves) -> None:
    """Draw the validation loss, mean over runs, against the step; a line for each generation."""
    from matplotlib import colormaps

    losses = cell.curves["loss_curve/val"].mean(axis=0)
    M = len(losses)
    colours = colormaps["viridis"](np.linspace(0.0, 0.9, M))
    steps = cell.curves["loss_curve/step"][0]
    for m in range(1, M + 1):
        ends = m in (1, M) or M <= 6
        axes.plot(
            steps[m - 1], losses[m - 1], color=colours[m - 1], lw=1.5, marker="o", ms=2.5,
            label=f"$m = {m}$" if ends else None,
        )  # fmt: skip
    draw.draw_level(axes, TRUTH, float(cell.curves["truth/loss/val"]))
    draw.whole_ticks(axes)
    axes.set_xlabel("step of training")
    axes.set_ylabel("validation loss, nats")
    axes.set_title(cell.title, fontsize=10)
    axes.legend(frameon=False, fontsize=8, ncols=2)
    draw.style(axes)
