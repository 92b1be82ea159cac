"""The metrics of a cell, computed from its curves.

    R   replicates
    M   generations; step = generation m, 1..M

Every metric is a function of (cell, curves), so replaying a cell from its stored
curves gives the same numbers.
"""

import numpy as np
from numpy.typing import NDArray

from sweep.cells.cell import Cell
from sweep.cells.outcome import Curves, Theory
from sweep.cells.thinning import MOST_STEPS, steps
from sweep.tracking.base import Point

Floats = NDArray[np.float64]


def mean_and_error(values: Floats) -> tuple[Floats, Floats | None]:
    """Mean of (R, ..) over runs, and its standard error; None for one run."""
    R = len(values)
    return values.mean(0), values.std(0, ddof=1) / np.sqrt(R) if R > 1 else None


def quantile_band(values: Floats) -> tuple[Floats, Floats]:
    """The 5% and 95% quantiles of (R, ..) over runs."""
    low, high = np.quantile(values, (0.05, 0.95), axis=0)
    return low, high


def points(cell: Cell, curves: Curves, theory: Theory, most: int = MOST_STEPS) -> list[Point]:
    """Compute all metrics at the generations that are sent, about `most`, and those of p(0)."""
    at = steps(cell.generations, most)
    at = at[at <= curves["sigma"].shape[1]]  # of a cell that is still running
    rows: dict[str, Floats] = {}
    for name in ("sigma", "deviation"):
        values = curves[name][:, at - 1].astype(np.float64)
        rows[f"{name}/mean"], se = mean_and_error(values)
        if se is not None:
            rows[f"{name}/se"] = se
        rows[f"{name}/q05"], rows[f"{name}/q95"] = quantile_band(values)
    for name in ("p_max", "deviation_p0", "support", "entropy", "js_p0", "tail"):
        rows[f"{name}/mean"] = curves[name][:, at - 1].mean(0)
    rows |= cell.kind.rows(cell, curves, at)
    rows["collapsed/fraction"] = curves["collapsed"][:, at - 1].mean(0)
    for name, curve in theory.curves.items():
        rows[name] = curve[at - 1]
    sent = [
        Point(key, int(m), float(value))
        for key, row in rows.items()
        for m, value in zip(at, row, strict=True)
        if np.isfinite(value)
    ]
    start = cell.kind.at_start(curves)
    return [*sent, *(Point(key, 0, value) for key, value in start.items())]


def totals(cell: Cell, curves: Curves, theory: Theory) -> list[Point]:
    """Compute the metrics of the whole cell, and its axes as numbers, all at step 0."""
    T, absorbed = curves["collapse_time"], curves["absorption_time"]
    values: dict[str, float] = {f"grid/{axis}": v for axis, v in cell.axes.items()}
    reached = T > 0
    values["censored"] = float((~reached).sum())
    if reached.all():
        values["collapse_time/mean"] = float(T.mean())
        if cell.replicates > 1:
            values["collapse_time/std"] = float(T.std(ddof=1))
    else:
        restricted = np.where(reached, T, cell.generations)
        values["collapse_time/restricted_mean"] = float(restricted.mean())
        if cell.replicates > 1:
            values["collapse_time/restricted_std"] = float(restricted.std(ddof=1))
    if (absorbed > 0).all():
        values["absorption_time/mean"] = float(absorbed.mean())
    values |= cell.kind.totals(cell, curves)
    values |= theory.values
    if reached.all():
        values.pop("collapse_time/restricted_exact", None)
    return [Point(key, 0, value) for key, value in values.items()]
