"""What a threshold search has found, in words: a table, the scaling law of n*.

An answer is one entry of threshold.json, see `sweep.search.threshold.told`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

FILE = "threshold.json"
"""Artifact of the run of a sweep."""
KEYS = ("schedule", "N", "K", "S0", "support", "m", "level")
"""By what answers are told apart."""
AXES = ("N", "S0", "support", "m", "level")
"""What n* may scale with, where it differs between answers."""
HEADS = ("", "n*", "exact", "normal", "eq. (11)", "n*/N", "probes", "runs")
CONFIDENCE = 0.95
"""Of the exponents of the scaling law."""
LEGEND = """n*: the largest n such that every n' <= n stays below the level, as an interval from
runs, at the confidence asked for, and where a line through the probes crosses; exact: from theory;
normal: a closed form for many samples; eq. (11): the paper's bound; vacuous: it allows
no synthetic sample at all; runs: of all probes, as a share of those of every n up to the cap."""

Told = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Scaling:
    """n* = constant x the product of axis ** exponent, fitted to answers."""

    of: str
    """exact or runs: what was fitted."""
    exponents: dict[str, tuple[float, float]]
    """Axis -> exponent and half the width of its interval."""
    answers: int
    """How many were fitted."""

    def __str__(self) -> str:
        powers = ", ".join(f"{a}^({b:.2f} +- {e:.2f})" for a, (b, e) in self.exponents.items())
        return f"n* grows as {powers} ({self.of}, {self.answers} answers, {CONFIDENCE:.0%})"


def differing(found: Sequence[Told]) -> list[str]:
    """The axes in which answers differ."""
    return [key for key in KEYS if len({str(one[key]) for one in found}) > 1]


def label(one: Told, keys: Sequence[str]) -> str:
    """An answer by the axes given."""
    words = []
    for key in keys:
        if one[key] is not None:
            shown = f"{one[key]:.6g}" if key in ("S0", "level") else str(one[key])
            words.append(shown if key == "schedule" else f"{key}={shown}")
    return " ".join(words) or "n*"


def shared(found: Sequence[Told]) -> str:
    """What all answers have in common."""
    differ = differing(found)
    one = found[0]
    keys = [k for k in KEYS if k not in differ]
    if one["model"] == "gpt":  # they are those of its text
        keys = [k for k in keys if k not in ("S0", "support")]
    return f"{one['criterion']} below its level; " + label(one, keys)


def interval(one: Told) -> str:
    """n* as an interval, with the estimate; of a first n above 1 all smaller ones are unknown."""
    answer = one["found"]
    if answer["capped"]:
        return f">= {answer['low']}" if some(one) or answer["low"] == 0 else "unknown"
    if not some(one) and one["first"] > 1:
        return f"< {answer['high'] + 1}"
    ends = f"{answer['low']}..{answer['high']}" if answer["low"] < answer["high"] else "only"
    if ends == "only":
        return str(answer["low"])
    estimate = answer["estimate"]
    return ends if estimate is None else f"{ends} ({estimate})"


def exact(one: Told) -> str:
    """n* from theory."""
    if "exact" not in one:
        return "-"
    found = one["exact"]
    if found["capped"]:
        return f">= {found['n']}"
    return f"< {one['first']}" if found["n"] < one["first"] > 1 else str(found["n"])


def exactly(one: Told) -> bool:
    """Whether theory knows n*, and it is neither the cap nor below the first n."""
    found = one.get("exact")
    return bool(found and not found["capped"] and found["n"] >= one["first"])


def some(one: Told) -> bool:
    """Whether some n is known to be below the level."""
    return bool(one["found"]["low"] >= one["first"])


def row(one: Told, keys: Sequence[str]) -> tuple[str, ...]:
    """One line of the table."""
    answer, paper = one["found"], one.get("paper")
    middle = answer["estimate"] or answer["low"]
    known = one["N"] and not answer["capped"] and (some(one) or one["first"] == 1)
    ratio = f"{middle / one['N']:.2g}" if known else "-"
    return (
        label(one, keys),
        interval(one),
        exact(one),
        _normal(one),
        "-" if paper is None else f"{paper:.3g}" if paper >= 1 else "vacuous",
        ratio,
        str(answer["probes"]),
        f"{answer['replicates'] / one['grid_replicates']:.0%}",
    )


def _normal(one: Told) -> str:
    """n* in closed form."""
    if "normal" not in one:
        return "-"
    return f">= {one['cap']}" if one["normal"] >= one["cap"] else f"{one['normal']:.4g}"


def text(found: Sequence[Told]) -> str:
    """The table for a terminal, and the scaling laws."""
    rows = sheet(found)
    widths = [max(len(r[k]) for r in rows) for k in range(len(rows[0]))]
    lines = [
        "  ".join(
            c.ljust(w) if k == 0 else c.rjust(w)
            for k, (c, w) in enumerate(zip(r, widths, strict=True))
        ).rstrip()
        for r in rows
    ]
    rule = "-" * max(map(len, lines))
    laws = [str(law) for law in scaling(found)]
    again = re_entries(found)
    return "\n".join([f"n* of {shared(found)}", lines[0], rule, *lines[1:], *again, *laws])


def sheet(found: Sequence[Told]) -> list[tuple[str, ...]]:
    """Heads and rows of the table, without columns that say nothing."""
    keys = differing(found)
    rows = [HEADS, *(row(one, keys) for one in found)]
    kept = [k for k in range(len(HEADS)) if k == 0 or any(r[k] != "-" for r in rows[1:])]
    return [tuple(r[k] for k in kept) for r in rows]


def re_entries(found: Sequence[Told]) -> list[str]:
    """Where a larger n is below the level again, a line each."""
    keys = differing(found)
    return [
        f"{label(one, keys)}: below the level again from n = {one['exact']['re_entry']} on, exactly"
        for one in found
        if one.get("exact", {}).get("re_entry")
    ]


def lines(found: Sequence[Told]) -> list[str]:
    """The answers and the scaling laws, a line each."""
    keys = differing(found)
    said = [
        f"{label(one, keys)}: n* {interval(one)}"
        + (f", exact {exact(one)}" if "exact" in one else "")
        for one in found
    ]
    return [*map(str, scaling(found)), *said, *re_entries(found)]


def scaling(found: Sequence[Told]) -> list[Scaling]:
    """The power laws of n*, exact and from runs, with their intervals; none where too few.

    Of answers of one schedule and window alone.
    """
    if len({(one["schedule"], one["K"]) for one in found}) > 1:
        return []
    fitted = (_fitted(found, of) for of in ("exact", "runs"))
    return [law for law in fitted if law is not None]


def _fitted(found: Sequence[Told], of: str) -> Scaling | None:
    known = [(one, n) for one in found if (n := _n(one, of)) is not None]
    axes = [
        axis
        for axis in AXES
        if all(one[axis] for one, _ in known) and len({one[axis] for one, _ in known}) > 1
    ]
    freedom = len(known) - len(axes) - 1
    if not axes or freedom < 2:
        return None
    X = np.array([[1.0, *(math.log(one[axis]) for axis in axes)] for one, _ in known])
    y = np.log([n for _, n in known])
    if np.linalg.matrix_rank(X) < X.shape[1]:
        return None
    slopes, *_ = np.linalg.lstsq(X, y, rcond=None)
    variance = ((y - X @ slopes) ** 2).sum() / freedom * np.linalg.inv(X.T @ X)
    half = stats.t.isf((1 - CONFIDENCE) / 2, freedom) * np.sqrt(np.diag(variance))
    exponents = {a: (float(slopes[k]), float(half[k])) for k, a in enumerate(axes, start=1)}
    if not any(abs(b) > e for b, e in exponents.values()):
        return None  # nothing that is not noise
    return Scaling(of=of, exponents=exponents, answers=len(known))


def _n(one: Told, of: str) -> float | None:
    """n* of an answer, if it is at least 1 and not capped."""
    if of == "exact":
        return float(one["exact"]["n"]) if exactly(one) else None
    answer = one["found"]
    known = not answer["capped"] and some(one)
    return float(answer["estimate"] or 0) or None if known else None
