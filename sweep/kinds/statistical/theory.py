"""Choose the theory that applies to a cell of the statistical model.

Results that are unknown, or too expensive to compute, are absent rather than NaN.
"""

import contextlib

import numpy as np

from sweep.cells.cell import Cell
from sweep.cells.outcome import Theory
from sweep.models.theory import bounds, collapse_time, moments, threshold
from sweep.models.theory import deviation as drift
from sweep.models.theory.collapse_time import collapse_probability_kept

LARGEST_RECURSION = 2 * 10**8
"""Most work of the second-moment recursions, generations x (window^2 + 1000): some seconds."""

LARGEST_SCALE = 10**6
"""Most real samples x distinct probabilities for the bound from second moments: 0.1 s."""
CLOSE = 6.0
"""Theorem 4, at most a small factor below Theorem 3, is computed where the latter is below this."""


def theory(cell: Cell, *, deviation: int) -> Theory:
    """Compute everything that `models.theory` offers for a cell.

    deviation: most multiplications for the exact deviation; 0 omits it.
    """
    result = Theory()
    name = cell.schedule.name
    if name == "full" or (name == "recent" and cell.schedule.K == 1):
        _full(cell, result, deviation)
    elif name in ("partial", "matched"):
        _partial(cell, result, deviation)
    elif name == "real":
        _real(cell, result, deviation)
    else:
        _moments(cell, result)
    return result


def _full(cell: Cell, result: Theory, deviation: int) -> None:
    n, source, M = cell.schedule.n or 0, cell.source, cell.generations
    S0, p = source.concentration, source.probabilities()
    m = np.arange(1, M + 1)
    result.curves["sigma/exact"] = moments.sigma_full(m, n=n, S0=S0)
    lower, upper = bounds.collapse_probability_bounds(m, n=n, S0=S0, support=source.support)
    result.curves["collapsed/lower"], result.curves["collapsed/upper"] = lower, upper
    low, high = bounds.collapse_time_bounds(n=n, S0=S0, support=source.support)
    result.values["collapse_time/lower"], result.values["collapse_time/upper"] = low, high
    if n <= collapse_time.LARGEST_N:
        rho = collapse_time.collapse_probability(M, n=n, p=p)
        result.curves["collapsed/exact"] = rho
        result.values["collapse_time/exact"] = collapse_time.collapse_time(n=n, p=p).mean
        result.values["collapse_time/restricted_exact"] = 1.0 + float((1 - rho[:-1]).sum())
    else:
        result.notes.append(
            f"The exact law of T is computed up to n = {collapse_time.LARGEST_N}; for large n "
            f"E[T] is about {collapse_time.collapse_time_large_n(n=n, p=p):.4g}."
        )
    if deviation:
        with contextlib.suppress(ValueError):  # too large: absent
            expected = drift.deviation_full(M, n=n, p=p, most_work=deviation)
            result.curves["deviation/exact"] = expected


def _partial(cell: Cell, result: Theory, deviation: int) -> None:
    schedule, source, M = cell.schedule, cell.source, cell.generations
    N = schedule.N or 0
    n = schedule.draws(2)[1]
    S0, p = source.concentration, source.probabilities()
    m = np.arange(1, M + 1)
    result.curves["sigma/exact"] = moments.sigma_partial(m, n=n, N=N, S0=S0)
    result.curves["collapsed/exact"] = np.full(M, collapse_probability_kept(p, N=N))
    if deviation:
        with contextlib.suppress(ValueError):  # too large: absent
            expected = drift.deviation_partial(M, n=n, N=N, p=p, most_work=deviation)
            result.curves["deviation/exact"] = expected
    if deviation and N * len(np.unique(p)) <= LARGEST_SCALE:
        result.curves["deviation/upper"] = threshold.deviation_upper(M, n=n, N=N, p=p)
    bound = bounds.deviation_bound(n=n, N=N, s=source.s)
    if bound < 2:
        result.curves["deviation/bound"] = np.where(m >= 2, bound, np.nan)
    else:
        result.notes.append(
            "Theorem 3 is vacuous: its bound on the deviation is above 2, "
            "which no deviation exceeds."
        )
    if bound < CLOSE and N <= 10**5:
        refined = bounds.deviation_bound_theorem_4(n=n, N=N, s=source.s, p=p)
        if refined < 2:
            result.curves["deviation/bound_theorem_4"] = np.where(m >= 2, refined, np.nan)
            result.notes.append(f"Theorem 4 bounds the deviation by {refined:.3g}.")
        else:
            result.notes.append("Theorem 4 is vacuous as well.")
    elif bound >= 2:
        result.notes.append(
            "Theorem 4, at most a small factor below Theorem 3, is vacuous as well."
        )
    promised = bounds.harmless_n_bound(N=N, s=source.s, eps=1.0)
    result.notes.append(
        f"Eq. (11) promises a deviation below 1 up to n = {promised:.3g}."
        if promised >= 1
        else "Eq. (11) is vacuous: it promises a deviation below 1 for no n at all."
    )


def _real(cell: Cell, result: Theory, deviation: int) -> None:
    N, M, p = cell.schedule.N or 0, cell.generations, cell.source.probabilities()
    m = np.arange(1, M + 1, dtype=np.float64)
    S0 = cell.source.concentration
    result.curves["sigma/exact"] = np.full(M, 1 / N + (1 - 1 / N) * S0)
    once = collapse_probability_kept(p, N=N)
    result.curves["collapsed/exact"] = 1 - (1 - once) ** m
    if deviation:
        with contextlib.suppress(ValueError):  # too large: absent
            expected = drift.deviation_real(N=N, p=p)
            result.curves["deviation/exact"] = np.where(m > 1, expected, 0.0)


def _moments(cell: Cell, result: Theory) -> None:
    """Add S_m, all that is known for these schedules, and collapse where a corpus is kept."""
    schedule, S0, M = cell.schedule, cell.source.concentration, cell.generations
    n, N, K = schedule.n or 0, schedule.N or 0, schedule.K or 0
    cheap = M * (K**2 + 1000) <= LARGEST_RECURSION
    sigma = None
    if schedule.name == "random":
        sigma = moments.sigma_random(M, n=n, S0=S0)
    elif schedule.name == "accumulate":
        sigma = moments.sigma_accumulate(M, n=n, N=N, S0=S0)
        rho = collapse_probability_kept(cell.source.probabilities(), N=N)
        result.curves["collapsed/exact"] = np.full(M, rho)
        limit = moments.sigma_accumulate_limit(n=n, N=N, S0=S0)
        result.notes.append(f"S_m tends to {limit:.4g}, below 1: keeping data avoids collapse.")
    elif schedule.name == "accumulate_subsample":
        sigma = moments.sigma_accumulate_subsample(M, n=n, N=N, S0=S0)
    elif schedule.reuse and cheap:
        sigma = moments.sigma_window_kept(M, k=n // K, K=K, S0=S0)
    elif cheap:
        sigma = moments.sigma_redrawn([schedule.table(t) for t in range(1, M + 1)], S0=S0)
    if sigma is not None:
        result.curves["sigma/exact"] = sigma
