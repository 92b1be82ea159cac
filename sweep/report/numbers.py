"""A mean over the runs of a cell next to what it is compared with."""

import math
from dataclasses import dataclass
from functools import cached_property

from scipy import stats

LEVEL = 0.001
"""Chance of a false alarm in a whole sweep, shared among its comparisons (Bonferroni)."""


@dataclass(frozen=True, kw_only=True)
class Number:
    """A mean over the runs of a cell, and what it is compared with."""

    id: str
    """Id of the cell."""
    cell: str
    """Label of the cell."""
    quantity: str
    """sigma, deviation or time."""
    symbol: str
    """Name with the generation, such as sigma_50."""
    mean: float
    se: float | None
    """Standard error; None for one run."""
    freedom: int
    """Degrees of freedom of the standard error."""
    exact: float | None = None
    """Value by theory; None where no theory applies."""
    control: "Number | None" = None
    """The same number of the arm that sees fresh real data; GPT only."""
    normal: bool = True
    """Whether enough runs differ for a z."""
    contexts: bool = False
    """Whether the standard error is over the contexts of one run."""

    @property
    def reference(self) -> float | None:
        return self.control.mean if self.control is not None else self.exact

    @cached_property
    def z(self) -> float | None:
        """Distance from the reference in standard errors; None without reference or spread."""
        if self.reference is None or self.se is None or not self.normal:
            return None
        se = math.hypot(self.se, (self.control.se or 0.0) if self.control else 0.0)
        if se <= 1e-12 * abs(self.mean):  # no spread but rounding
            return None
        return (self.mean - self.reference) / se

    def limit(self, comparisons: int) -> float:
        """The |z| that chance alone passes with probability `LEVEL` / `comparisons`."""
        return float(stats.t.isf(LEVEL / 2 / comparisons, self.freedom))
