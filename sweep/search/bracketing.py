"""The search for n* among noisy values: which cell to run next, and what is known. Pure.

    n*       the largest n such that every n' <= n keeps a quantity below a level
    zone     indifference, relative: below means surely below (1 - zone) level, above means
             surely not below the level; what is between them is a tie
    R        replicates of a probe

Probes climb from below by doubling until one is above, and then close in on the
last that is below and the first that is above. A probe that leaves it open is
repeated with more replicates, the same ones and further: cells share random
numbers. Every decision is a function of the results of earlier rounds alone,
so a search that was cut goes on as if it had not been.

n* lies in the interval given with the stated confidence if, below n*, the
quantity never falls by more than the zone as n grows, and if means are about
normal: the error is shared out among more probes than a search makes, each held
against Student's t (shares against Clopper and Pearson's bounds; where all runs
but a few are alike, against how often others may come). Replicates grow along
powers of two, so that a second look at an n is one of few tests that could have
been made. Two rises and falls between two probes would be missed;
`models.theory.threshold` looks at every n.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy import stats

REPLICATES_GROW = 4
"""Most doublings of the replicates of a probe at once."""
FEW = 30
"""Replicates below which the spread of all probes is taken as one. Cells share random numbers, so
their spreads tell no more than one would: degrees of freedom are those of one probe."""
ALIKE = 10
"""Runs unlike the others from which on their mean is about normal."""
MARGIN = 1.3
"""Replicates beyond those that would just decide."""


class Probe(NamedTuple):
    """What is asked: a cell with n, run R times."""

    n: int
    R: int


class Value(NamedTuple):
    """What a probe has found."""

    mean: float
    sd: float
    """Over replicates."""
    unlike: int
    """Runs that differ from the most frequent value."""


@dataclass(frozen=True, kw_only=True)
class Rules:
    """How a search decides."""

    level: float
    first: int
    """The smallest n."""
    cap: int
    """The largest n."""
    replicates: int
    """R of the first probe of an n, at least 2."""
    confidence: float
    """Of the whole answer: the errors of all probes together are at most 1 - confidence."""
    zone: float
    """Relative indifference, see above; 0 < zone < 1."""
    budget: int
    """Most replicates in all."""
    at_once: int
    """Probes of a round."""
    resolution: float
    """The search ends when the ends of the interval are within this share of each other."""
    re_entry: bool
    """Whether to look beyond n* for an n that is below the level again."""
    top: float = math.inf
    """The largest value that a run can have."""
    share: bool = False
    """True for a quantity that is 0 or 1 in each run: its interval is exact (Clopper-Pearson)."""

    @property
    def tests(self) -> int:
        """Most probes of a search, repeated ones too: an error is shared out among so many."""
        climb = math.ceil(math.log2(self.cap / self.first)) + 1
        close = climb
        if self.resolution:
            close = min(climb, 1 + math.ceil(1 / math.log2(1 + self.resolution)))
        return (4 if self.replicates >= FEW else 2) * (climb + close)


@dataclass(frozen=True, kw_only=True)
class Bracket:
    """What a search knows."""

    low: int
    """Every n up to this one is below the level; first - 1 if none is known to be."""
    high: int
    """n* is at most this; the cap if no n up to it is known to be above."""
    capped: bool
    """True if no n is known to be above."""
    estimate: int | None
    """The last n below where a line through the probes around crosses the level; None if they
    are too few."""
    re_entry: tuple[int, int] | None
    """Beyond n*: an n that is above, and a later one that is below again."""
    probes: int
    replicates: int
    """Runs of all probes; those of a probe that was repeated count again."""
    ended: str
    """found; or budget, of replicates or of probes."""


def replay(
    rules: Rules, result: Callable[[Probe], Value | None]
) -> tuple[list[Probe], dict[Probe, Value]]:
    """The probes to run now, and the results that count; none to run: the search is over.

    Rounds are gone through from the first, so that results of half a round,
    or of another search, change nothing. result: of a probe, None if it has none.
    """
    known: dict[Probe, Value] = {}
    while asked := ask(rules, known):
        found = {probe: result(probe) for probe in asked}
        if missing := [probe for probe, value in found.items() if value is None]:
            return missing, known
        known |= {probe: value for probe, value in found.items() if value is not None}
    return [], known


def ask(rules: Rules, known: Mapping[Probe, Value]) -> list[Probe]:
    """The next round; empty when the search is over."""
    left = rules.budget - sum(probe.R for probe in known)
    asked: list[Probe] = []
    done = dict(sorted(known))
    for probe in _wanted(rules, known):
        if len(known) + len(asked) == rules.tests:
            break
        if probe.R > left:  # the largest rung that is left of the budget
            halvings = math.ceil(math.log2(probe.R / max(left, 1)))
            probe = Probe(probe.n, probe.R // 2**halvings)
            if probe.R <= max(done.get(probe.n, 0), rules.replicates - 1):
                break
        asked.append(probe)
        left -= probe.R
        if len(asked) == rules.at_once:
            break
    return asked


def answer(rules: Rules, known: Mapping[Probe, Value]) -> Bracket:
    """What the results so far say."""
    said = _verdicts(rules, known)
    low, high = _bracket(rules, said)
    capped = high > rules.cap
    return Bracket(
        low=low,
        high=high - 1,
        capped=capped,
        estimate=None if capped else _estimate(rules, known, low, high - 1),
        re_entry=_re_entry(said, high),
        probes=len(known),
        replicates=sum(probe.R for probe in known),
        ended="budget" if next(_wanted(rules, known), None) else "found",
    )


def interval(rules: Rules, probe: Probe, value: Value, together: float) -> tuple[float, float]:
    """Bounds on the mean of a probe, each wrong with probability (1 - confidence) / (2 tests)."""
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
    sd = together if few else value.sd
    half = float(stats.t.isf(error, probe.R - 1)) * sd / math.sqrt(probe.R)
    return value.mean - half, value.mean + half


def _verdicts(rules: Rules, known: Mapping[Probe, Value]) -> dict[int, tuple[str, int]]:
    """n -> below, above, tie or open, and the replicates that would decide an open one."""
    together = pooled(known)
    latest = {probe.n: probe for probe in sorted(known)}
    said: dict[int, tuple[str, int]] = {}
    floor = rules.level * (1 - rules.zone)
    for n, probe in latest.items():
        mean = known[probe].mean
        low, high = interval(rules, probe, known[probe], together)
        half = (high - low) / 2
        tie = rules.level * rules.zone / 2
        if high < floor:
            said[n] = ("below", 0)
        elif low >= rules.level:
            said[n] = ("above", 0)
        elif half <= tie:
            said[n] = ("tie", 0)
        else:
            gap = floor - mean if mean < floor else mean - rules.level
            enough = probe.R * (half / max(gap, tie)) ** 2 * MARGIN
            most = 1 if probe.R < FEW else REPLICATES_GROW
            doublings = math.ceil(math.log2(max(enough / probe.R, 2)))
            said[n] = ("open", probe.R * 2 ** min(doublings, most))
    return said


def pooled(known: Mapping[Probe, Value]) -> float:
    """Standard deviation of all probes together; of an n the last probe, which has the others."""
    latest = {probe.n: probe for probe in sorted(known)}.values()
    freedom = sum(probe.R - 1 for probe in latest)
    square = sum((probe.R - 1) * known[probe].sd ** 2 for probe in latest)
    return math.sqrt(square / freedom) if freedom else 0.0


def _bracket(rules: Rules, said: Mapping[int, tuple[str, int]]) -> tuple[int, int]:
    """The last n known to be below before the first known to be above, and that one."""
    high = min((n for n, (word, _) in said.items() if word == "above"), default=rules.cap + 1)
    below = (n for n, (word, _) in said.items() if word == "below" and n < high)
    return max(below, default=rules.first - 1), high


def _wanted(rules: Rules, known: Mapping[Probe, Value]) -> Iterator[Probe]:
    """What would tell more, the most urgent first."""
    said = _verdicts(rules, known)
    low, high = _bracket(rules, said)
    yield from _ladder(rules, said, high)
    # What is open within the interval, from outside in: ends that move make the rest needless.
    inside = sorted(n for n in said if low < n < high)
    yield from (Probe(n, said[n][1]) for n in inside if said[n][0] == "open")
    if high <= rules.cap or inside:
        yield from _inner(rules, low, high, inside)
    if rules.re_entry and high <= rules.cap:
        yield from _beyond(rules, said, high)


def _ladder(rules: Rules, said: Mapping[int, tuple[str, int]], high: int) -> Iterator[Probe]:
    """n = first, twice that, .., the cap, until one is above."""
    n = rules.first
    while True:
        if n >= high:
            return
        if n not in said:
            yield Probe(n, rules.replicates)
        if n == rules.cap:
            return
        n = _next(n, rules.cap)


def _next(n: int, cap: int) -> int:
    """Twice n, or the cap if that is not much further."""
    return 2 * n if 2.5 * n <= cap else cap


def _inner(rules: Rules, low: int, high: int, inside: list[int]) -> Iterator[Probe]:
    """New n within the interval: towards both ends of what is undecided in it."""
    gaps = [(low, inside[0]), (inside[-1], high)] if inside else [(low, high)]
    for left, right in gaps:
        if right > rules.cap + 1 or right - left <= max(1, rules.resolution * max(left, 1)):
            continue
        points = rules.at_once if len(gaps) == 1 else max(1, rules.at_once // 2)
        ratio = (right / max(left, 0.5)) ** (1 / (points + 1))
        new = {round(max(left, 0.5) * ratio**k) for k in range(1, points + 1)}
        new = {min(max(n, left + 1, rules.first), right - 1) for n in new}
        yield from (Probe(n, rules.replicates) for n in sorted(new) if left < n < right)


def _beyond(rules: Rules, said: Mapping[int, tuple[str, int]], high: int) -> Iterator[Probe]:
    """The way on to the cap by doubling, and then between the last above and the next below."""
    n = high
    while n < rules.cap:
        n = _next(n, rules.cap)
        if n not in said:
            yield Probe(n, rules.replicates)
        elif said[n][0] == "below":
            break
    if found := _re_entry(said, high):
        above, below = found
        middle = (above + below) // 2
        if below - above > max(1, rules.resolution * above) and middle not in said:
            yield Probe(middle, rules.replicates)


def _re_entry(said: Mapping[int, tuple[str, int]], high: int) -> tuple[int, int] | None:
    below = min((n for n, (word, _) in said.items() if word == "below" and n > high), default=None)
    if below is None:
        return None
    return max(n for n, (word, _) in said.items() if word == "above" and n < below), below


def _estimate(rules: Rules, known: Mapping[Probe, Value], low: int, high: int) -> int | None:
    """Where a weighted line through the means around, over log n, crosses the level."""
    near = [
        (math.log(probe.n), value.mean, probe.R / max(value.sd, 0.01 * rules.level) ** 2)
        for probe, value in known.items()
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
