"""Results of computing a cell, and its progress meanwhile."""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Curves = dict[str, NDArray[Any]]
"""sigma, p_max, deviation, deviation_p0, support, entropy, js_p0, tail, collapsed:
shape (R, M); collapse_time, absorption_time: shape (R,), 0 where not reached by M."""


@dataclass(frozen=True, kw_only=True)
class Theory:
    """Theoretical predictions for one cell."""

    curves: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    """Metric name -> shape (M,), generations 1..M; NaN where theory makes no statement."""
    values: dict[str, float] = field(default_factory=dict)
    """Metric name -> number for the whole run."""
    notes: list[str] = field(default_factory=list)
    """Remarks for the reader, for example that a bound is vacuous."""


class Stage(NamedTuple):
    """Progress of a running cell: the part of a `CellProgress` that is sent to the driver."""

    share: float
    cached: float
    what: str


@dataclass(frozen=True, kw_only=True)
class CellProgress:
    """Progress of a running cell."""

    cell: str
    """Its id."""
    what: str
    """Current activity, for people."""
    share: float
    """Share of the cell that is done, in [0, 1]."""
    cached: float = 0.0
    """Share that existed when this process started, or that another process computed."""
    curves: Curves | None = None
    """All generations so far; given when a generation has ended."""
    notes: tuple[str, ...] = ()
    """Remarks for the record of the run, such as a rejected checkpoint."""

    @property
    def stage(self) -> Stage:
        return Stage(share=self.share, cached=self.cached, what=self.what)
