"""Threshold searches against the exact answer: how often the interval holds it, at what cost.

Each search is wrong with probability 1% at most; more than 5 of 100 have then odds of
5e-4 at most, 1e-6 if it is 0.4%. The errors of a search are shared out among more
probes than it makes, so that it is far less; the seeds are fixed.
"""

from collections.abc import Iterator
from functools import cache
from pathlib import Path

from sweep.kinds.statistical.simulate import simulate
from sweep.search import bracketing, criteria, threshold
from sweep.search.bracketing import Probe, Value
from tests.helpers.configs import settings
from tests.helpers.jobs import finish
from tests.verification.checks import Line

SEEDS = 20
PROBLEMS = ((50, 0.15), (50, 0.2), (100, 0.1), (100, 0.15), (200, 0.12))
"""N and level; m = 10."""


def searches() -> Iterator[Line]:
    """100 searches for the largest harmless n at 99%: intervals against the exact answer."""
    missed = 0
    dearest = 0.0
    for N, level in PROBLEMS:
        widths = []
        for seed in range(SEEDS):
            problem = _problem(N, level, seed)
            values = cache(lambda probe, problem=problem: _run(problem, probe))
            asked, known = bracketing.replay(problem.rules, values)
            assert not asked
            found = bracketing.answer(problem.rules, known)
            truth = _exact(N, level)
            missed += not found.low <= truth <= found.high
            widths.append((found.high - found.low) / truth)
            most = (problem.rules.cap - problem.rules.first + 1) * problem.rules.replicates
            dearest = max(dearest, found.replicates / most)
        yield Line(
            what=f"mean width of the interval over n* = {truth}, N={N} level={level}",
            statistic=sum(widths) / SEEDS, threshold=1.0,
        )  # fmt: skip
    yield Line(what=f"misses in {SEEDS * len(PROBLEMS)} searches", statistic=missed, threshold=5.0)
    yield Line(
        what="runs over those of every n up to the cap, at most", statistic=dearest, threshold=0.1
    )


def _problem(N: int, level: float, seed: int) -> threshold.Problem:
    made = settings(
        "+experiment=threshold", f"grid.N={N}", f"threshold.level={level}", f"seed={seed}"
    )
    (problem,) = threshold.search(made, None)[0].problems
    return problem


def _run(problem: threshold.Problem, probe: Probe) -> Value:
    cell = problem.probe(probe)
    curves = finish(simulate(cell, Path("nowhere")))
    return threshold.summed(criteria.values("deviation", cell, curves))


@cache
def _exact(N: int, level: float) -> int:
    """The first crossing, by every n from below."""
    cell = _problem(N, level, 0).cell
    value = cell.kind.expectation("deviation", cell)
    assert value is not None
    n = 1
    while value(n) < level:
        n += 1
    return n - 1
