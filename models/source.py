"""Initial distributions p(0): families on ranks 1..support, solved for S0.

    s         vocabulary size
    support   s~, number of tokens with positive probability; ranks 1..support
    S0        sum_i p_i^2, between 1/support (uniform) and 1 (one token)

    family      p_k proportional to                      parameter
    zipf        k^-a                                     a >= 0
    geometric   r^k                                      0 < r <= 1
    dirichlet   a seeded draw of Dirichlet(c, .., c)     c > 0
    uniform     1                                        none: S0 = 1/support
    text        how often a text has its k-th token      none: the text's own S0

Each family with a parameter passes through every S0 in [1/support, 1); the
parameter is solved for the S0 requested, to 1e-12.
"""

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

TOLERANCE = 1e-12
"""Largest |sum p_i^2 - S0| of a solved distribution."""

FAMILIES = ("zipf", "geometric", "dirichlet", "uniform", "text")
WITHOUT_S0 = ("uniform", "text")
"""Families without a parameter, which determine S0."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """An initial distribution.

    Raises ValueError, worded `field: got X; allowed ..`, for an unknown family
    or a value out of range.
    """

    family: str
    """One of `FAMILIES`."""
    s: int
    """Vocabulary size, in tokens."""
    support: int
    """Tokens with positive probability, at least 2 and at most s."""
    S0: float | None = None
    """Sum of squared probabilities, in [1/support, 1); None: the family determines it,
    see `WITHOUT_S0`."""
    seed: int | None = None
    """Seed of the draw (dirichlet); None for the other families."""
    counts: tuple[int, ...] | None = None
    """Occurrences of each token of a text, falling (text); None for the other families."""

    def __post_init__(self) -> None:
        if self.family not in FAMILIES:
            raise ValueError(f"family: got {self.family!r}; allowed: {', '.join(FAMILIES)}")
        if self.s < 2:
            raise ValueError(f"s: got {self.s}; allowed: whole numbers from 2")
        if not 2 <= self.support <= self.s:
            raise ValueError(
                f"support: got {self.support} with s={self.s}; allowed: whole numbers 2 to s"
            )
        if self.family == "uniform":
            if self.S0 is not None and abs(self.S0 - 1 / self.support) > TOLERANCE:
                raise ValueError(
                    f"S0: got {self.S0}; a uniform law has S0 = 1/support = "
                    f"{1 / self.support:.6g}; leave S0 out or choose another family"
                )
        elif self.family == "text":
            if self.counts is None or len(self.counts) != self.support or min(self.counts) < 1:
                raise ValueError("counts: family text needs how often each token occurs")
            own = sum(c * c for c in self.counts) / sum(self.counts) ** 2
            if self.S0 is not None and abs(self.S0 - own) > TOLERANCE:
                raise ValueError(f"S0: got {self.S0}; this text has S0 = {own:.6g}; leave S0 out")
        elif self.S0 is None:
            raise ValueError(f"S0: is needed by family {self.family}")
        elif not 1 / self.support - TOLERANCE <= self.S0 < 1:
            raise ValueError(
                f"S0: got {self.S0} with support={self.support}; allowed: "
                f"1/support = {1 / self.support:.6g} up to, not including, 1"
            )
        if (self.seed is None) != (self.family != "dirichlet"):
            raise ValueError("seed: is needed by family dirichlet, and by no other")
        if self.seed is not None and self.seed < 0:
            raise ValueError(f"seed: got {self.seed}; allowed: whole numbers from 0")

    @property
    def concentration(self) -> float:
        """The S0 requested: sum_i p_i^2 up to `TOLERANCE`."""
        if self.counts is not None:
            total = sum(self.counts)
            return sum(c * c for c in self.counts) / total**2
        return 1 / self.support if self.S0 is None else self.S0

    def probabilities(self) -> NDArray[np.float64]:
        """p(0) on its support, shape (support,), by rank; sums to 1.

        Raises ArithmeticError if no distribution of the family comes within
        `TOLERANCE` of S0 in floating point.
        """
        p = _solve(self)
        reached = float(p @ p)
        if abs(reached - self.concentration) > TOLERANCE:
            raise ArithmeticError(
                f"S0: got {self.S0}; the nearest {self.family} law found has {reached!r}"
            )
        return p


@cache
def _solve(source: Source) -> NDArray[np.float64]:
    size = source.support
    flat = np.full(size, 1 / size)
    if source.counts is not None:
        p = np.array(source.counts) / sum(source.counts)
    elif source.S0 is None or abs(source.S0 - 1 / size) <= TOLERANCE:
        p = flat
    else:
        from scipy.optimize import brentq  # here: the driver of a sweep does not need it

        distribution, low, high = _family(source)
        target = source.S0

        def excess(x: float) -> float:
            q = distribution(x)
            return float(q @ q) - target

        p = distribution(brentq(excess, low, high, xtol=1e-15, rtol=8.9e-16, maxiter=500))
    p = np.sort(p)[::-1].copy()  # token k is the k-th most probable: rank k
    p.flags.writeable = False
    return p


def _normalised(log_weights: NDArray[np.float64]) -> NDArray[np.float64]:
    weights = np.exp(log_weights - log_weights.max())
    return np.asarray(weights / weights.sum(), np.float64)


def _family(source: Source) -> tuple[Callable[[float], NDArray[np.float64]], float, float]:
    """The map from parameter to distribution, and two parameters whose S0 enclose all S0."""
    rank = np.arange(1, source.support + 1, dtype=np.float64)
    if source.family == "zipf":
        return (lambda a: _normalised(-a * np.log(rank))), 0.0, 200.0
    if source.family == "geometric":
        return (lambda decay: _normalised(-decay * rank)), 0.0, 200.0
    uniforms = _seeded_uniforms(source.support, source.seed or 0)

    def dirichlet(log_c: float) -> NDArray[np.float64]:
        return _normalised(_log_gamma_quantile(uniforms, math.exp(log_c)))

    # One draw for all c, by quantile coupling; as c -> 0 it tends to one token
    # and as c -> infinity to the uniform distribution, continuously, so a root exists.
    return dirichlet, math.log(1e-7), math.log(1e15)


def _seeded_uniforms(size: int, seed: int) -> NDArray[np.float64]:
    """`size` numbers in (0, 1) from SHA-256, which no change in a library can move."""
    words = [hashlib.sha256(f"dirichlet/{seed}/{k}".encode()).digest()[:7] for k in range(size)]
    return np.array([(int.from_bytes(w, "big") >> 3) + 0.5 for w in words]) / 2.0**53


def _log_gamma_quantile(u: NDArray[np.float64], shape: float) -> NDArray[np.float64]:
    """The log of the u-quantile of a Gamma(shape) variable, also where it underflows.

    Near 0 the Gamma(shape) distribution function is x^shape / Gamma(shape + 1).
    """
    from scipy.special import gammaincinv, gammaln

    near_zero = (np.log(u) + gammaln(shape + 1)) / shape
    with np.errstate(divide="ignore"):
        exact = np.log(gammaincinv(shape, u))
    return np.asarray(np.where(near_zero < -30, near_zero, exact), np.float64)
