"""The search for n* among noisy values: which cells to run next, and the answer. Pure.

    n*       the largest n such that every n' <= n keeps a quantity below a level
    zone     relative indifference: below means surely below (1 - zone) level, above means
             surely not below the level; anything between them is a tie
    R        replicates of a probe

Probes climb from below by doubling until one is above, and then close in on the
last that is below and the first that is above. An undecided probe is repeated with
more replicates, which include the earlier ones, since cells share random numbers.
Every decision is a function of the results of earlier rounds alone, so an
interrupted search resumes as if it had never stopped.

n* lies in the interval with the stated confidence if, below n*, the quantity never
falls by more than the zone as n grows, and if means are about normal. The error is
divided among more probes than a search makes, and each is tested with Student's t
(shares with Clopper-Pearson bounds; where all but a few runs are alike, by how
frequent the others can be). Replicates grow by powers of two, so that repeats of an
n are among few possible tests. A rise and fall between two probes would be missed;
`models.theory.threshold` evaluates every n.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy import stats

REPLICATES_GROW = 4
"""Most doublings of the replicates of a probe in one step."""
FEW = 30
"""Replicates below which the spread is pooled over all probes. Cells share random numbers, so the
pooled spread is no more precise than that of one probe, which gives its degrees of freedom."""
ALIKE = 10
"""Number of runs unlike the others from which the mean is about normal."""
MARGIN = 1.3
"""Factor on the replicates that would just decide."""


class Probe(NamedTuple):
    """A question: a cell with this n, run R times."""

    n: int
    R: int


class Value(NamedTuple):
    """The result of a probe."""

    mean: float
    sd: float
    """Standard deviation over replicates."""
    unlike: int
    """Number of runs that differ from the most frequent value."""


@dataclass(frozen=True, kw_only=True)
class Rules:
    """How a search decides."""

    level: float
    first: int
    """The smallest n."""
    cap: int
    """The largest n."""
    replicates: int
    """R of the first probe of an n; at least 2."""
    confidence: float
    """Confidence of the answer: the errors of all probes add up to at most 1 - confidence."""
    zone: float
    """Relative indifference zone, see above; 0 < zone < 1."""
    budget: int
    """Most replicates in total."""
    at_once: int
    """Probes per round."""
    resolution: float
    """The search ends when the ends of the interval are within this share of each other."""
    re_entry: bool
    """Whether to search beyond n* for an n that is below the level again."""
    top: float = math.inf
    """The largest value that a run can have."""
    share: bool = False
    """Whether the quantity is 0 or 1 in each run: its interval is exact (Clopper-Pearson)."""

    @property
    def tests(self) -> int:
        """Most probes of a search, repeats included; the error is divided among them."""
        climb = math.ceil(math.log2(self.cap / self.first)) + 1
        close = climb
        if self.resolution:
            close = min(climb, 1 + math.ceil(1 / math.log2(1 + self.resolution)))
        return (4 if self.replicates >= FEW else 2) * (climb + close)


@dataclass(frozen=True, kw_only=True)
class Bracket:
    """The answer of a search."""

    low: int
    """Every n up to this one is below the level; first - 1 if none surely is."""
    high: int
    """n* is at most this; the cap if no n up to it is surely above."""
    capped: bool
    """Whether no n is surely above."""
    estimate: int | None
    """The last n before a line through the nearby probes crosses the level; None if these are too
    few."""
    re_entry: tuple[int, int] | None
    """An n beyond n* that is above, and a later n that is below again."""
    probes: int
    replicates: int
    """Runs of all probes; a repeated probe counts in full again."""
    ended: str
    """Why it ended: found, or budget, of replicates or of probes."""


def replay(
    rules: Rules, result: Callable[[Probe], Value | None]
) -> tuple[list[Probe], dict[Probe, Value]]:
    """Return the probes to run now, and the results that count; none to run: it is finished.

    Rounds are replayed from the first, so that results of an incomplete round, or of another
    search, change nothing. result: probe -> its result, None if it has none.
    """
    values: dict[Probe, Value] = {}
    while asked := ask(rules, values):
        answers = {probe: result(probe) for probe in asked}
        if missing := [probe for probe, value in answers.items() if value is None]:
            return missing, values
        values |= {probe: value for probe, value in answers.items() if value is not None}
    return [], values


def ask(rules: Rules, values: Mapping[Probe, Value]) -> list[Probe]:
    """Return the probes of the next round; empty when the search is finished."""
    left = rules.budget - sum(probe.R for probe in values)
    asked: list[Probe] = []
    latest = dict(sorted(values))
    for probe in _wanted(rules, values):
        if len(values) + len(asked) == rules.tests:
            break
        if probe.R > left:  # halved until it fits the rest of the budget
            halvings = math.ceil(math.log2(probe.R / max(left, 1)))
            probe = Probe(probe.n, probe.R // 2**halvings)
            if probe.R <= max(latest.get(probe.n, 0), rules.replicates - 1):
                break
        asked.append(probe)
        left -= probe.R
        if len(asked) == rules.at_once:
            break
    return asked


def answer(rules: Rules, values: Mapping[Probe, Value]) -> Bracket:
    """Derive the answer from the results so far."""
    verdicts = _verdicts(rules, values)
    low, high = _bracket(rules, verdicts)
    capped = high > rules.cap
    return Bracket(
        low=low,
        high=high - 1,
        capped=capped,
        estimate=None if capped else _estimate(rules, values, low, high - 1),
        re_entry=_re_entry(verdicts, high),
        probes=len(values),
        replicates=sum(probe.R for probe in values),
        ended="budget" if next(_wanted(rules, values), None) else "found",
    )


def interval(rules: Rules, probe: Probe, value: Value, spread: float) -> tuple[float, float]:
    """Bound the mean of a probe, each bound wrong with probability (1 - confidence) / (2 tests).

    spread: standard deviation over all probes, see `pooled`.
    """
    error = (1 - rules.confidence) / (2 * rules.tests)
    if rules.share:
        hits = round(value.mean * probe.R)
        low = stats.beta.ppf(error, hits, probe.R - hits + 1) if hits else 0.0
        high = stats.beta.isf(error, hits + 1, probe.R - hits) if hits < probe.R else 1.0
        return float(low), float(high)
    few = probe.R < FEW
    if not few and value.unlike < ALIKE and math.isfinite(rules.top):
        often = stats.beta.isf(error, value.unlike + 1, probe.R - value.unlike)
        half = rules.top * float(often - value.unlike / probe.R)
        return value.mean - half, value.mean + half
    sd = spread if few else value.sd
    half = float(stats.t.isf(error, probe.R - 1)) * sd / math.sqrt(probe.R)
    return value.mean - half, value.mean + half


def _verdicts(rules: Rules, values: Mapping[Probe, Value]) -> dict[int, tuple[str, int]]:
    """Map n to below, above, tie or open, and to the replicates that would decide an open one."""
    spread = pooled(values)
    latest = {probe.n: probe for probe in sorted(values)}
    verdicts: dict[int, tuple[str, int]] = {}
    floor = rules.level * (1 - rules.zone)
    for n, probe in latest.items():
        mean = values[probe].mean
        low, high = interval(rules, probe, values[probe], spread)
        half = (high - low) / 2
        tie = rules.level * rules.zone / 2
        if high < floor:
            verdicts[n] = ("below", 0)
        elif low >= rules.level:
            verdicts[n] = ("above", 0)
        elif half <= tie:
            verdicts[n] = ("tie", 0)
        else:
            gap = floor - mean if mean < floor else mean - rules.level
            enough = probe.R * (half / max(gap, tie)) ** 2 * MARGIN
            most = 1 if probe.R < FEW else REPLICATES_GROW
            doublings = math.ceil(math.log2(max(enough / probe.R, 2)))
            verdicts[n] = ("open", probe.R * 2 ** min(doublings, most))
    return verdicts


def pooled(values: Mapping[Probe, Value]) -> float:
    """Pool the standard deviation over the last probe of each n, which includes earlier ones."""
    latest = {probe.n: probe for probe in sorted(values)}.values()
    freedom = sum(probe.R - 1 for probe in latest)
    square = sum((probe.R - 1) * values[probe].sd ** 2 for probe in latest)
    return math.sqrt(square / freedom) if freedom else 0.0


def _bracket(rules: Rules, verdicts: Mapping[int, tuple[str, int]]) -> tuple[int, int]:
    """Return the last n surely below before the first n surely above, and the latter."""
    high = min(
        (n for n, (verdict, _) in verdicts.items() if verdict == "above"), default=rules.cap + 1
    )
    below = (n for n, (verdict, _) in verdicts.items() if verdict == "below" and n < high)
    return max(below, default=rules.first - 1), high


def _wanted(rules: Rules, values: Mapping[Probe, Value]) -> Iterator[Probe]:
    """Yield probes that would narrow the answer, the most urgent first."""
    verdicts = _verdicts(rules, values)
    low, high = _bracket(rules, verdicts)
    yield from _ladder(rules, verdicts, high)
    # Open n within the interval, lowest first: ends that move make others needless.
    inside = sorted(n for n in verdicts if low < n < high)
    yield from (Probe(n, verdicts[n][1]) for n in inside if verdicts[n][0] == "open")
    if high <= rules.cap or inside:
        yield from _inner(rules, low, high, inside)
    if rules.re_entry and high <= rules.cap:
        yield from _beyond(rules, verdicts, high)


def _ladder(rules: Rules, verdicts: Mapping[int, tuple[str, int]], high: int) -> Iterator[Probe]:
    """Yield n = first, twice that, .., the cap, until a probe is above."""
    n = rules.first
    while True:
        if n >= high:
            return
        if n not in verdicts:
            yield Probe(n, rules.replicates)
        if n == rules.cap:
            return
        n = _next(n, rules.cap)


def _next(n: int, cap: int) -> int:
    """Return twice n, or the cap if that is not much larger."""
    return 2 * n if 2.5 * n <= cap else cap


def _inner(rules: Rules, low: int, high: int, inside: list[int]) -> Iterator[Probe]:
    """Yield new n within the interval, towards both ends of its undecided n."""
    gaps = [(low, inside[0]), (inside[-1], high)] if inside else [(low, high)]
    for left, right in gaps:
        if right > rules.cap + 1 or right - left <= max(1, rules.resolution * max(left, 1)):
            continue
        points = rules.at_once if len(gaps) == 1 else max(1, rules.at_once // 2)
        ratio = (right / max(left, 0.5)) ** (1 / (points + 1))
        new = {round(max(left, 0.5) * ratio**k) for k in range(1, points + 1)}
        new = {min(max(n, left + 1, rules.first), right - 1) for n in new}
        yield from (Probe(n, rules.replicates) for n in sorted(new) if left < n < right)


def _beyond(rules: Rules, verdicts: Mapping[int, tuple[str, int]], high: int) -> Iterator[Probe]:
    """Yield n up to the cap by doubling, then between the last above and the next below."""
    n = high
    while n < rules.cap:
        n = _next(n, rules.cap)
        if n not in verdicts:
            yield Probe(n, rules.replicates)
        elif verdicts[n][0] == "below":
            break
    if gap := _re_entry(verdicts, high):
        above, below = gap
        middle = (above + below) // 2
        if below - above > max(1, rules.resolution * above) and middle not in verdicts:
            yield Probe(middle, rules.replicates)


def _re_entry(verdicts: Mapping[int, tuple[str, int]], high: int) -> tuple[int, int] | None:
    below = min(
        (n for n, (verdict, _) in verdicts.items() if verdict == "below" and n > high), default=None
    )
    if below is None:
        return None
    return max(n for n, (verdict, _) in verdicts.items() if verdict == "above" and n < below), below


def _estimate(rules: Rules, values: Mapping[Probe, Value], low: int, high: int) -> int | None:
    """Return where a weighted line through the nearby means, over log n, crosses the level."""
    near = [
        (math.log(probe.n), value.mean, probe.R / max(value.sd, 0.01 * rules.level) ** 2)
        for probe, value in values.items()
        if max(low, rules.first) / 2 <= probe.n <= 2 * (high + 1)
    ]
    if len({x for x, _, _ in near}) < 2:
        return None
    x, y, weight = (np.array(column) for column in zip(*near, strict=True))
    slope, height = np.polyfit(x, y, 1, w=np.sqrt(weight))
    if slope <= 0:
        return None
    crossing = math.exp(min((rules.level - height) / slope, math.log(high + 1)))
    return min(max(math.floor(crossing), low), high)
