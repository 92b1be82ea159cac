"""What a simulation says against theory, or a GPT against its control, in numbers and words.

    z    (mean - reference) / standard error
    R    replicates

The standard error is an estimate from the same runs. So z is held against
Student's t of R - 1 degrees of freedom, which is right while means over runs are
about normal. Where they cannot be, since all runs but a few have the same value,
there is no z. Skewed values over few runs still pass too often: of 400 sweeps
without any error 0 to 3 differed at R = 100, and 0 to 9 at R = 20, instead of 0.4.
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
"""Most comparisons that are told one by one; beyond, those with the largest |z|."""


def numbers(entries: Sequence[CellRun]) -> list[Number]:
    """Every mean that has a name in theory, cell by cell; a cell that has not finished has none."""
    names, _ = labels([entry.cell for entry in entries]) if entries else ([], "")
    found: list[Number] = []
    for name, entry in zip(names, entries, strict=True):
        if entry.run.status != "FINISHED":
            continue
        found += display_of([entry.cell]).numbers(name, entry, entries)
    return found


def about(value: float, se: float | None, plus_minus: str = " +- ") -> str:
    """A mean with two digits of its standard error."""
    if not se:
        return f"{value:.4g}"
    return f"{rounded(value, se)}{plus_minus}{rounded(se, se)}"


def rounded(value: float, se: float | None) -> str:
    """A number to two digits of its standard error, or to four digits without one."""
    if not se:
        return f"{value:.4g}"
    return f"{value:.{max(0, 1 - math.floor(math.log10(se)))}f}"


def line(number: Number) -> str:
    """One comparison in words."""
    own = f"{number.cell}: {number.symbol} = {about(number.mean, number.se)}"
    if number.control is not None:
        apart = number.mean - number.control.mean
        error = about(number.control.mean, number.control.se)
        way = "beyond" if apart >= 0 else "short of"
        own += f", {way} the control ({error}) by {rounded(abs(apart), number.se)}"
    elif number.exact is not None:
        own += f", exact {rounded(number.exact, number.se)}"
    if number.z is not None:
        return f"{own} (z = {number.z:z.1f})"
    if number.reference is None:
        return own
    why = "one run" if number.se is None else "no spread" if number.normal else "few runs differ"
    return f"{own} ({why}: no z)"


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What the numbers of a sweep say."""

    numbers: list[Number]
    """All of them, cell by cell."""
    overall: list[str]
    """A line over all comparisons with theory, and one over those with a control."""
    lines: list[str]
    """The comparisons in words; of many those with the largest |z|."""
    more: int
    """How many comparisons are not told in `lines`."""
    odd: list[Number]
    """Those that differ from theory by more than chance; a GPT may differ from its control."""


def judge(entries: Sequence[CellRun]) -> Verdict:
    """Compare the last generation of the cells with theory, or with their control."""
    found = numbers(entries)
    told = [number for number in found if number.reference is not None]
    count = len(told)
    if count > MOST_LINES:
        told = sorted(told, key=lambda number: -abs(number.z or 0.0))[:MOST_LINES]
    theory, arms = _judged(found)
    return Verdict(
        numbers=found,
        overall=[*_over_theory(theory), *_over_control(arms)],
        lines=[line(number) for number in told],
        more=count - len(told),
        odd=surprising(theory),
    )


def text(entries: Sequence[CellRun], width: int = 80) -> str:
    """A few lines for the terminal; nothing where nothing can be compared."""
    verdict = judge(entries)
    told = list(verdict.overall)
    for kind in _judged(verdict.numbers):
        off = sorted(surprising(kind), key=lambda number: -abs(number.z or 0.0))
        told += [f"  {line(number)}" for number in off[:3] or largest(kind)]
    return "\n".join(
        textwrap.fill(one, width, subsequent_indent="    ", break_on_hyphens=False) for one in told
    )


def _judged(found: Sequence[Number]) -> tuple[list[Number], list[Number]]:
    """The numbers that have a z: against theory, and against a control."""
    judged = [number for number in found if number.z is not None]
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
    told = [f"Control: {', '.join(words)}; {_chance(worst, judged)}"]
    if any(arm.contexts for arm in judged):
        told.append("One run of each: errors are over contexts alone; more runs would say more.")
    return told


def _chance(worst: Number, judged: Sequence[Number]) -> str:
    """The rule, as it holds if means are normal."""
    return f"normal means pass {worst.limit(len(judged)):.1f} in 1 of {1 / LEVEL:,.0f} sweeps"


def _place(arm: Number, far: bool) -> str:
    if not far:
        return "does not leave it"
    return "ends beyond it" if (arm.z or 0.0) > 0 else "ends short of it"


def largest(judged: Sequence[Number]) -> list[Number]:
    """The one farthest out, by what chance would give it, of those with a z."""
    count = len(judged)
    return sorted(judged, key=lambda number: -abs(number.z or 0.0) / number.limit(count))[:1]


def surprising(judged: Sequence[Number]) -> list[Number]:
    """Those beyond what chance gives, of those with a z."""
    count = len(judged)
    return [number for number in judged if abs(number.z or 0.0) > number.limit(count)]
