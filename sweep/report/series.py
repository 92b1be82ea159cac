"""Curves of a cell as they are drawn, by the figures, the page's charts and `sweep.plot` alike.

R   runs
P   generations that are drawn
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from sweep.cells.thinning import steps
from sweep.report.cell_curves import CellCurves
from sweep.report.display import display_of
from sweep.results.summary import mean_and_error, quantile_band

Floats = NDArray[np.float64]

MOST_RUNS = 100
"""Most single runs drawn of a cell."""
BOUNDS = ("bound", "bound_theorem_4", "lower", "upper")
"""Kinds of bound: `sigma/KIND` in the theory of a cell, `sigma_KIND` in the table."""
ANOTHER_SEED, TRUTH = "p(1), another seed", "p(0)"
LEVELS = {
    "sigma": ("truth/sigma", TRUTH),
    "deviation": ("deviation/retrained", ANOTHER_SEED),
    "loss/val": ("truth/loss/val", TRUTH),
}
"""Quantity -> stored number of a GPT that is drawn as a level, and its name."""


@dataclass(frozen=True, kw_only=True)
class Series:
    """One quantity of one cell against the generation; None where there is none."""

    generations: NDArray[np.int64]
    """Shape (P,), ascending, from 1."""
    mean: Floats
    """Shape (P,), over runs."""
    se: Floats | None = None
    """Its standard error, (P,): over runs, or over contexts where a GPT has one run."""
    band: tuple[Floats, Floats] | None = None
    """Quantiles of the runs, 5% and 95%, (P,) each."""
    runs: Floats | None = None
    """Single runs, (up to R, P), where there are several."""
    exact: Floats | None = None
    """Expectation by theory, (P,)."""
    bounds: Mapping[str, Floats] = field(default_factory=dict)
    """Kind of bound -> (P,), NaN where it says nothing."""
    level: tuple[str, float] | None = None
    """Name and value of what the curve is compared with."""


def generations_of(panel: CellCurves, most: int) -> NDArray[np.int64]:
    """The generations drawn of a cell, about `most`; of one that ended early, those it has."""
    at = steps(panel.cell.generations, most)
    stored: int = panel.curves["sigma"].shape[1]
    return at[at <= stored]


def series_of(
    panel: CellCurves, quantity: str, at: NDArray[np.int64], *, spread: bool = False
) -> Series | None:
    """A stored quantity at the generations `at`, with its theory; None if it is not stored.

    spread: with the band and the single runs too, which cost most.
    """
    values = _values(panel, quantity, at)
    if values is None:
        return None
    mean, se = mean_and_error(values)
    several = spread and len(values) > 1
    if quantity == "deviation" and len(values) == 1 and "deviation/se_contexts" in panel.curves:
        se = panel.curves["deviation/se_contexts"][0][at - 1]
    theory = panel.theory.curves
    stored, name = LEVELS.get(quantity, ("", ""))
    return Series(
        generations=at,
        mean=mean,
        se=se,
        band=quantile_band(values) if several else None,
        runs=values[:MOST_RUNS] if several else None,
        exact=theory[f"{quantity}/exact"][at - 1] if f"{quantity}/exact" in theory else None,
        bounds={
            kind: theory[f"{quantity}/{kind}"][at - 1]
            for kind in BOUNDS
            if f"{quantity}/{kind}" in theory
        },
        level=(name, float(np.mean(panel.curves[stored]))) if stored in panel.curves else None,
    )


def _values(panel: CellCurves, quantity: str, at: NDArray[np.int64]) -> Floats | None:
    """The runs of a quantity, (R, P)."""
    if quantity == "collapsed":
        T = panel.curves.get("collapse_time")
        if T is None or not display_of([panel.cell]).collapses:
            return None
        return ((T[:, None] > 0) & (T[:, None] <= at)).astype(np.float64)
    if quantity not in panel.curves:
        return None
    return panel.curves[quantity][:, at - 1].astype(np.float64)
