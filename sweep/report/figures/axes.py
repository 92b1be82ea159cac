"""The elements that figures draw on axes, readable in print and by the colour-blind.

The colours are Okabe and Ito's, and lines also differ in width, dash or marker.
Exact is dashed, bounds are dotted.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from sweep.cells.axes import AXES
from sweep.cells.thinning import chosen
from sweep.report.series import Series

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
DASHES = (0, (4, 2))
THEORY: Mapping[str, tuple[str, Any, str]] = {
    "exact": (EXACT, DASHES, "exact"),
    "bound": (BOUND, ":", "bound"),
    "bound_theorem_4": (BOUND, (0, (1, 3)), "bound, Theorem 4"),
    "lower": (BOUND, ":", "lower bound"),
    "upper": (BOUND, (0, (1, 1)), "upper bound"),
}
"""Kind of theory -> its colour, dash and name."""
LABELS = {
    "p0": r"$p^{(0)}$",
    "sigma": r"$\sigma_m$",
    "deviation": r"$\|p^{(m)} - p^{(1)}\|_1$",
    "T": "share of runs",
    **{name: axis.label for name, axis in AXES.items()},
}
"""Quantity or axis -> its label."""
MOST_TICKS = 8
"""Most values of an axis of the grid that are labelled."""
LEGEND_ROW = 0.19
"""Height of a row of the legend in inches."""


def look(k: int) -> dict[str, Any]:
    """The colour and marker of the k-th cell, different for up to a hundred cells."""
    colour, turn = k % len(COLOURS), k // len(COLOURS)
    return {"color": COLOURS[colour], "marker": MARKERS[(colour + turn) % len(MARKERS)]}


def draw_series(axes: "Axes", series: Series) -> None:
    """Draw a single cell: each run faint, their mean and band, and theory."""
    m = series.generations
    dot = "o" if len(m) == 1 else ""
    if series.runs is not None:
        R, P = series.runs.shape
        alpha = min(0.6, max(0.05, 20 / R) * min(1.0, 100 / P) + 0.02)
        axes.plot(m, series.runs.T, color=RUN, lw=0.45, alpha=alpha, marker=dot, ms=3, zorder=2)
        axes.plot([], [], color=RUN, lw=0.8, alpha=0.7, label="each run")  # visible in the legend
    if series.band is not None:
        axes.fill_between(
            m, *series.band, color=BAND, alpha=0.28, lw=0, zorder=1, label="5% to 95% of runs"
        )
    axes.plot(m, series.mean, color=MEAN, lw=2.2, marker=dot, zorder=3, label="mean of runs")
    if series.exact is not None:
        draw_theory(axes, m, series.exact, "exact")
    for kind, values in series.bounds.items():
        draw_theory(axes, m, values, kind)
    if series.level:
        draw_level(axes, *series.level)
    style(axes)


def draw_together(axes: "Axes", cells: Sequence[tuple[str, Series]], label: str) -> None:
    """Draw the means of several cells by name, exact values in black, and a level they share."""
    for k, (name, series) in enumerate(cells):
        m = series.generations
        every = max(1, len(m) // 12)
        axes.plot(m, series.mean, **look(k), markevery=(k % every, every), ms=5, lw=1.6, label=name)
        if series.exact is not None:
            draw_theory(axes, m, series.exact, "exact", colour="black", lw=1.0)
    levels = {series.level for _, series in cells}
    if len(levels) == 1 and (level := levels.pop()):
        draw_level(axes, *level)
    generation_axis(axes, max((int(s.generations.max(initial=1)) for _, s in cells), default=1))
    axes.set_ylabel(f"mean {label}", fontsize=11)
    from_zero(axes)
    style(axes)


def draw_theory(
    axes: "Axes",
    x: ArrayLike,
    values: ArrayLike,
    kind: str,
    *,
    colour: str | None = None,
    lw: float = 1.8,
) -> None:
    """Draw a line of `THEORY`; a single point becomes a dash."""
    default, dash, name = THEORY[kind]
    lonely = np.isfinite(np.asarray(values, dtype=np.float64)).sum() == 1
    axes.plot(
        x, values, color=colour or default, lw=lw, ls=dash, marker="_" if lonely else "", ms=16,
        mew=1.8, zorder=4, label=name,
    )  # fmt: skip


def draw_points(
    axes: "Axes",
    x: ArrayLike,
    mean: ArrayLike,
    error: ArrayLike | None,
    *,
    k: int = 0,
    name: str = "",
    joined: bool = False,
) -> None:
    """Draw means in the k-th colour, with bars of two standard errors if there are any."""
    bars = None if error is None else 2 * np.nan_to_num(np.asarray(error, dtype=np.float64))
    axes.errorbar(
        x, mean, yerr=bars, **look(k), ls="-" if joined else "", lw=1.4, ms=5, capsize=2,
        elinewidth=1, label=name or "_", zorder=3,
    )  # fmt: skip


def draw_level(axes: "Axes", name: str, value: float) -> None:
    """Draw a level across the axes; it is neither a curve nor theory."""
    axes.axhline(value, color="0.4", lw=1.2, ls=(0, (6, 2, 1, 2)), label=name)


def generation_axis(axes: "Axes", last: int) -> None:
    """Set the x axis to generations 1 to `last`, with room for markers at both ends."""
    room = 0.02 * (last - 1) if last > 1 else 0.5
    axes.set_xlim(1 - min(room, 0.5), last + room)  # without generation 0
    whole_ticks(axes)
    axes.set_xlabel("generation $m$")


def whole_ticks(axes: "Axes") -> None:
    """Put whole numbers along the x axis."""
    from matplotlib.ticker import MaxNLocator

    locator = MaxNLocator(nbins="auto", integer=True, steps=[1, 2, 5, 10], min_n_ticks=1)
    axes.xaxis.set_major_locator(locator)


def grid_axis(axes: "Axes", name: str, values: Sequence[float], *, log: bool) -> None:
    """Set the x axis to an axis of the grid; if logarithmic or a single value, label `values`."""
    axes.set_xlabel(LABELS.get(name, name))
    if log:
        axes.set_xscale("log")
    if log or len(values) == 1:
        labelled = [values[i] for i in chosen(len(values), MOST_TICKS)]
        axes.set_xticks(labelled, [f"{value:g}" for value in labelled], minor=False)
        axes.set_xticks([], minor=True)
        axes.margins(x=0.08)


def from_zero(axes: "Axes") -> None:
    """Set the y axis from zero to above everything drawn here or on axes that share the scale.

    It ends at 1 if everything is practically zero, such as a probability of 1e-59.
    """
    tops = [other.dataLim.y1 for other in axes.get_shared_y_axes().get_siblings(axes)]
    top = max((y for y in tops if np.isfinite(y)), default=0.0)
    axes.set_ylim(0, 1.05 * top if top > 1e-9 else 1.0)


def style(axes: "Axes") -> None:
    """Give the axes a light grid and no box."""
    axes.grid(color="0.9", lw=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def legend(figure: "Figure", ncols: int = 3) -> None:
    """Put a legend below all axes of the figure, each name once, theory after simulation.

    Theory drawn in the colours of several cells is black here, identified by its dash.
    The figure grows with the number of names, to leave room for the axes.
    """
    from matplotlib.lines import Line2D

    handles: dict[tuple[str, int], Any] = {}  # cells of the same name have an entry each
    theory: dict[str, set[str]] = {name: set() for _, _, name in THEORY.values()}
    for axes in figure.axes:
        seen: Counter[str] = Counter()
        for handle, name in zip(*axes.get_legend_handles_labels(), strict=True):
            if name in theory and isinstance(handle, Line2D):
                theory[name].add(str(handle.get_color()))
            else:
                handles.setdefault((name, seen[name]), handle)
            seen[name] += 1
    for _, dash, name in THEORY.values():
        if theory[name]:
            colour = theory[name].pop() if len(theory[name]) == 1 else "black"
            handles[name, 0] = Line2D([], [], color=colour, ls=dash, lw=1.8)
    if handles:
        rows = math.ceil(len(handles) / ncols)
        figure.set_figheight(figure.get_figheight() + LEGEND_ROW * max(0, rows - 3))
        figure.legend(
            list(handles.values()), [name for name, _ in handles], loc="outside lower center",
            ncols=ncols, frameon=False, fontsize=9,
        )  # fmt: skip
