"""Figures of many cells against n: the collapse time, and the last generation."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from sweep.cells.cell import Cell
from sweep.report.cell_curves import CellCurves
from sweep.report.figures import axes as draw
from sweep.report.figures.axes import COLOURS, LABELS
from sweep.report.figures.curves import draw_initial
from sweep.results.summary import mean_and_error

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def collapse_time_figure(cells: Sequence[CellCurves], title: str) -> "Figure":
    """p(0) over the mean of T against n, a column for each initial distribution (figure 2)."""
    from matplotlib.figure import Figure

    sources = list(dict.fromkeys(cell.cell.source for cell in cells))
    figure = Figure(figsize=(3.3 * len(sources) + 0.7, 5.6), layout="constrained")
    grid = figure.subplots(2, len(sources), sharey="row", squeeze=False)
    for column, source in enumerate(sources):
        members = sorted(
            (cell for cell in cells if cell.cell.source == source),
            key=lambda cell: cell.cell.schedule.n or 0,
        )
        top, axes = grid[:, column]
        draw_initial(top, members[0])
        top.set_title(
            rf"$S_0={source.concentration:.4g}$, $\tilde s={source.support}$", fontsize=10
        )
        done = [cell for cell in members if (cell.curves["collapse_time"] > 0).all()]
        times = [mean_and_error(cell.curves["collapse_time"]) for cell in done]
        draw.draw_points(
            axes,
            [cell.cell.schedule.n or 0 for cell in done],
            [float(mean) for mean, _ in times],
            [math.nan if error is None else float(error) for _, error in times],
            k=1,
            name="mean of runs (2 s.e.)",
        )
        for kind in ("exact", "lower"):
            key = f"collapse_time/{kind}"
            line = [
                (cell.cell.schedule.n, cell.theory.values[key])
                for cell in members
                if key in cell.theory.values
            ]
            if line:
                x, values = zip(*line, strict=True)
                draw.draw_theory(axes, x, values, kind)
        axes.set_xlabel(LABELS["n"])
        draw.style(axes)
        for ax, name in ((top, LABELS["p0"]), (axes, "mean collapse time")):
            ax.tick_params(labelleft=column == 0)
            ax.set_ylabel(name if column == 0 else "", fontsize=11)
    draw.from_zero(grid[1, 0])
    figure.suptitle(title, fontsize=12)
    draw.legend(figure)
    return figure


def series_name(cell: Cell) -> str:
    """The name of a cell without its n."""
    return cell.name_without("n")


def overview_figure(
    cells: Sequence[Cell], metrics: Sequence[Mapping[str, float]], title: str
) -> "Figure":
    """All cells at the last generation against n, with a marker for each `series_name`.

    Bars are two standard errors of the mean; dashes are exact.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.5, 4.4), layout="constrained")
    ticks = sorted({cell.schedule.n or cell.schedule.N or 0 for cell in cells})
    members: dict[str, list[int]] = {}
    for i, cell in enumerate(cells):
        members.setdefault(series_name(cell), []).append(i)
    for axes, metric, label in zip(
        figure.subplots(1, 2),
        ("sigma", "deviation"),
        (r"$\sigma_M$", r"$\|p^{(M)} - p^{(1)}\|_1$"),
        strict=True,
    ):
        for k, (name, places) in enumerate(members.items()):
            x = [cells[i].schedule.n or cells[i].schedule.N or 0 for i in places]
            mean, error, exact = (
                np.array([metrics[i].get(f"{metric}/{what}", math.nan) for i in places])
                for what in ("mean", "se", "exact")
            )
            draw.draw_points(axes, x, mean, error, k=k, name=name)
            if not np.isnan(exact).all():
                draw.draw_theory(axes, x, exact, "exact", colour=COLOURS[k % len(COLOURS)])
        draw.grid_axis(axes, "n", ticks, log=len(ticks) > 1)
        axes.set_ylabel(label, fontsize=11)
        draw.from_zero(axes)
        draw.style(axes)
    figure.suptitle(title, fontsize=12)
    draw.legend(figure)
    return figure
