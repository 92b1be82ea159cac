"""The axes of a grid, declared once for all packages.

To add an axis, add an entry here, name it in the rule of a schedule or in a kind of model that
uses it, and give it a default of null in conf/config.yaml. An axis of schedules is also a field
of `models.schedules.Schedule`.
"""

import math
from dataclasses import dataclass
from typing import Literal

from sweep.models.schedules import LARGEST_SAMPLE


@dataclass(frozen=True, kw_only=True)
class Axis:
    """One quantity that a grid varies."""

    name: str
    """Key below `grid`, param of a run, and part of the metric `grid/NAME`."""
    text: str
    """Description, with the unit."""
    label: str
    """Label on an axis of a figure, with TeX."""
    of: Literal["schedule", "source", "kind"]
    """Owner of the field: the schedule, the initial distribution, or the kind of model."""
    whole: bool
    """Whether the values are whole numbers."""
    low: float
    high: float
    """Smallest and largest value."""
    allowed: str
    """The range in words, for error messages."""
    default: float
    """Value for cells that need one when the user gives none."""


def _samples(name: str, text: str, label: str, default: float) -> Axis:
    return Axis(
        name=name, text=text, label=label, of="schedule", whole=True, low=1, high=LARGEST_SAMPLE,
        allowed=f"whole numbers from 1 to {LARGEST_SAMPLE}", default=default,
    )  # fmt: skip


AXES: dict[str, Axis] = {
    axis.name: axis
    for axis in (
        _samples("n", "synthetic samples per generation", "samples per generation $n$", 10),
        _samples("N", "real samples", "real samples $N$", 100),
        _samples("K", "window, in models", "window $K$", 2),
        Axis(
            name="S0", text="sum of squared probabilities of p(0)", label="$S_0$", of="source",
            whole=False, low=math.ulp(0.0), high=math.nextafter(1.0, 0.0),
            allowed="1/support up to, not including, 1", default=0.1,
        ),
        Axis(
            name="temperature", text="temperature at which a model writes", label="temperature",
            of="kind", whole=False, low=0.01, high=100, allowed="numbers from 0.01 to 100",
            default=1.0,
        ),
    )
}  # fmt: skip
"""Name -> axis, in the order in which grids expand, cells are named and tables are sorted."""
