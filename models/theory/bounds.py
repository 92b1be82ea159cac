"""The paper's bounds on the collapse time, the deviation and the largest harmless n.

Source: Seddik et al. 2024, "How Bad is Training on Synthetic Data?", cited by
theorem and equation.
"""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .moments import Floats


def collapse_probability_bounds(
    m: ArrayLike, *, n: int, S0: float, support: int
) -> tuple[Floats, Floats]:
    """Lower and upper bound on rho_m, fully synthetic (Theorem 1, eq. 7).

    The lower bound is negative, so vacuous, until about generation
    n log(n (1 - S0)). Both are clipped to [0, 1].
    """
    decay = (1 - 1 / n) ** np.asarray(m, np.float64) * (1 - S0)
    lower, upper = 1 - n * decay, 1 - decay / (1 - 1 / support)
    return np.clip(lower, 0, 1), np.clip(upper, 0, 1)


def collapse_time_bounds(*, n: int, S0: float, support: int) -> tuple[float, float]:
    """Lower and upper bound on E[T], fully synthetic (Theorem 1, eq. 8).

    The lower bound has the right order, n; the upper bound, n^2, has not.
    """
    return 1 + (1 - S0) / (1 - 1 / support) * (n - 1), 1 + (1 - S0) * n * (n - 1)


C0 = math.e**3 / (2 * math.pi)
C1 = 6 * math.e / math.pi**1.5
"""Constants of eq. (10)."""


def log_G(n: int, s: int) -> float:
    """The natural log of G_n(s), eq. (10), the constant of Theorem 3."""
    if C0 / math.e * n + 2 <= s:
        return math.log(C1 * s) + C0 * n / (2 * math.e)
    if C0 / 4 * n + 2 <= s:
        return math.log(C1 * s) + s / 2 * math.log(C0 * n / s)
    return s * math.log(2) + math.log1p(-(2.0 ** (1 - s)))


def deviation_bound(*, n: int, N: int, s: int) -> float:
    """Bound on E||p(m) - p(1)||_1, m >= 2, with N kept real samples (Theorem 3).

    The bound is sqrt(pi n / 2) G_n(s) / N, infinity where that overflows. The distance
    is at most 2, so a bound of 2 or more is vacuous, as at every setting of the
    paper's figures (N = 100, s = 600), since G_n(s) > 2.93 s already at n = 1.
    """
    log_bound = 0.5 * math.log(math.pi * n / 2) + log_G(n, s) - math.log(N)
    return math.exp(log_bound) if log_bound < 700 else math.inf


def phi(x: float) -> float:
    """The function of Lemma 1: log((1 - x) / x) / (1 - 2 x) on (0, 1/2], phi(1/2) = 2; falling."""
    return 2.0 if abs(x - 0.5) < 1e-6 else math.log((1 - x) / x) / (1 - 2 * x)


def largest_split(counts: NDArray[np.int64]) -> float:
    """The maximum over sets A of tokens of q(A) q(A^c), in [0, 1/4], q = counts / total.

    A subset-sum dynamic program finds the sums that some set reaches, as the bits of an
    integer; the best is the one nearest half.
    """
    total = int(counts.sum())
    reached = 1
    for count in counts[counts > 0]:
        reached |= reached << int(count)
    half = total // 2
    best = (reached & ((1 << (half + 1)) - 1)).bit_length() - 1
    return best * (total - best) / total**2


def deviation_bound_theorem_4(
    *, n: int, N: int, s: int, p: Floats, draws: int = 400, seed: int = 0
) -> float:
    """Bound on E||p(m) - p(1)||_1, m >= 2, with N kept real samples (Theorem 4, eq. 16).

    The bound is sqrt(pi n / phi(zeta)) G_n(s) / N, with zeta = 1/2 - (1/2 - 2 lambda)
    (N / (N + n))^2 and lambda = E[max_A p(1)(A) p(1)(A^c)]. lambda has no closed form: it
    is the mean over `draws` draws of p(1), increased by three standard errors so that
    the bound stays valid. It is near 1/4, and the bound near Theorem 3's, unless one
    token has more than half the mass; otherwise it is vacuous wherever Theorem 3's is.

    Args:
        p: p(0), shape (support,).
    """
    rng = np.random.default_rng(seed)
    split = np.array([largest_split(counts) for counts in rng.multinomial(N, p, size=draws)])
    spread = 3 * split.std(ddof=1) / math.sqrt(draws)
    lam = min(0.25, float(split.mean() + spread))
    zeta = 0.5 - (0.5 - 2 * lam) * (N / (N + n)) ** 2
    log_bound = 0.5 * math.log(math.pi * n / phi(zeta)) + log_G(n, s) - math.log(N)
    return math.exp(log_bound) if log_bound < 700 else math.inf


def harmless_n_bound(*, N: int, s: int, eps: float) -> float:
    """The n up to which eq. (11) guarantees E||p(m) - p(1)||_1 < eps.

    A value below 1 is vacuous, allowing no synthetic sample: log(N eps / s) is
    negative unless there are several times more real samples than tokens.
    """
    room = math.log(math.sqrt(2) * math.pi * N * eps / (6 * math.e * s))
    return 2 * math.pi / math.e**2 * min(s - 2, room)
