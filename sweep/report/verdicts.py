"""Simulations compared with theory, and GPTs with their control, in numbers and words.

    z    (mean - reference) / standard error
    R    replicates

The standard error is estimated from the same runs, so z is compared with Student's t
of R - 1 degrees of freedom, which is right while means over runs are about normal.
Where they cannot be, since all runs but a few have the same value, there is no z.
Skewed values over few runs still exceed the limit too often: of 400 sweeps without
any error, 0 to 3 differed at R = 100 and 0 to 9 at R = 20, instead of 0.4.
"""

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from sweep.cells.labels import labels
from sweep.report.cell_runs import CellRun
from sweep.report.display import display_of
from sweep.report.numbers import LEVEL, Number

MOST_LINES = 12
"""Most comparisons that are listed; of more, those with the largest |z|."""


def numbers(cell_runs: Sequence[CellRun]) -> list[Number]:
    """Every mean that has a name in theory, cell by cell; unfinished cells have none."""
    names, _ = labels([cell_run.cell for cell_run in cell_runs]) if cell_runs else ([], "")
    compared: list[Number] = []
    for name, cell_run in zip(names, cell_runs, strict=True):
        if cell_run.run.status != "FINISHED":
            continue
        compared += display_of([cell_run.cell]).numbers(name, cell_run, cell_runs)
    return compared


def about(value: float, se: float | None, plus_minus: str = " +- ") -> str:
    """A mean with two digits of its standard error."""
    if not se:
        return f"{value:.4g}"
    return f"{rounded(value, se)}{plus_minus}{rounded(se, se)}"


def rounded(value: float, se: float | None) -> str:
    """A number to two digits of its standard error, or to four digits if there is none."""
    if not se:
        return f"{value:.4g}"
    return f"{value:.{max(0, 1 - math.floor(math.log10(se)))}f}"


def line(number: Number) -> str:
    """A comparison in words."""
    words = f"{number.cell}: {number.symbol} = {about(number.mean, number.se)}"
    if number.control is not None:
        apart = number.mean - number.control.mean
        error = about(number.control.mean, number.control.se)
        side = "above" if apart >= 0 else "below"
        words += f", {side} the control ({error}) by {rounded(abs(apart), number.se)}"
    elif number.exact is not None:
        words += f", exact {rounded(number.exact, number.se)}"
    if number.z is not None:
        return f"{words} (z = {number.z:z.1f})"
    if number.reference is None:
        return words
    why = "one run" if number.se is None else "no spread" if number.normal else "few runs differ"
    return f"{words} ({why}: no z)"


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The numbers of a sweep, compared."""

    numbers: list[Number]
    """All numbers, cell by cell."""
    overall: list[str]
    """A line over all comparisons with theory, and one over those with a control."""
    lines: list[str]
    """The comparisons in words; of many, those with the largest |z|."""
    more: int
    """How many comparisons `lines` leaves out."""
    odd: list[Number]
    """Numbers that differ from theory by more than chance; a GPT may differ from its control."""


def judge(cell_runs: Sequence[CellRun]) -> Verdict:
    """Compare the last generation of the cells with theory, or with their control."""
    every = numbers(cell_runs)
    compared = [number for number in every if number.reference is not None]
    count = len(compared)
    if count > MOST_LINES:
        compared = sorted(compared, key=lambda number: -abs(number.z or 0.0))[:MOST_LINES]
    theory, arms = _judged(every)
    return Verdict(
        numbers=every,
        overall=[*_over_theory(theory), *_over_control(arms)],
        lines=[line(number) for number in compared],
        more=count - len(compared),
        odd=surprising(theory),
    )


def text(cell_runs: Sequence[CellRun], width: int = 80) -> str:
    """A few lines for the terminal; empty where nothing can be compared."""
    verdict = judge(cell_runs)
    lines = list(verdict.overall)
    for kind in _judged(verdict.numbers):
        off = sorted(surprising(kind), key=lambda number: -abs(number.z or 0.0))
        lines += [f"  {line(number)}" for number in off[:3] or largest(kind)]
    return "\n".join(
        textwrap.fill(unwrapped, width, subsequent_indent="    ", break_on_hyphens=False)
        for unwrapped in lines
    )


def _judged(numbers: Sequence[Number]) -> tuple[list[Number], list[Number]]:
    """The numbers that have a z: against theory, and against a control."""
    judged = [number for number in numbers if number.z is not None]
    return [n for n in judged if n.control is None], [n for n in judged if n.control is not None]


def _over_theory(judged: Sequence[Number]) -> list[str]:
    if not judged:
        return []
    (worst,), off = largest(judged), surprising(judged)
    return [
        f"Theory: {len(judged) - len(off)} of {len(judged)} agree"
        + (f", {len(off)} differ{'s' if len(off) == 1 else ''} (look)" if off else "")
        + f": |z| up to {abs(worst.z or 0.0):.1f}; {_chance(worst, judged)}"
    ]


def _over_control(judged: Sequence[Number]) -> list[str]:
    if not judged:
        return []
    far, (worst,) = surprising(judged), largest(judged)
    words = [
        f"{arm.cell} {_place(arm, arm in far)}"
        for arm in sorted(judged, key=lambda number: -abs(number.z or 0.0))[:MOST_LINES]
    ]
    lines = [f"Control: {', '.join(words)}; {_chance(worst, judged)}"]
    if any(arm.contexts for arm in judged):
        lines.append("One run each: errors cover only the contexts; more runs would say more.")
    return lines


def _chance(worst: Number, judged: Sequence[Number]) -> str:
    """The limit of |z|, as it holds if means are normal."""
    return f"normal means pass {worst.limit(len(judged)):.1f} in 1 of {1 / LEVEL:,.0f} sweeps"


def _place(arm: Number, far: bool) -> str:
    if not far:
        return "does not differ from it"
    return "ends above it" if (arm.z or 0.0) > 0 else "ends below it"


def largest(judged: Sequence[Number]) -> list[Number]:
    """The number farthest out relative to what chance gives, as a list; all must have a z."""
    count = len(judged)
    return sorted(judged, key=lambda number: -abs(number.z or 0.0) / number.limit(count))[:1]


def surprising(judged: Sequence[Number]) -> list[Number]:
    """The numbers farther out than chance gives; all must have a z."""
    count = len(judged)
    return [number for number in judged if abs(number.z or 0.0) > number.limit(count)]
