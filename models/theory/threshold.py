"""The largest harmless n: the most synthetic samples that a generation may use.

    n, N     synthetic and real samples per generation
    p        p(0), shape (support,)
    q        p(1), the empirical distribution of the N real samples
    V_m      E sum_i (p_i(m) - q_i)^2 given q, over sum_i q_i (1 - q_i): independent of q
    A        E sum_i sqrt(q_i (1 - q_i))
    n*       the largest n such that every n' <= n keeps a quantity below a level

The quantity is not monotone in n: the deviation at a fixed m returns to 0 as n
grows, and dips by about a percent where n is near a multiple of N, since the
counts of two samples of one size can agree exactly. So n* is the first crossing.

Second moments of partial: x = c/n given the probability X it is drawn with has variance
X (1 - X) / n, and X' - q = alpha (x - q) with alpha = n / (N + n), so

    V_1 = 0,   V_{m+1} = alpha^2 (1/n + (1 - 1/n) V_m),

and by Jensen's inequality, token by token, E||p(m) - p(1)||_1 <= A sqrt(V_m): a bound that
is useful where Theorem 3 is vacuous. If the counts were normal it would hold with
sqrt(2/pi) and equality; as m grows V tends to rho / (N (1 + 2 rho) + rho), rho = n/N, so

    n*/N is about u / (1 - 2 u) with u = (pi/2) N (eps / A)^2, and unbounded from u = 1/2.

Source: the definitions, section 2.2 of Seddik et al. 2024, whose bound on n* is
eq. (11), `models.theory.bounds.harmless_n_bound`. Not covered: schedules other than
partial, except in `first_crossing`, which takes any quantity.
"""

import contextlib
import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, xlog1py, xlogy

Floats = NDArray[np.float64]

CLOSE = 1.03
"""Beyond n* every n is evaluated while the quantity is below this times the level, since dips are
less deep; after that, n in steps of `STEP`."""
STEP = 1.1
"""Ratio of successive n evaluated from there on."""


@dataclass(frozen=True, kw_only=True)
class Crossing:
    """Where a quantity first reaches a level, n = first..cap."""

    n: int
    """n*; one less than the first n if that reaches the level already, the cap if none does."""
    capped: bool
    """True if no n up to the cap reaches the level."""
    re_entry: int | None
    """The first n beyond n* + 1, up to the cap, that is below the level again; None if none
    is known."""


def first_crossing(
    value: Callable[[int], float],
    *,
    level: float,
    first: int,
    cap: int,
    below: Callable[[int], bool] = lambda n: False,
    beyond: bool = True,
) -> Crossing:
    """n* and the re-entry of `value`, evaluated at every n up to n* that is not surely `below`.

    beyond: whether to search for a re-entry; one whose `value` raises ValueError, for too
    much work, stays unknown. A distant re-entry is found in steps of 10%, then to the exact
    n by bisection.
    """
    n = first
    while n <= cap and (below(n) or value(n) < level):
        n += 1
    if n > cap:
        return Crossing(n=cap, capped=True, re_entry=None)
    found = Crossing(n=n - 1, capped=False, re_entry=None)
    if beyond:
        with contextlib.suppress(ValueError):  # too much work
            return replace(found, re_entry=_re_entry(value, below, level, n, cap))
    return found


def _re_entry(
    value: Callable[[int], float], below: Callable[[int], bool], level: float, n: int, cap: int
) -> int | None:
    """The first n up to the cap that is below the level again, after one that is not; or None."""
    near = True
    while True:
        far = max(n + 1, math.ceil(n * STEP))
        last, n = n, min(n + 1 if near else far, cap)
        if n == last:
            return None
        there = 0.0 if below(n) else value(n)
        if there < level:
            break
        near = near and there < CLOSE * level
    while n - last > 1:
        middle = (last + n) // 2
        last, n = (last, middle) if value(middle) < level else (middle, n)
    return n


def relative_variance(generations: int, *, n: float, N: int) -> float:
    """V_m of partial at m = `generations`."""
    if generations < 2:
        return 0.0
    square = (n / (N + n)) ** 2
    decay = square * (1 - 1 / n)
    # The sum of the geometric series of the recursion; decay < 1.
    return square / n * (1 - decay ** (generations - 1)) / (1 - decay)


def deviation_scale(*, N: int, p: Floats) -> float:
    """A = E sum_i sqrt(q_i (1 - q_i)) over N real samples of p(0)."""
    c = np.arange(N + 1)
    root = np.sqrt(c / N * (1 - c / N))
    ways = gammaln(N + 1) - gammaln(c + 1) - gammaln(N - c + 1)
    values, times = np.unique(p[p > 0], return_counts=True)
    return float(
        sum(
            many * (np.exp(ways + xlogy(c, value) + xlog1py(N - c, -value)) @ root)
            for value, many in zip(values, times, strict=True)
        )
    )


def deviation_upper(generations: int, *, n: int, N: int, p: Floats) -> Floats:
    """A sqrt(V_m), m = 1..generations: an upper bound on E||p(m) - p(1)||_1 of partial."""
    scale = deviation_scale(N=N, p=p)
    V = [relative_variance(m, n=n, N=N) for m in range(1, generations + 1)]
    return scale * np.sqrt(V)


def harmless_n_normal(
    generations: int, *, N: int, p: Floats, eps: float, cap: float = math.inf
) -> float:
    """n* of partial at m = `generations` if counts were normal; the cap if no n reaches eps.

    The result is the smaller of the two n where sqrt(2/pi) A sqrt(V_m) = eps.
    """
    scale = deviation_scale(N=N, p=p)
    if scale == 0:  # N = 1: p(1) is one token, and stays so
        return cap
    target = math.pi / 2 * (eps / scale) ** 2

    def above(n: float) -> bool:
        return relative_variance(generations, n=n, N=N) >= target

    high = 1e-9
    while not above(high):
        high *= 1.01  # V rises to one peak in n, and then falls
        if high > min(cap, 1e12):
            return cap
    low = high / 1.01
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if above(middle) else (middle, high)
    return low


def critical_ratio_limit(*, N: int, p: Floats, eps: float) -> float:
    """n*/N of partial as generations grow, if counts were normal; infinite from u = 1/2."""
    scale = deviation_scale(N=N, p=p)
    u = math.pi / 2 * N * (eps / scale) ** 2 if scale else math.inf
    return u / (1 - 2 * u) if u < 0.5 else math.inf
