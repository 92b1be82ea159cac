"""Figures of the largest harmless n: from theory, and from runs of both models."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sweep.cells.thinning import chosen
from sweep.report.figures.axes import BAND, COLOURS, MARKERS, style
from sweep.search import threshold_table
from sweep.search.threshold_result import ThresholdResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_SERIES = 8
"""Most lines on the axes of n*."""
MOST_PROBED = 4
"""Most answers whose probes are drawn."""
NAMES = {"N": "real samples $N$", "S0": "$S_0$", "support": "support", "m": "generation $m$"}
SYMBOLS = {
    "deviation": r"$\mathbb{E}\,\|p^{(m)} - p^{(1)}\|_1$", "collapsed": "share collapsed",
    "sigma": r"$\sigma_m / S_0$", "loss": "validation loss above generation 1, nats",
}  # fmt: skip


def threshold_figure(
    answers: Sequence[ThresholdResult], others: Sequence[ThresholdResult], title: str
) -> "Figure":
    """n* (n*/N where there is an N) against the axis that varies most; then the probes.

    others: answers of another model, for comparison.
    """
    from matplotlib.figure import Figure

    columns = 2 + bool(others)
    figure = Figure(figsize=(4.6 * columns + 0.4, 4.4), layout="constrained")
    axes = list(figure.subplots(1, columns, squeeze=False).flat)
    _draw_answers(axes[0], answers, others)
    _draw_probes(axes[1], answers)
    if others:
        _draw_probes(axes[2], others)
    figure.suptitle(title, fontsize=12)
    return figure


def _draw_answers(
    axes: "Axes", answers: Sequence[ThresholdResult], others: Sequence[ThresholdResult]
) -> None:
    per_N = all(answer.N for answer in [*answers, *others])
    x = _axis(answers)
    others = [answer for answer in others if x in answer.axes]
    rest = [key for key in threshold_table.differing(answers) if key != x]
    series: dict[str, list[ThresholdResult]] = {}
    for answer in answers:
        series.setdefault(threshold_table.label(answer, rest) if rest else "", []).append(answer)
    names = list(series)
    drawn = False
    for k in chosen(len(names), MOST_SERIES):
        colour = COLOURS[k % len(COLOURS)]
        members = sorted(series[names[k]], key=lambda answer: answer.axes[x])
        exact = [(answer, n) for answer in members if (n := answer.exact_n) is not None]
        drawn = drawn or bool(exact)
        axes.plot(
            [answer.axes[x] for answer, _ in exact],
            [_over(answer, n, per_N) for answer, n in exact],
            color=colour, ls="--", lw=1.6, label=f"{names[k]} exact".strip() if exact else "_",
            marker="_" if len(exact) == 1 else "", ms=16, mew=1.8,
        )  # fmt: skip
        _intervals(axes, members, x, per_N, colour, MARKERS[k % len(MARKERS)], names[k] or "runs")
    if others:
        name = f"{others[0].model.upper()}, level {others[0].level:g}"
        _intervals(axes, others, x, per_N, "#000000", "*", name)
    axes.set_xscale("log")
    if drawn or any(answer.any_below for answer in [*answers, *others]):
        axes.set_yscale("log")
    axes.set_xlabel(NAMES.get(x, x))
    axes.set_ylabel("critical ratio $n^*/N$" if per_N else "largest harmless $n^*$")
    _plain(axes, sorted({answer.axes[x] for answer in [*answers, *others]}))
    paper = [bound for answer in answers if (bound := answer.theory.paper) is not None]
    if paper and max(paper) < 1:
        axes.set_title("eq. (11) of the paper is vacuous at all of these", fontsize=9, color="#555")
    style(axes)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize=8, frameon=False)


def _plain(axes: "Axes", at: Sequence[float]) -> None:
    """Label the axes with plain numbers: `at` on the x axis; 1, 2, 5, 10, .. on the y axis."""
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
    answers: Sequence[ThresholdResult],
    x: str,
    per_N: bool,
    colour: str,
    marker: str,
    name: str,
) -> None:
    """Draw the intervals as bars, with the estimates; arrows where the search hit its cap."""
    for capped in (False, True):
        shown = [a for a in answers if a.bracket.capped is capped and a.any_below]
        if not shown:
            continue
        middle = [_over(a, a.bracket.estimate or a.bracket.low, per_N) for a in shown]
        low = [m - _over(a, a.bracket.low, per_N) for m, a in zip(middle, shown, strict=True)]
        high = [_over(a, a.bracket.high, per_N) - m for m, a in zip(middle, shown, strict=True)]
        axes.errorbar(
            [a.axes[x] for a in shown], middle,
            yerr=[[max(0.0, v) for v in low], [max(0.0, v) for v in high]],
            color=colour, marker="^" if capped else marker, ls="none", ms=6, capsize=3,
            label=f"{name}, beyond the cap" if capped else name,
        )  # fmt: skip


def _draw_probes(axes: "Axes", answers: Sequence[ThresholdResult]) -> None:
    """Draw the results of the probes against n, or n/N, with the exact criterion and the level."""
    from matplotlib.ticker import NullFormatter

    by_cell: dict[str, ThresholdResult] = {}
    for answer in answers:  # the levels of a cell share their exact curve; draw it once
        by_cell.setdefault(answer.name, answer)
    cells = list(by_cell.values())
    drawn = [cells[i] for i in chosen(len(cells), MOST_PROBED)]
    per_N = all(answer.N for answer in answers)
    for k, answer in enumerate(drawn):
        probes = list({probe.n: probe for probe in answer.probes}.values())  # the last has most R
        at = [_over(answer, probe.n, per_N) for probe in probes]
        means = [probe.mean for probe in probes]
        bars = [[p.mean - p.low for p in probes], [p.high - p.mean for p in probes]]
        keys = [key for key in threshold_table.differing(answers) if key != "level"]
        axes.errorbar(
            at, means, yerr=bars, color=COLOURS[k], marker=MARKERS[k], ls="none", ms=4, capsize=2,
            elinewidth=0.8, label=threshold_table.label(answer, keys) if keys else "probes",
        )  # fmt: skip
        line = sorted(answer.theory.exact_values or ())
        axes.plot(
            [_over(answer, n, per_N) for n, _ in line], [v for _, v in line], color=COLOURS[k],
            ls="--", lw=1.4,
        )  # fmt: skip
    for level in sorted({answer.level for answer in answers}):
        axes.axhline(level, color=BAND, lw=1)
        axes.annotate(
            f"level {level:g}", (1, level), xycoords=("axes fraction", "data"), fontsize=8,
            color="#555", ha="right", va="bottom",
        )  # fmt: skip
    if any(answer.probes for answer in drawn):  # an empty axis cannot be logarithmic
        axes.set_xscale("log")
        axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_ylim(bottom=0)
    axes.set_xlabel("$n / N$" if per_N else "samples per generation $n$")
    axes.set_ylabel(SYMBOLS[answers[0].criterion])
    model = "GPT" if answers[0].model == "gpt" else "statistical model"
    axes.set_title(f"probes, {model}, with the error bars that the search uses", fontsize=9)
    style(axes)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize=8, frameon=False)


def _axis(answers: Sequence[ThresholdResult]) -> str:
    """The axis with most values; N wins a tie."""
    usable = [axis for axis in NAMES if all(axis in answer.axes for answer in answers)]
    return max(usable, key=lambda axis: len({answer.axes[axis] for answer in answers}))


def _over(answer: ThresholdResult, n: float, per_N: bool) -> float:
    """n/N if `per_N` and there is an N, else n."""
    return n / answer.N if per_N and answer.N else n
