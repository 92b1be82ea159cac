"""What a threshold is looked for of: its value in each run, and exactly where theory knows it."""

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.theory import collapse_time, moments, threshold
from models.theory import deviation as drift
from models.theory.collapse_time import collapse_probability_kept
from sweep.cells.cell import Cell
from sweep.results.theory import theory_of

CURVE = {"deviation": "deviation", "collapsed": "collapsed", "sigma": "sigma", "loss": "loss/val"}
"""Criterion -> the curve it is read from."""
MOST_WORK = 4 * 10**9
"""Most of generations x N x n, summed over n, of an exact scan: about two minutes."""


def values(criterion: str, cell: Cell, curves: Mapping[str, NDArray[Any]]) -> NDArray[np.float64]:
    """The criterion at the last generation, in each run; shape (R,)."""
    curve = curves[CURVE[criterion]].astype(np.float64)
    if criterion == "sigma":
        return curve[:, -1] / cell.source.concentration
    if criterion == "loss":
        return curve[:, -1] - curve[:, 0]
    return curve[:, -1]


def top(criterion: str, cell: Cell) -> float:
    """The largest value that a run can have."""
    return {"deviation": 2.0, "collapsed": 1.0, "sigma": 1 / cell.source.concentration}.get(
        criterion, math.inf
    )


def exact(criterion: str, cell: Cell) -> Callable[[int], float] | None:
    """n -> the expected criterion of the cell with that n; None where theory does not know it.

    What is returned raises ValueError for an n that would take too much work.
    """
    if cell.recipe is not None or cell.contexts is not None:
        return None
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
            found = theory_of(replace(cell, schedule=replace(cell.schedule, n=n)), deviation=False)
            if "sigma/exact" not in found.curves:
                raise ValueError(f"n: got {n}; S_m would take too long")
            return float(found.curves["sigma/exact"][-1]) / S0

        return sigma
    return None


def surely_below(criterion: str, cell: Cell, level: float) -> Callable[[int], bool]:
    """Whether a bound says that the criterion is below the level; never for most."""
    if criterion != "deviation" or cell.schedule.name != "partial" or cell.recipe is not None:
        return lambda n: False
    m, N, p = cell.generations, cell.schedule.N or 0, cell.source.probabilities()
    scale = threshold.deviation_scale(N=N, p=p)
    return lambda n: scale * threshold.relative_variance(m, n=n, N=N) ** 0.5 < level
