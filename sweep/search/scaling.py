"""The scaling law of n*: a power law of the axes in which answers differ, by least squares."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from sweep.search.threshold_result import ThresholdResult

AXES = ("N", "S0", "support", "m", "level")
"""What n* may scale with, where it differs between answers."""
CONFIDENCE = 0.95
"""Of the exponents."""


@dataclass(frozen=True, kw_only=True)
class Scaling:
    """n* = constant x the product of axis ** exponent, fitted to answers."""

    of: str
    """exact or runs: what was fitted."""
    exponents: dict[str, tuple[float, float]]
    """Axis -> exponent and half the width of its interval."""
    answers: int
    """How many were fitted."""

    def __str__(self) -> str:
        powers = ", ".join(f"{a}^({b:.2f} +- {e:.2f})" for a, (b, e) in self.exponents.items())
        return f"n* grows as {powers} ({self.of}, {self.answers} answers, {CONFIDENCE:.0%})"


def scaling(results: Sequence[ThresholdResult]) -> list[Scaling]:
    """The power laws of n*, exact and from runs, with their intervals; none where too few.

    All answers must have one schedule and window; otherwise there is no law.
    """
    if len({(result.schedule, result.K) for result in results}) > 1:
        return []
    fitted = (
        _fitted("exact", results, [result.exact_n for result in results]),
        _fitted("runs", results, [_n_from_runs(result) for result in results]),
    )
    return [law for law in fitted if law is not None]


def _fitted(
    of: str, results: Sequence[ThresholdResult], values: Sequence[float | None]
) -> Scaling | None:
    """The law of the answers that have a value of n*."""
    known = [(result.axes, n) for result, n in zip(results, values, strict=True) if n is not None]
    axes = [
        axis
        for axis in AXES
        if all(axis in at for at, _ in known) and len({at[axis] for at, _ in known}) > 1
    ]
    freedom = len(known) - len(axes) - 1
    if not axes or freedom < 2:
        return None
    X = np.array([[1.0, *(math.log(at[axis]) for axis in axes)] for at, _ in known])
    y = np.log([n for _, n in known])
    if np.linalg.matrix_rank(X) < X.shape[1]:
        return None
    slopes, *_ = np.linalg.lstsq(X, y, rcond=None)
    variance = ((y - X @ slopes) ** 2).sum() / freedom * np.linalg.inv(X.T @ X)
    half = stats.t.isf((1 - CONFIDENCE) / 2, freedom) * np.sqrt(np.diag(variance))
    exponents = {a: (float(slopes[k]), float(half[k])) for k, a in enumerate(axes, start=1)}
    if not any(abs(b) > e for b, e in exponents.values()):
        return None  # nothing that is not noise
    return Scaling(of=of, exponents=exponents, answers=len(known))


def _n_from_runs(result: ThresholdResult) -> float | None:
    """The estimate of n*, if it is at least 1 and not capped."""
    known = not result.bracket.capped and result.any_below
    return float(result.bracket.estimate or 0) or None if known else None
