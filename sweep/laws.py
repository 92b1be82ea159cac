"""Which theory applies to a cell: the curves and numbers drawn over its simulation.

A law is absent where none is known or where it would cost too much; it is
never NaN.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from models import theory
from sweep.grid import Cell

LARGEST_RECURSION = 2 * 10**8
"""Most steps, generations x window^2, that the second-moment recursion may take."""


@dataclass(frozen=True, kw_only=True)
class Laws:
    """Theory for one cell."""

    curves: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    """Metric name -> shape (M,), generations 1..M; NaN where the law says nothing there."""
    values: dict[str, float] = field(default_factory=dict)
    """Metric name -> number of the whole run."""
    notes: tuple[str, ...] = ()
    """What a reader should know, such as that a bound is vacuous."""


def laws(cell: Cell) -> Laws:
    """Everything `models.theory` knows about a cell."""
    schedule, source, M = cell.schedule, cell.source, cell.generations
    S0 = source.concentration
    m = np.arange(1, M + 1)
    curves: dict[str, NDArray[np.float64]] = {}
    values: dict[str, float] = {}
    notes: list[str] = []
    n, N, K = schedule.n or 0, schedule.N or 0, schedule.K or 0
    if schedule.name == "full" or (schedule.name == "recent" and K == 1):
        curves["sigma/exact"] = theory.sigma_full(m, n=n, S0=S0)
        lower, upper = theory.collapse_probability_bounds(m, n=n, S0=S0, support=source.support)
        curves["collapsed/lower"], curves["collapsed/upper"] = lower, upper
        values["collapse_time/lower"], values["collapse_time/upper"] = theory.collapse_time_bounds(
            n=n, S0=S0, support=source.support
        )
    elif schedule.name == "partial":
        curves["sigma/exact"] = theory.sigma_partial(m, n=n, N=N, S0=S0)
        rho = theory.collapse_probability_kept(source.probabilities(), N=N)
        curves["collapsed/exact"] = np.full(M, rho)
        bound = theory.deviation_bound(n=n, N=N, s=source.s)
        if bound < 2:
            curves["deviation/bound"] = np.where(m >= 2, bound, np.nan)
        else:
            shown = f"{bound:.3g}" if np.isfinite(bound) else "above 1e300"
            notes.append(
                f"Theorem 3 bounds the deviation by {shown}: vacuous, since no deviation exceeds 2."
            )
        promised = theory.harmless_n_bound(N=N, s=source.s, eps=1.0)
        notes.append(
            f"Eq. (11) promises a deviation below 1 up to n = {promised:.3g}"
            + ("." if promised >= 1 else ": vacuous, since that allows no sample at all.")
        )
    elif schedule.name == "recent" and M * K**2 <= LARGEST_RECURSION:
        table = [schedule.table(int(t)) for t in m]
        curves["sigma/exact"] = theory.sigma_redrawn(table, S0=S0)
    elif schedule.name == "random":
        curves["sigma/exact"] = theory.sigma_random(M, n=n, S0=S0)
    return Laws(curves=curves, values=values, notes=tuple(notes))
