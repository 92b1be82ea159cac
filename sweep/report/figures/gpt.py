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
"""Cells on the axes of the deviation."""
MOST_LOSSES = 5
"""Cells whose losses get a panel; with the deviation they fill two rows."""


def gpt_figure(panels: Sequence[CellCurves], title: str) -> "Figure":
    """Deviation of every cell on the same axes, then a panel of losses for each cell.

    Bars are two standard errors: over runs, or over contexts if there is one run.
    """
    from matplotlib.figure import Figure

    losses = [panels[i] for i in chosen(len(panels), MOST_LOSSES)]
    count = 1 + len(losses)
    columns = 2 if count in (2, 4) else min(count, 3)
    rows = math.ceil(count / columns)
    figure = Figure(figsize=(4.7 * columns, 3.5 * rows + 0.4), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False)
    axes = list(grid.flat[:])
    for spare in axes[count:]:
        spare.set_axis_off()
    _draw_deviation(axes[0], panels)
    top = max(float(np.nanmax(panel.curves["loss_curve/val"])) for panel in losses)
    truth = min(float(panel.curves["truth/loss/val"]) for panel in losses)
    for ax, panel in zip(axes[1:], losses, strict=False):
        _draw_losses(ax, panel)
        ax.set_ylim(min(0.95 * truth, truth - 0.02 * (top - truth)), 1.03 * top)
    figure.suptitle(title, fontsize=12)
    return figure


def _draw_deviation(axes: "Axes", panels: Sequence[CellCurves]) -> None:
    cells = [(p.title, series_of(p, "deviation", generations_of(p, MOST_POINTS))) for p in panels]
    drawn = [(title, cell) for title, cell in cells if cell is not None]
    for k, (title, cell) in enumerate(drawn):
        draw.draw_points(axes, cell.generations, cell.mean, cell.se, k=k, name=title, joined=True)
    level = next((cell.level for _, cell in drawn if cell.level), None)
    if level:
        draw.draw_level(axes, *level)
    draw.generation_axis(axes, max(int(cell.generations[-1]) for _, cell in drawn))
    axes.set_ylabel(f"{draw.LABELS['deviation']}, mean over contexts")
    draw.from_zero(axes)
    axes.legend(frameon=False, fontsize=9)
    axes.set_title("deviation", fontsize=10)
    draw.style(axes)


def _draw_losses(axes: "Axes", panel: CellCurves) -> None:
    """Validation loss against the step of training, a line for each generation, mean over runs."""
    from matplotlib import colormaps

    curves = panel.curves["loss_curve/val"].mean(axis=0)
    M = len(curves)
    colours = colormaps["viridis"](np.linspace(0.0, 0.9, M))
    steps = panel.curves["loss_curve/step"][0]
    for m in range(1, M + 1):
        ends = m in (1, M) or M <= 6
        axes.plot(
            steps[m - 1], curves[m - 1], color=colours[m - 1], lw=1.5, marker="o", ms=2.5,
            label=f"$m = {m}$" if ends else None,
        )  # fmt: skip
    draw.draw_level(axes, TRUTH, float(panel.curves["truth/loss/val"]))
    draw.whole_ticks(axes)
    axes.set_xlabel("step of training")
    axes.set_ylabel("validation loss, nats")
    axes.set_title(panel.title, fontsize=10)
    axes.legend(frameon=False, fontsize=8, ncols=2)
    draw.style(axes)
