"""Figures: simulation with theory drawn over it, readable in print and by the colour-blind.

Colours are Okabe and Ito's, and every line also differs in width or dash.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sweep.grid import Cell
from sweep.laws import Laws
from sweep.summary import Curves

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

RUN, MEAN, BAND, EXACT, BOUND = "#E69F00", "#D55E00", "#8C8C8C", "#0072B2", "#009E73"
COLOURS = (EXACT, MEAN, BOUND, "#CC79A7", RUN, "#56B4E9", "#000000")
MARKERS = "osD^vPX"
COLUMNS = 4
"""Panels side by side."""
MOST_PANELS = 12
"""Most cells drawn curve by curve; the overview shows all."""
MOST_RUNS = 100
"""Most single runs drawn in a panel."""


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One cell to be drawn."""

    title: str
    cell: Cell
    curves: Curves
    laws: Laws


def chosen(count: int, most: int = MOST_PANELS) -> list[int]:
    """Which of `count` cells get a panel: all, or `most` spread evenly with first and last."""
    if count <= most:
        return list(range(count))
    return sorted({round(i * (count - 1) / (most - 1)) for i in range(most)})


def curves_figure(panels: Sequence[Panel], title: str) -> "Figure":
    """For each cell sigma over deviation, against the generation.

    Each run faint, their mean, the band between their 5% and 95% quantiles,
    and what theory says.
    """
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    columns = min(COLUMNS, len(panels))
    blocks = math.ceil(len(panels) / columns)
    width = max(5.0, 2.9 * columns + 0.7)
    figure = Figure(figsize=(width, 4.3 * blocks + 1.0), layout="constrained")
    grid = figure.subplots(2 * blocks, columns, sharex="col", sharey="row", squeeze=False)
    for axes in grid.flat[:]:
        axes.set_visible(False)
    kinds: dict[str, None] = {}
    for index, panel in enumerate(panels):
        block, column = divmod(index, columns)
        for row, name in enumerate(("sigma", "deviation")):
            axes = grid[2 * block + row, column]
            axes.set_visible(True)
            kinds |= dict.fromkeys(_draw(axes, panel, name))
            axes.tick_params(labelleft=column == 0, labelbottom=row == 1)
            if column == 0:
                axes.set_ylabel(
                    r"$\sigma_m$" if row == 0 else r"$\|p^{(m)} - p^{(1)}\|_1$", fontsize=11
                )
            if row == 0:
                axes.set_title(panel.title, fontsize=10)
            else:
                axes.set_xlabel("generation $m$")
    for axes in grid[:, 0]:  # once all panels of the row are drawn, as they share it
        axes.set_ylim(0, max(axes.get_ylim()[1], 1e-3))
    handles = {
        "run": Line2D([], [], color=RUN, lw=0.8, alpha=0.7, label="each run"),
        "band": Patch(facecolor=BAND, alpha=0.28, label="5% to 95% of runs"),
        "mean": Line2D([], [], color=MEAN, lw=2.2, label="mean of runs"),
        "exact": Line2D([], [], color=EXACT, lw=1.8, ls=(0, (4, 2)), label="exact"),
        "bound": Line2D([], [], color=BOUND, lw=1.6, ls=":", label="bound"),
    }
    figure.suptitle(title, fontsize=12)
    figure.legend(
        handles=[handles[k] for k in handles if k in kinds],
        loc="outside lower center",
        ncols=len(kinds) if columns > 1 else 2,
        frameon=False,
    )
    return figure


def _draw(axes: "Axes", panel: Panel, name: str) -> list[str]:
    """One panel; returns which kinds of line it holds."""
    values = panel.curves[name].astype(np.float64)
    m = np.arange(1, values.shape[1] + 1)
    kinds = ["mean"]
    if len(values) > 1:
        kinds += ["run", "band"]
        alpha = max(0.22, min(0.6, 8 / len(values)))
        axes.plot(m, values[:MOST_RUNS].T, color=RUN, lw=0.45, alpha=alpha, zorder=2)
        low, high = np.quantile(values, (0.05, 0.95), axis=0)
        axes.fill_between(m, low, high, color=BAND, alpha=0.28, lw=0, zorder=1)
    axes.plot(m, values.mean(0), color=MEAN, lw=2.2, zorder=3)
    for key, colour, style, kind in (
        (f"{name}/exact", EXACT, (0, (4, 2)), "exact"),
        (f"{name}/bound", BOUND, ":", "bound"),
    ):
        if key in panel.laws.curves:
            axes.plot(m, panel.laws.curves[key], color=colour, lw=1.8, ls=style, zorder=4)
            kinds.append(kind)
    axes.set_xlim(1, max(2, len(m)))
    axes.grid(color="0.9", lw=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    return kinds


def overview_figure(
    cells: Sequence[Cell], metrics: Sequence[Mapping[str, float]], title: str
) -> "Figure":
    """All cells at the last generation: sigma and deviation against n, a marker per schedule.

    Bars are two standard errors of the mean; dashes are exact.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.5, 4.4), layout="constrained")
    panels = figure.subplots(1, 2)
    ticks = sorted({c.schedule.n or c.schedule.N or 0 for c in cells})
    for axes, metric, label in zip(
        panels,
        ("sigma", "deviation"),
        (r"$\sigma_M$", r"$\|p^{(M)} - p^{(1)}\|_1$"),
        strict=True,
    ):
        for k, name in enumerate(dict.fromkeys(c.schedule.name for c in cells)):
            members = [i for i, c in enumerate(cells) if c.schedule.name == name]
            x = [cells[i].schedule.n or cells[i].schedule.N for i in members]

            def column(what: str, at: list[int] = members, metric: str = metric) -> list[float]:
                return [metrics[i].get(f"{metric}/{what}", math.nan) for i in at]

            colour = COLOURS[k % len(COLOURS)]
            axes.errorbar(
                x, column("mean"), yerr=[2 * e for e in np.nan_to_num(column("se"))],
                fmt=MARKERS[k % len(MARKERS)], ms=5, lw=1, capsize=2, alpha=0.8, color=colour,
                label=f"{name}, mean of runs",
            )  # fmt: skip
            if not np.isnan(column("exact")).all():
                axes.plot(
                    x, column("exact"), ls="", marker="_", ms=16, mew=1.8, color=colour,
                    label=f"{name}, exact",
                )  # fmt: skip
        if len(ticks) > 1:
            axes.set_xscale("log")
        if len(ticks) <= 8:
            axes.set_xticks(ticks, [str(t) for t in ticks], minor=False)
            axes.set_xticks([], minor=True)
        axes.set_xlabel("samples per generation $n$")
        axes.set_ylabel(label)
        axes.margins(0.08, 0.1)
        axes.set_ylim(0, max(axes.get_ylim()[1], 1e-3))
        axes.grid(color="0.9", lw=0.6)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
    figure.suptitle(title, fontsize=12)
    handles, names = panels[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=4, frameon=False, fontsize=9)
    return figure


def save(figure: "Figure", folder: Path, name: str) -> list[Path]:
    """Write the figure as PNG (200 dpi) and PDF; the same figure gives the same bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{name}.png", folder / f"{name}.pdf"]
    figure.savefig(paths[0], dpi=200, metadata={"Software": None})
    figure.savefig(paths[1], metadata={"CreationDate": None})
    return paths
