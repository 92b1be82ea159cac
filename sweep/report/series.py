"""Curves of a cell as the figures, the charts of the page and `sweep.plot` draw them.

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
"""Most single runs drawn for a cell."""
BOUNDS = ("bound", "bound_theorem_4", "lower", "upper")
"""Kinds of bound: `sigma/KIND` in the theory of a cell, `sigma_KIND` in the table."""
ANOTHER_SEED, TRUTH = "p(1), another seed", "p(0)"
LEVELS = {
    "sigma": ("truth/sigma", TRUTH),
    "deviation": ("deviation/retrained", ANOTHER_SEED),
    "loss/val": ("truth/loss/val", TRUTH),
}
"""Quantity -> the stored number of a GPT that is drawn as a level, and its name."""


@dataclass(frozen=True, kw_only=True)
class Series:
    """A quantity of a cell against the generation; what does not exist is None."""

    generations: NDArray[np.int64]
    """Shape (P,), ascending, from 1."""
    mean: Floats
    """Shape (P,), over runs."""
    se: Floats | None = None
    """Standard error of the mean, (P,): over runs, or over contexts if a GPT has one run."""
    band: tuple[Floats, Floats] | None = None
    """5% and 95% quantiles of the runs, (P,) each."""
    runs: Floats | None = None
    """Single runs, (up to R, P), if there are several."""
    exact: Floats | None = None
    """Expectation by theory, (P,)."""
    bounds: Mapping[str, Floats] = field(default_factory=dict)
    """Kind of bound -> (P,), NaN where it is vacuous."""
    level: tuple[str, float] | None = None
    """Name and value of the level that the curve is compared with."""


def generations_of(cell: CellCurves, most: int) -> NDArray[np.int64]:
    """About `most` generations to draw of a cell, none after its end if it ended early."""
    at = steps(cell.cell.generations, most)
    stored: int = cell.curves["sigma"].shape[1]
    return at[at <= stored]


def series_of(
    cell: CellCurves, quantity: str, at: NDArray[np.int64], *, spread: bool = False
) -> Series | None:
    """A stored quantity at the generations `at`, with its theory; None if it is not stored.

    spread: also gives the band and the single runs, which cost most.
    """
    values = _values(cell, quantity, at)
    if values is None:
        return None
    mean, se = mean_and_error(values)
    several = spread and len(values) > 1
    if quantity == "deviation" and len(values) == 1 and "deviation/se_contexts" in cell.curves:
        se = cell.curves["deviation/se_contexts"][0][at - 1]
    theory = cell.theory.curves
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
        level=(name, float(np.mean(cell.curves[stored]))) if stored in cell.curves else None,
    )


def _values(cell: CellCurves, quantity: str, at: NDArray[np.int64]) -> Floats | None:
    """A quantity in every run, (R, P)."""
    if quantity == "collapsed":
        T = cell.curves.get("collapse_time")
        if T is None or not display_of([cell.cell]).collapses:
            return None
        return ((T[:, None] > 0) & (T[:, None] <= at)).astype(np.float64)
    if quantity not in cell.curves:
        return None
    return cell.curves[quantity][:, at - 1].astype(np.float64)
