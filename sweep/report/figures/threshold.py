"""The largest harmless n: from theory, from runs of the statistical model, and of a GPT."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sweep.cells.thinning import chosen
from sweep.report.figures.axes import BAND, COLOURS, MARKERS, style
from sweep.search import threshold_result
from sweep.search.threshold_result import Told

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_SERIES = 8
"""Lines on the axes of n*."""
MOST_PROBED = 4
"""Answers whose probes are drawn."""
NAMES = {"N": "real samples $N$", "S0": "$S_0$", "support": "support", "m": "generation $m$"}
SYMBOLS = {
    "deviation": r"$\mathbb{E}\,\|p^{(m)} - p^{(1)}\|_1$", "collapsed": "share collapsed",
    "sigma": r"$\sigma_m / S_0$", "loss": "validation loss above generation 1, nats",
}  # fmt: skip


def threshold_figure(found: Sequence[Told], others: Sequence[Told], title: str) -> "Figure":
    """n*, over N where there is one, against the axis that differs most; then the probes.

    others: answers of another model, for comparison.
    """
    from matplotlib.figure import Figure

    panels = 2 + bool(others)
    figure = Figure(figsize=(4.6 * panels + 0.4, 4.4), layout="constrained")
    axes = list(figure.subplots(1, panels, squeeze=False).flat)
    _draw_answers(axes[0], found, others)
    _draw_probes(axes[1], found)
    if others:
        _draw_probes(axes[2], others)
    figure.suptitle(title, fontsize=12)
    return figure


def _draw_answers(axes: "Axes", found: Sequence[Told], others: Sequence[Told]) -> None:
    over = "N" if all(one["N"] for one in [*found, *others]) else None
    x = _axis(found)
    others = [one for one in others if one[x]]
    rest = [key for key in threshold_result.differing(found) if key != x]
    series: dict[str, list[Told]] = {}
    for one in found:
        series.setdefault(threshold_result.label(one, rest) if rest else "", []).append(one)
    names = list(series)
    drawn = False
    for k in chosen(len(names), MOST_SERIES):
        colour = COLOURS[k % len(COLOURS)]
        ones = sorted(series[names[k]], key=lambda one: one[x])
        known = [one for one in ones if threshold_result.exactly(one)]
        drawn = drawn or bool(known)
        axes.plot(
            [one[x] for one in known],
            [_over(one, one["exact"]["n"], over) for one in known],
            color=colour, ls="--", lw=1.6, label=f"{names[k]} exact".strip() if known else "_",
        )  # fmt: skip
        _intervals(axes, ones, x, over, colour, MARKERS[k % len(MARKERS)], names[k] or "runs")
    if others:
        name = f"{others[0]['model'].upper()}, level {others[0]['level']:g}"
        _intervals(axes, others, x, over, "#000000", "*", name)
    axes.set_xscale("log")
    if drawn or any(threshold_result.some(one) for one in [*found, *others]):
        axes.set_yscale("log")
    axes.set_xlabel(NAMES.get(x, x))
    axes.set_ylabel("critical ratio $n^*/N$" if over else "largest harmless $n^*$")
    _plain(axes, sorted({one[x] for one in [*found, *others]}))
    paper = [one["paper"] for one in found if "paper" in one]
    if paper and max(paper) < 1:
        axes.set_title("eq. (11) of the paper is vacuous at all of these", fontsize=9, color="#555")
    style(axes)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize=8, frameon=False)


def _plain(axes: "Axes", at: Sequence[float]) -> None:
    """Numbers as they are written: the values on the x axis, 1, 2, 5 and so on on the y axis."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    shown = [at[i] for i in chosen(len(at), 8)]
    axes.set_xticks(shown, [f"{value:g}" for value in shown])
    axes.xaxis.set_minor_locator(NullLocator())
    if axes.get_yscale() == "log":
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.yaxis.set_minor_locator(NullLocator())
    axes.margins(0.08)


def _intervals(
    axes: "Axes",
    ones: Sequence[Told],
    x: str,
    over: str | None,
    colour: str,
    marker: str,
    name: str,
) -> None:
    """Bars from one end of the interval to the other, with the estimate; arrows where capped."""
    for capped in (False, True):
        some = [o for o in ones if o["found"]["capped"] is capped and threshold_result.some(o)]
        if not some:
            continue
        middle = [_over(one, one["found"]["estimate"] or one["found"]["low"], over) for one in some]
        low = [m - _over(o, o["found"]["low"], over) for m, o in zip(middle, some, strict=True)]
        high = [_over(o, o["found"]["high"], over) - m for m, o in zip(middle, some, strict=True)]
        axes.errorbar(
            [one[x] for one in some], middle,
            yerr=[[max(0.0, v) for v in low], [max(0.0, v) for v in high]],
            color=colour, marker="^" if capped else marker, ls="none", ms=6, capsize=3,
            label=f"{name}, beyond the cap" if capped else name,
        )  # fmt: skip


def _draw_probes(axes: "Axes", found: Sequence[Told]) -> None:
    """What the probes found against n, or n/N, with the exact criterion and the level."""
    from matplotlib.ticker import NullFormatter

    by_cell: dict[str, Told] = {}
    for one in found:  # levels of one cell share their exact curve; one of them is drawn
        by_cell.setdefault(one["name"], one)
    names = list(by_cell)
    over = "N" if all(one["N"] for one in found) else None
    for k, index in enumerate(chosen(len(names), MOST_PROBED)):
        one = by_cell[names[index]]
        probes = {n: (mean, low, high) for n, _, mean, _, low, high in one["probes"]}
        at = [_over(one, n, over) for n in probes]
        means = [mean for mean, _, _ in probes.values()]
        bars = [
            [mean - low for mean, low, _ in probes.values()],
            [high - mean for mean, _, high in probes.values()],
        ]
        keys = [key for key in threshold_result.differing(found) if key != "level"]
        axes.errorbar(
            at, means, yerr=bars, color=COLOURS[k], marker=MARKERS[k], ls="none", ms=4, capsize=2,
            elinewidth=0.8, label=threshold_result.label(one, keys) if keys else "probes",
        )  # fmt: skip
        line = sorted(one.get("exact_values", []))
        axes.plot(
            [_over(one, n, over) for n, _ in line], [v for _, v in line], color=COLOURS[k],
            ls="--", lw=1.4,
        )  # fmt: skip
    for level in sorted({one["level"] for one in found}):
        axes.axhline(level, color=BAND, lw=1)
        axes.annotate(
            f"level {level:g}", (1, level), xycoords=("axes fraction", "data"), fontsize=8,
            color="#555", ha="right", va="bottom",
        )  # fmt: skip
    axes.set_xscale("log")
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_ylim(bottom=0)
    axes.set_xlabel("$n / N$" if over else "samples per generation $n$")
    axes.set_ylabel(SYMBOLS[found[0]["criterion"]])
    model = "GPT" if found[0]["model"] == "gpt" else "statistical model"
    axes.set_title(f"probes, {model}; bars as the search sees them", fontsize=10)
    style(axes)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize=8, frameon=False)


def _axis(found: Sequence[Told]) -> str:
    """The axis with most values; N before others."""
    usable = [axis for axis in NAMES if all(one[axis] for one in found)]
    return max(usable, key=lambda axis: len({one[axis] for one in found}))


def _over(one: Told, n: float, over: str | None) -> float:
    return n / one[over] if over else n
