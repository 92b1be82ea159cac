"""From the curves of a cell to the numbers that are logged.

    R   replicates
    M   generations; step = generation m, 1..M

Every number here is a function of (cell, curves): a cell is replayed from its
stored curves with the same numbers.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.special import xlogy

from sweep.cells.cell import Cell
from sweep.cells.thinning import MOST_STEPS, steps
from sweep.results import gpt_summary
from sweep.results.arrays import Curves
from sweep.results.theory import Theory
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
    """The metrics of every sent generation, of at most `most`.

    Beyond the curves: survival, the share of the tokens of p(0) still alive;
    entropy_ratio, the entropy over that of p(0); both for one context only.
    """
    at = steps(cell.generations, most)
    at = at[at <= curves["sigma"].shape[1]]  # of a cell that is still at work
    rows: dict[str, Floats] = {}
    for name in ("sigma", "deviation"):
        values = curves[name][:, at - 1].astype(np.float64)
        rows[f"{name}/mean"], se = mean_and_error(values)
        if se is not None:
            rows[f"{name}/se"] = se
        rows[f"{name}/q05"], rows[f"{name}/q95"] = quantile_band(values)
    for name in ("p_max", "deviation_p0", "support", "entropy", "js_p0", "tail"):
        rows[f"{name}/mean"] = curves[name][:, at - 1].mean(0)
    if cell.recipe is not None:
        # A speed is sent once the cell has ended: a cell that is cut measures it anew.
        ended = curves["sigma"].shape[1] == cell.generations or gpt_summary.stopped(
            cell.recipe.measure.stop_below, curves
        )
        for name, row in gpt_summary.rows(curves, speeds=ended).items():
            rows[name] = row[at - 1]
        if curves["truth/entropy"] > 0:
            rows["entropy_ratio/mean"] = rows["entropy/mean"] / curves["truth/entropy"]
    elif cell.contexts is None:
        p = cell.source.probabilities()
        rows["survival/mean"] = rows["support/mean"] / (p > 0).sum()
        rows["entropy_ratio/mean"] = rows["entropy/mean"] / -float(xlogy(p, p).sum())
    rows["collapsed/fraction"] = curves["collapsed"][:, at - 1].mean(0)
    for name, law in theory.curves.items():
        rows[name] = law[at - 1]
    found = [
        Point(key, int(m), float(value))
        for key, row in rows.items()
        for m, value in zip(at, row, strict=True)
        if np.isfinite(value)
    ]
    if cell.recipe is not None:
        found += [Point(key, 0, value) for key, value in gpt_summary.at_truth(curves).items()]
    return found


def _renewed(cell: Cell) -> bool:
    """Whether each generation of a GPT is p(1) anew: other real data, another seed."""
    started = cell.recipe.training.start if cell.recipe else ""
    return cell.schedule.name == "real" and started == "scratch"


def totals(cell: Cell, curves: Curves, theory: Theory) -> list[Point]:
    """The metrics of the whole run, at step 0, and the axes as numbers.

    extinction_time is the first generation that has lost a token of p(0),
    absent if some run has lost none by M.
    """
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
    lost = curves["support"] < (cell.source.probabilities() > 0).sum()
    if cell.contexts is None and cell.recipe is None and lost.any(axis=1).all():
        values["extinction_time/mean"] = float(lost.argmax(axis=1).mean() + 1)
    if (absorbed > 0).all():
        values["absorption_time/mean"] = float(absorbed.mean())
    if cell.recipe is not None:
        values |= gpt_summary.spread(curves, renewed=_renewed(cell))
        if cell.recipe.measure.stop_below is not None:
            values["generations_saved"] = float(cell.generations - curves["sigma"].shape[1])
    values |= theory.values
    if reached.all():
        values.pop("collapse_time/restricted_exact", None)
    return [Point(key, 0, value) for key, value in values.items()]
