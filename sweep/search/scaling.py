"""The scaling law of n*: a power law of the axes in which answers differ, by least squares."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from sweep.search import threshold_result
from sweep.search.threshold_result import ThresholdResult

AXES = tuple(axis for axis in threshold_result.AXES if axis != "K")
"""What n* may scale with, where it differs between answers."""
CONFIDENCE = 0.95
"""Confidence level of the intervals of the exponents."""


@dataclass(frozen=True, kw_only=True)
class Scaling:
    """n* = constant x the product of axis ** exponent, fitted to answers."""

    of: str
    """What was fitted: exact or runs."""
    exponents: dict[str, tuple[float, float]]
    """Axis -> exponent and half the width of its interval."""
    answers: int
    """Number of fitted answers."""

    def __str__(self) -> str:
        powers = ", ".join(f"{a}^({b:.2f} +- {e:.2f})" for a, (b, e) in self.exponents.items())
        return f"n* grows as {powers} ({self.of}, {self.answers} answers, {CONFIDENCE:.0%})"


def scaling(results: Sequence[ThresholdResult]) -> list[Scaling]:
    """Fit power laws of n*, exact and from runs; none where there are too few answers.

    All answers must have the same schedule and window; otherwise there is no law.
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
    """Fit the power law to the answers that have a value of n*."""
    points = [(result.axes, n) for result, n in zip(results, values, strict=True) if n is not None]
    axes = [
        axis
        for axis in AXES
        if all(axis in at for at, _ in points) and len({at[axis] for at, _ in points}) > 1
    ]
    freedom = len(points) - len(axes) - 1
    if not axes or freedom < 2:
        return None
    X = np.array([[1.0, *(math.log(at[axis]) for axis in axes)] for at, _ in points])
    y = np.log([n for _, n in points])
    if np.linalg.matrix_rank(X) < X.shape[1]:
        return None
    slopes, *_ = np.linalg.lstsq(X, y, rcond=None)
    variance = ((y - X @ slopes) ** 2).sum() / freedom * np.linalg.inv(X.T @ X)
    half = stats.t.isf((1 - CONFIDENCE) / 2, freedom) * np.sqrt(np.diag(variance))
    exponents = {a: (float(slopes[k]), float(half[k])) for k, a in enumerate(axes, start=1)}
    if not any(abs(b) > e for b, e in exponents.values()):
        return None  # indistinguishable from noise
    return Scaling(of=of, exponents=exponents, answers=len(points))


def _n_from_runs(result: ThresholdResult) -> float | None:
    """Return the estimate of n*, if it is at least 1 and not capped."""
    bounded = not result.bracket.capped and result.any_below
    return float(result.bracket.estimate or 0) or None if bounded else None
