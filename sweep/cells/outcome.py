"""What computing a cell gives, and how far it is meanwhile."""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Curves = dict[str, NDArray[Any]]
"""sigma, p_max, deviation, deviation_p0, support, entropy, js_p0, tail, collapsed:
shape (R, M); collapse_time, absorption_time: shape (R,), 0 where not reached by M."""


@dataclass(frozen=True, kw_only=True)
class Theory:
    """Theory for one cell."""

    curves: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    """Metric name -> shape (M,), generations 1..M; NaN where the law says nothing there."""
    values: dict[str, float] = field(default_factory=dict)
    """Metric name -> number of the whole run."""
    notes: list[str] = field(default_factory=list)
    """What a reader should know, such as that a bound is vacuous."""


class Stage(NamedTuple):
    """How far a cell at work is; what of an `CellProgress` comes back to the driver."""

    share: float
    cached: float
    what: str


@dataclass(frozen=True, kw_only=True)
class CellProgress:
    """A cell at work."""

    cell: str
    """Its id."""
    what: str
    """What it is doing, for people."""
    share: float
    """How much of the cell is done, in [0, 1]."""
    cached: float = 0.0
    """How much of it was there when this process began, or was made by another."""
    curves: Curves | None = None
    """All generations so far, when one has ended."""
    notes: tuple[str, ...] = ()
    """What the record of the run should say, such as a checkpoint that was refused."""

    @property
    def stage(self) -> Stage:
        return Stage(share=self.share, cached=self.cached, what=self.what)
