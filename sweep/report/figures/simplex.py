"""Figure 1 of the paper: distributions of contexts as points of a triangle, as they collapse."""

import math
from typing import TYPE_CHECKING

import numpy as np

from sweep.report.cell_curves import CellCurves
from sweep.report.figures.axes import COLOURS

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def simplex_figure(cell: CellCurves, title: str) -> "Figure":
    """The distributions of all contexts of a run as points of the simplex, over generations.

    Each point keeps the colour of the token that was likeliest in p(0).
    """
    from matplotlib.figure import Figure

    distributions = cell.curves["laws"]
    M = len(distributions) - 1
    shown = sorted({0, 1, *(round(M ** (k / 4)) for k in range(1, 4)), M})
    corners = np.array([[0.0, 0.0], [1.0, 0.0], [0.5, math.sqrt(3) / 2]])
    colours = np.array(COLOURS[:3])[distributions[0].argmax(axis=1)]
    columns = min(3, len(shown))
    rows = math.ceil(len(shown) / columns)
    figure = Figure(figsize=(3.1 * columns, 2.95 * rows + 0.6), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes in grid.flat[:]:
        axes.set_axis_off()
        axes.set_aspect("equal")
    for axes, m in zip(grid.flat[:], shown, strict=False):
        axes.fill(*corners.T, facecolor="0.97", edgecolor="0.3", lw=1.0, zorder=0)
        x, y = (distributions[m] @ corners).T
        axes.scatter(x, y, c=list(colours), s=22, alpha=0.65, lw=0, zorder=2, clip_on=False)
        dirac = int((distributions[m].max(axis=1) == 1).sum())
        note = (
            f"{dirac} of {len(distributions[m])} collapsed"
            if dirac
            else f"{len(distributions[m])} contexts"
        )
        axes.set_title(f"$m = {m}$: {note}", fontsize=10)
        for k, (cx, cy) in enumerate(corners):
            offset = (0, 9) if k == 2 else (0, -11)
            axes.annotate(
                f"token {k + 1}", (cx, cy), xytext=offset, textcoords="offset points",
                ha="center", va="center", fontsize=8,
            )  # fmt: skip
        axes.set_xlim(-0.12, 1.12)
        axes.set_ylim(-0.14, 1.0)
    figure.suptitle(title, fontsize=12)
    return figure
