"""Theory for threshold searches of the statistical model.

A criterion is one of `sweep.config.search.LARGEST_LEVEL`, at the last generation of a cell.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import lru_cache

from sweep.cells.cell import Cell
from sweep.models.theory import bounds, collapse_time, moments, threshold
from sweep.models.theory import deviation as drift
from sweep.models.theory.collapse_time import collapse_probability_kept
from sweep.results.theory import theory_of

MOST_WORK = 4 * 10**9
"""Most work of an exact scan, generations x N x n summed over n: about two minutes."""


def expectation(criterion: str, cell: Cell) -> Callable[[int], float] | None:
    """Return n -> expected criterion of the cell with that n; None where theory has no formula.

    The returned function raises ValueError for an n that would take too much work.
    """
    name, m, N = cell.schedule.name, cell.generations, cell.schedule.N or 0
    p, S0 = cell.source.probabilities(), cell.source.concentration
    if criterion == "deviation" and name == "partial":
        done = [0]

        def deviation(n: int) -> float:
            done[0] += m * N * n
            if done[0] > MOST_WORK:
                raise ValueError(f"n: got {n}; every n up to it would take too long")
            return float(drift.deviation_partial(m, n=n, N=N, p=p)[-1])

        return lru_cache(maxsize=None)(deviation)
    if criterion == "deviation" and name == "full":
        return lambda n: float(drift.deviation_full(m, n=n, p=p)[-1])
    if criterion == "collapsed" and name == "full":
        return lambda n: float(collapse_time.collapse_probability(m, n=n, p=p)[-1])
    if criterion == "collapsed" and name in ("partial", "accumulate"):
        return lambda n: collapse_probability_kept(p, N=N)
    if criterion == "sigma" and name == "full":
        return lambda n: float(moments.sigma_full(m, n=n, S0=S0)) / S0
    if criterion == "sigma":

        def sigma(n: int) -> float:
            theory = theory_of(replace(cell, schedule=replace(cell.schedule, n=n)), deviation=0)
            if "sigma/exact" not in theory.curves:
                raise ValueError(f"n: got {n}; S_m would take too long")
            return float(theory.curves["sigma/exact"][-1]) / S0

        return sigma
    return None


def surely_below(criterion: str, cell: Cell, level: float) -> Callable[[int], bool]:
    """Return n -> whether a bound proves the criterion below the level; few cells have a bound."""
    if criterion != "deviation" or cell.schedule.name != "partial":
        return lambda n: False
    m, N, p = cell.generations, cell.schedule.N or 0, cell.source.probabilities()
    scale = threshold.deviation_scale(N=N, p=p)
    return lambda n: scale * threshold.relative_variance(m, n=n, N=N) ** 0.5 < level


def closed_forms(criterion: str, cell: Cell, level: float, cap: int) -> Mapping[str, float]:
    """Return n* for normal counts (at most `cap`), and the bound of eq. (11) of the paper."""
    if criterion != "deviation" or cell.schedule.name != "partial":
        return {}
    N, p = cell.schedule.N or 0, cell.source.probabilities()
    normal = threshold.harmless_n_normal(cell.generations, N=N, p=p, eps=level, cap=cap)
    paper = bounds.harmless_n_bound(N=N, s=cell.source.s, eps=level)
    return {"normal": min(normal, cap), "paper": paper}
