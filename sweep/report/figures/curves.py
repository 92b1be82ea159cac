"""Figures: simulation with theory drawn over it, readable in print and by the colour-blind.

Colours are Okabe and Ito's, and every line also differs in width or dash.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sweep.cells.cell import Cell
from sweep.cells.thinning import chosen, steps
from sweep.report.cell_curves import CellCurves

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

RUN, MEAN, BAND, EXACT, BOUND = "#E69F00", "#D55E00", "#8C8C8C", "#0072B2", "#009E73"
COLOURS = (
    EXACT,
    MEAN,
    BOUND,
    "#CC79A7",
    RUN,
    "#56B4E9",
    "#000000",
    "#7F7F7F",
    "#8C564B",
    "#332288",
)
MARKERS = "osD^vPXh*<"
COLUMNS = 4
"""Panels side by side."""
MOST_POINTS = 1000
"""Most generations drawn of a curve."""
PREVIEW = 700
"""Pixels across of the figure in a note, which MLflow does not scale."""
MOST_RUNS = 100
"""Most single runs drawn in a panel."""
ROWS = {
    "curves": ("sigma", "deviation"),
    "initial": ("p0", "sigma", "deviation"),
    "windows": ("sigma", "deviation", "T"),
}
"""Kind of figure -> what is drawn of each cell, from top to bottom."""
LABELS = {
    "p0": r"$p^{(0)}$",
    "sigma": r"$\sigma_m$",
    "deviation": r"$\|p^{(m)} - p^{(1)}\|_1$",
    "T": "share of runs",
}


def curves_figure(panels: Sequence[CellCurves], title: str, rows: Sequence[str]) -> "Figure":
    """A column for each cell, a row for each of `rows`.

    Each run faint, their mean, the band between their 5% and 95% quantiles,
    and what theory says.
    """
    from matplotlib.figure import Figure

    columns = min(COLUMNS, len(panels)) if len(panels) != COLUMNS + 1 else COLUMNS + 1
    blocks = math.ceil(len(panels) / columns)
    height = len(rows)
    width = max(5.0, 2.9 * columns + 0.7)
    figure = Figure(figsize=(width, 2.15 * height * blocks + 1.0), layout="constrained")
    grid = figure.subplots(height * blocks, columns, sharey="row", squeeze=False)
    for axes in grid.flat[:]:
        axes.set_visible(False)
    kinds: dict[str, None] = {}
    for index, panel in enumerate(panels):
        block, column = divmod(index, columns)
        for row, name in enumerate(rows):
            axes = grid[height * block + row, column]
            axes.set_visible(True)
            if name == "p0":
                _draw_initial(axes, panel)
            elif name == "T":
                kinds |= dict.fromkeys(_draw_times(axes, panel))
            else:
                kinds |= dict.fromkeys(_draw(axes, panel, name))
                own_axis = row + 1 == height or rows[row + 1] == "T"
                axes.set_xlabel("generation $m$" if own_axis else "")
                axes.tick_params(labelbottom=own_axis)
            axes.tick_params(labelleft=column == 0)
            axes.set_ylabel(LABELS[name] if column == 0 else "", fontsize=11)
            axes.set_title(panel.title if row == 0 else "", fontsize=10)
    for at, axes in enumerate(grid[:, 0]):  # once the row is drawn, as its panels share it
        if rows[at % height] != "p0":
            axes.set_ylim(0, axes.get_ylim()[1] if axes.get_ylim()[1] > 0 else 1.0)
    _legend(figure, kinds, title, 2 * columns)
    return figure


def _legend(figure: "Figure", kinds: Mapping[str, None], title: str, ncols: int) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles = {
        "run": Line2D([], [], color=RUN, lw=0.8, alpha=0.7, label="each run"),
        "band": Patch(facecolor=BAND, alpha=0.28, label="5% to 95% of runs"),
        "mean": Line2D([], [], color=MEAN, lw=2.2, label="mean of runs"),
        "cross": Line2D([], [], color=MEAN, ls="", marker="x", label="mean of runs (2 s.e.)"),
        "exact": Line2D([], [], color=EXACT, lw=1.8, ls=(0, (4, 2)), label="exact"),
        "bound": Line2D([], [], color=BOUND, lw=1.6, ls=":", label="bound"),
    }
    figure.suptitle(title, fontsize=12)
    figure.legend(
        handles=[handles[k] for k in handles if k in kinds],
        loc="outside lower center",
        ncols=ncols,
        frameon=False,
    )


def style(axes: "Axes") -> None:
    """A light grid and no box."""
    axes.grid(color="0.9", lw=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def _draw_initial(axes: "Axes", panel: CellCurves) -> None:
    """p(0) over all tokens, probabilities in log scale."""
    p = panel.cell.source.probabilities()
    axes.bar(np.arange(1, len(p) + 1), p, width=1.0, color=EXACT, log=True)
    axes.set_xlim(0, panel.cell.source.s)
    axes.set_xlabel("token")
    style(axes)


def _draw_times(axes: "Axes", panel: CellCurves) -> list[str]:
    """The histogram of T, its mean, and its exact law; runs that outlast M are named."""
    T = panel.curves["collapse_time"]
    M = panel.cell.generations
    reached = T[T > 0]
    kinds = []
    axes.set_xlabel("collapse time $T$")
    axes.set_xlim(0, M)
    edges = np.unique(np.linspace(0, M, 26).round()) + 0.5  # T = m lies between m - 0.5 and m + 0.5
    if len(reached):
        axes.hist(reached, bins=list(edges), weights=np.full(len(reached), 1 / len(T)), color=RUN)
        if len(reached) == len(T):
            axes.axvline(float(reached.mean()), color=MEAN, lw=2.2)
            kinds.append("mean")
    if "collapsed/exact" in panel.theory.curves:
        rho = np.concatenate([[0.0], panel.theory.curves["collapsed/exact"]])
        mass = np.diff(rho[edges.astype(int)])
        axes.step(
            edges, np.append(mass, mass[-1]), where="post", color=EXACT, lw=1.6, ls=(0, (4, 2))
        )
        kinds.append("exact")
    if len(reached) < len(T):
        left = f"{len(T) - len(reached)} of {len(T)} runs\nnot collapsed by {M}"
        axes.text(0.97, 0.93, left, transform=axes.transAxes, ha="right", va="top", fontsize=9)
    style(axes)
    return kinds


def _draw(axes: "Axes", panel: CellCurves, name: str) -> list[str]:
    """One panel of curves; returns which kinds of line it holds."""
    at = steps(panel.cell.generations, MOST_POINTS)
    values, m = panel.curves[name][:, at - 1].astype(np.float64), at
    kinds = ["mean"]
    if len(values) > 1:
        kinds += ["run", "band"]
        alpha = min(0.6, max(0.05, 20 / len(values)) * min(1.0, 100 / len(m)) + 0.02)
        axes.plot(m, values[:MOST_RUNS].T, color=RUN, lw=0.45, alpha=alpha, zorder=2)
        low, high = np.quantile(values, (0.05, 0.95), axis=0)
        axes.fill_between(m, low, high, color=BAND, alpha=0.28, lw=0, zorder=1)
    dot = "o" if len(m) == 1 else ""
    axes.plot(m, values.mean(0), color=MEAN, lw=2.2, marker=dot, zorder=3)
    for key, colour, dash, kind in (
        (f"{name}/exact", EXACT, (0, (4, 2)), "exact"),
        (f"{name}/bound", BOUND, ":", "bound"),
        (f"{name}/bound_theorem_4", BOUND, (0, (1, 3)), "bound"),
    ):
        if key in panel.theory.curves:
            axes.plot(m, panel.theory.curves[key][at - 1], color=colour, lw=1.8, ls=dash,
                marker="_" if dot else "", ms=16, zorder=4,
            )  # fmt: skip
            kinds.append(kind)
    axes.set_xlim(1, max(2, panel.cell.generations))
    style(axes)
    return kinds


def simplex_figure(panel: CellCurves, title: str) -> "Figure":
    """The laws of all contexts of one run as points of the simplex, over generations (figure 1).

    A point keeps the colour of the token that was likeliest in p(0).
    """
    from matplotlib.figure import Figure

    laws = panel.curves["laws"]
    M = len(laws) - 1
    shown = sorted({0, 1, *(round(M ** (k / 4)) for k in range(1, 4)), M})
    corners = np.array([[0.0, 0.0], [1.0, 0.0], [0.5, math.sqrt(3) / 2]])
    colours = np.array([EXACT, MEAN, BOUND])[laws[0].argmax(axis=1)]
    columns = min(3, len(shown))
    rows = math.ceil(len(shown) / columns)
    figure = Figure(figsize=(3.1 * columns, 2.95 * rows + 0.6), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes in grid.flat[:]:
        axes.set_axis_off()
        axes.set_aspect("equal")
    for axes, m in zip(grid.flat[:], shown, strict=False):
        axes.fill(*corners.T, facecolor="0.97", edgecolor="0.3", lw=1.0, zorder=0)
        x, y = (laws[m] @ corners).T
        axes.scatter(x, y, c=list(colours), s=22, alpha=0.65, lw=0, zorder=2, clip_on=False)
        dirac = int((laws[m].max(axis=1) == 1).sum())
        note = f"{dirac} of {len(laws[m])} collapsed" if dirac else f"{len(laws[m])} contexts"
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


def collapse_time_figure(panels: Sequence[CellCurves], title: str) -> "Figure":
    """p(0) over the mean of T against n, a column for each initial law (figure 2)."""
    from matplotlib.figure import Figure

    laws = list(dict.fromkeys(panel.cell.source for panel in panels))
    figure = Figure(figsize=(3.3 * len(laws) + 0.7, 5.6), layout="constrained")
    grid = figure.subplots(2, len(laws), sharey="row", squeeze=False)
    for column, source in enumerate(laws):
        own = sorted(
            (panel for panel in panels if panel.cell.source == source),
            key=lambda panel: panel.cell.schedule.n or 0,
        )
        top, axes = grid[:, column]
        _draw_initial(top, own[0])
        top.set_title(
            rf"$S_0={source.concentration:.4g}$, $\tilde s={source.support}$", fontsize=10
        )
        done = [panel for panel in own if (panel.curves["collapse_time"] > 0).all()]
        n = [panel.cell.schedule.n for panel in done]
        T = [panel.curves["collapse_time"] for panel in done]
        axes.errorbar(
            n, [t.mean() for t in T], yerr=[2 * t.std(ddof=1) / np.sqrt(len(t)) for t in T],
            fmt="x", color=MEAN, capsize=2, lw=1, zorder=3,
        )  # fmt: skip
        for key, colour, dash in (
            ("collapse_time/exact", EXACT, (0, (4, 2))),
            ("collapse_time/lower", BOUND, ":"),
        ):
            line = [
                (p.cell.schedule.n, p.theory.values[key]) for p in own if key in p.theory.values
            ]
            axes.plot(*zip(*line, strict=True), color=colour, lw=1.8, ls=dash)
        axes.set_xlabel("samples per generation $n$")
        style(axes)
        for ax, name in ((top, LABELS["p0"]), (axes, "mean collapse time")):
            ax.tick_params(labelleft=column == 0)
            ax.set_ylabel(name if column == 0 else "", fontsize=11)
    grid[1, 0].set_ylim(0, None)
    _legend(figure, dict.fromkeys(("cross", "exact", "bound")), title, 3)
    return figure


def schedules_figure(panels: Sequence[CellCurves], title: str) -> "Figure":
    """The means of all cells on the same axes, sigma and deviation; exact dashed."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 5.2), layout="constrained")
    both = figure.subplots(1, 2)
    for k, panel in enumerate(panels):
        for axes, name in zip(both, ("sigma", "deviation"), strict=True):
            m = steps(panel.cell.generations, MOST_POINTS)
            mean = panel.curves[name].mean(0)[m - 1]
            every = max(1, len(m) // 12)
            axes.plot(
                m, mean, color=COLOURS[k % len(COLOURS)], lw=1.6, label=panel.title,
                marker=MARKERS[k % len(MARKERS)], markevery=(k % every, every), ms=5,
            )  # fmt: skip
            if f"{name}/exact" in panel.theory.curves:
                exact = panel.theory.curves[f"{name}/exact"][m - 1]
                axes.plot(m, exact, color="black", lw=1.0, ls=(0, (4, 2)), zorder=5)
    for axes, name in zip(both, ("sigma", "deviation"), strict=True):
        axes.set_xlim(1, None)
        axes.set_ylim(0, None)
        axes.set_xlabel("generation $m$")
        axes.set_ylabel(f"mean {LABELS[name]}", fontsize=11)
        style(axes)
    handles, names = both[0].get_legend_handles_labels()
    figure.suptitle(f"{title}; exact dashed in black", fontsize=12)
    figure.legend(handles, names, loc="outside lower center", ncols=3, frameon=False, fontsize=9)
    return figure


def series(cell: Cell) -> str:
    """What a cell is called apart from its n."""
    return cell.name_without("n")


def overview_figure(
    cells: Sequence[Cell], metrics: Sequence[Mapping[str, float]], title: str
) -> "Figure":
    """All cells at the last generation against n, a marker for each `series`.

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
        for k, name in enumerate(dict.fromkeys(series(c) for c in cells)):
            members = [i for i, c in enumerate(cells) if series(c) == name]
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
        labelled = [ticks[i] for i in chosen(len(ticks), 8)]
        axes.set_xticks(labelled, [str(t) for t in labelled], minor=False)
        axes.set_xticks([], minor=True)
        axes.set_xlabel("samples per generation $n$")
        axes.set_ylabel(label)
        axes.margins(0.08)
        top = 1.06 * axes.get_ylim()[1]
        axes.set_ylim(0, top if top > 0 else 1.0)
        style(axes)
    figure.suptitle(title, fontsize=12)
    handles, names = panels[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=3, frameon=False, fontsize=9)
    return figure


def save(figure: "Figure", folder: Path, name: str) -> list[Path]:
    """Write the figure as PNG (200 dpi) and PDF; the same figure gives the same bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{name}.png", folder / f"{name}.pdf"]
    figure.savefig(paths[0], dpi=200, metadata={"Software": None})
    figure.savefig(paths[1], metadata={"CreationDate": None})
    return paths


def preview(figure: "Figure", path: Path) -> None:
    """Write the figure as a PNG of `PREVIEW` pixels across."""
    figure.savefig(path, dpi=PREVIEW / figure.get_figwidth(), metadata={"Software": None})
