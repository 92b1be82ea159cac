"""How far a mean of simulated runs may be from its exact value, for stated odds."""

import numpy as np
from numpy.typing import NDArray


def bernstein(
    exact: NDArray[np.float64], *, low: float, replicates: int, comparisons: int, odds: float
) -> NDArray[np.float64]:
    """Largest |mean - exact| of runs in [low, 1], missed with probability `odds` in all.

    Bernstein's inequality with Var <= (1 - S)(S - low), which holds for any
    variable in [low, 1] of mean S (Bhatia and Davis 2000), and a Bonferroni
    correction over the comparisons. Unlike a z-score it also holds when nearly
    all runs have collapsed.
    """
    L = np.log(2 * comparisons / odds)
    variance = (1 - exact) * (exact - low)
    reach = np.maximum(1 - exact, exact - low)
    linear = 2 * reach * L / 3
    return np.asarray(
        (linear + np.sqrt(linear**2 + 8 * replicates * L * variance)) / (2 * replicates)
    )
