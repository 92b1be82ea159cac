"""The answers of a threshold search as text: a table, and a line each."""

from collections.abc import Sequence

from sweep.search.scaling import scaling
from sweep.search.threshold_result import AXES, ThresholdResult

HEADS = ("", "n*", "exact", "normal", "eq. (11)", "n*/N", "probes", "runs")
KEYS = ("schedule", *AXES)
"""Fields that distinguish answers."""
LEGEND = """n*: the largest n such that every n' <= n stays below the level, as an interval from
runs, at the requested confidence, and where a line through the probes crosses; exact: from theory;
normal: a closed form for many samples; eq. (11): the paper's bound; vacuous: it allows
no synthetic sample at all; runs: of all probes, as a share of those of every n up to the cap."""


def differing(results: Sequence[ThresholdResult]) -> list[str]:
    """Return those of `KEYS` in which answers differ."""
    return [key for key in KEYS if len({str(getattr(result, key)) for result in results}) > 1]


def label(result: ThresholdResult, keys: Sequence[str]) -> str:
    """Name an answer by the given ones of `KEYS`."""
    parts = []
    for key in keys:
        if key == "schedule":
            parts.append(result.schedule)
        elif key in result.axes:
            value = result.axes[key]
            parts.append(f"{key}={value:.6g}" if key in ("S0", "level") else f"{key}={value}")
    return " ".join(parts) or "n*"


def shared(results: Sequence[ThresholdResult]) -> str:
    """Describe what all answers have in common."""
    differ = differing(results)
    first = results[0]
    keys = [k for k in KEYS if k not in differ]
    if first.model == "gpt":  # its text determines them
        keys = [k for k in keys if k not in ("S0", "support")]
    return f"{first.criterion} below its level; " + label(first, keys)


def interval(result: ThresholdResult) -> str:
    """Show n* as an interval, with the estimate."""
    bracket = result.bracket
    if bracket.capped:
        return f">= {bracket.low}" if result.has_lower_end else "unknown"
    if not result.has_lower_end:
        return f"< {bracket.high + 1}"
    if bracket.low >= bracket.high:
        return str(bracket.low)
    ends = f"{bracket.low}..{bracket.high}"
    return ends if bracket.estimate is None else f"{ends} ({bracket.estimate})"


def exact(result: ThresholdResult) -> str:
    """Show n* from theory."""
    crossing = result.theory.exact
    if crossing is None:
        return "-"
    if crossing.capped:
        return f">= {crossing.n}"
    return f"< {result.first}" if crossing.n < result.first > 1 else str(crossing.n)


def row(result: ThresholdResult, keys: Sequence[str]) -> tuple[str, ...]:
    """Return a row of the table."""
    bracket, paper = result.bracket, result.theory.paper
    middle = bracket.estimate or bracket.low
    ratio = "-"
    if result.N and not bracket.capped and result.has_lower_end:
        ratio = f"{middle / result.N:.2g}"
    return (
        label(result, keys),
        interval(result),
        exact(result),
        _normal(result),
        "-" if paper is None else f"{paper:.3g}" if paper >= 1 else "vacuous",
        ratio,
        str(bracket.probes),
        f"{bracket.replicates / result.grid_replicates:.0%}",
    )


def _normal(result: ThresholdResult) -> str:
    """Show n* in closed form."""
    normal = result.theory.normal
    if normal is None:
        return "-"
    return f">= {result.cap}" if normal >= result.cap else f"{normal:.4g}"


def text(results: Sequence[ThresholdResult]) -> str:
    """Format the table for a terminal, and the scaling laws."""
    rows = sheet(results)
    widths = [max(len(r[k]) for r in rows) for k in range(len(rows[0]))]
    lines = [
        "  ".join(
            c.ljust(w) if k == 0 else c.rjust(w)
            for k, (c, w) in enumerate(zip(r, widths, strict=True))
        ).rstrip()
        for r in rows
    ]
    rule = "-" * max(map(len, lines))
    laws = [str(law) for law in scaling(results)]
    again = re_entries(results)
    return "\n".join([f"n* of {shared(results)}", lines[0], rule, *lines[1:], *again, *laws])


def sheet(results: Sequence[ThresholdResult]) -> list[tuple[str, ...]]:
    """Return heads and rows of the table, without empty columns."""
    keys = differing(results)
    rows = [HEADS, *(row(result, keys) for result in results)]
    kept = [k for k in range(len(HEADS)) if k == 0 or any(r[k] != "-" for r in rows[1:])]
    return [tuple(r[k] for k in kept) for r in rows]


def re_entries(results: Sequence[ThresholdResult]) -> list[str]:
    """List answers where a larger n is below the level again, a line each."""
    keys = differing(results)
    return [
        f"{label(result, keys)}: below the level again from n = {crossing.re_entry} on, exactly"
        for result in results
        if (crossing := result.theory.exact) and crossing.re_entry
    ]


def lines(results: Sequence[ThresholdResult]) -> list[str]:
    """List the scaling laws and the answers, a line each."""
    keys = differing(results)
    intervals = [
        f"{label(result, keys)}: n* {interval(result)}"
        + (f", exact {exact(result)}" if result.theory.exact else "")
        for result in results
    ]
    return [*map(str, scaling(results)), *intervals, *re_entries(results)]
