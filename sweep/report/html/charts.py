"""The curves of cells as data for the charts of a page, which templates/charts.js draws."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sweep.cells.thinning import steps
from sweep.report.cell_curves import CellCurves
from sweep.report.display import display_of

MOST_CELLS = 40
"""Cells beyond which the charts show some, spread evenly."""
MOST_STEPS = 200
"""Most generations of one curve."""
MOST_POINTS = 4000
"""Most generations of all cells in all; many cells get fewer each."""
NEEDED = (
    "sigma", "deviation", "collapse_time", "deviation/se_contexts", "deviation/retrained",
    "loss/val", "truth/loss/val", "truth/sigma",
)  # fmt: skip
"""The stored curves that charts use."""
ABOUT = {
    "sigma": ("sigma", "sum of squared probabilities; 1 is a single token"),
    "deviation": ("deviation", "L1 distance from generation 1, between 0 and 2"),
    "collapsed": ("collapsed", "share of runs that have been a single token"),
    "loss/val": ("validation loss", "nats a token on held-out real text"),
}
"""Quantity -> title and what it is, in the order of the charts."""
LEVELS = {
    "sigma": ("truth/sigma", "p(0)"),
    "deviation": ("deviation/retrained", "p(1), another seed"),
    "loss/val": ("truth/loss/val", "p(0)"),
}
"""Quantity -> stored number of a GPT that is drawn as a level, and its name."""

Curve = dict[str, list[float | None]]
"""mean, se, low, high (5% and 95% of runs), exact: one number a step, None where there is none."""


def data(sweeps: Sequence[Sequence[CellCurves]], groups: Sequence[str]) -> dict[str, Any]:
    """Charts, cells and their curves, as JSON takes them; groups: what each sweep is called."""
    count = sum(map(len, sweeps))
    most = min(MOST_STEPS, max(2, MOST_POINTS // max(count, 1)))
    cells = []
    levels: dict[str, dict[str, float | None]] = {}
    for group, panels in enumerate(sweeps):
        for panel in panels:
            at = steps(panel.cell.generations, most)
            at = at[at <= panel.curves["sigma"].shape[1]]  # of a cell that was ended early
            curves = _curves(panel, at)
            cells.append(
                {"name": panel.title, "group": group, "steps": at.tolist(), "curves": curves}
            )
            for quantity, (stored, name) in LEVELS.items():
                if stored in panel.curves:
                    value = float(np.mean(panel.curves[stored]))
                    levels.setdefault(quantity, {}).setdefault(name, _short(value))
    drawn = [q for q in ABOUT if any(q in cell["curves"] for cell in cells)]
    if not any(np.any(cell["curves"].get("collapsed", {}).get("mean", 0)) for cell in cells):
        drawn = [q for q in drawn if q != "collapsed"]
    for cell in cells:
        cell["curves"] = {q: cell["curves"][q] for q in drawn if q in cell["curves"]}
    charts = [
        {
            "key": quantity,
            "title": ABOUT[quantity][0],
            "about": ABOUT[quantity][1],
            "levels": [[name, value] for name, value in levels.get(quantity, {}).items()],
        }
        for quantity in drawn
    ]
    return {"groups": list(groups), "charts": charts, "cells": cells}


def _curves(panel: CellCurves, at: NDArray[np.int64]) -> dict[str, Curve]:
    """Quantity -> its curves at the generations `at`."""
    curves = dict(panel.curves)
    T = curves.get("collapse_time")
    if T is not None and display_of([panel.cell]).collapses:
        curves["collapsed"] = (T[:, None] > 0) & (T[:, None] <= at)
    found = {}
    for quantity in ABOUT:
        if quantity not in curves:
            continue
        values = curves[quantity].astype(np.float64)
        values = values if quantity == "collapsed" else values[:, at - 1]
        R = len(values)
        curve = {"mean": values.mean(axis=0)}
        if R > 1:
            curve["se"] = values.std(axis=0, ddof=1) / np.sqrt(R)
            if quantity != "collapsed":
                curve["low"], curve["high"] = np.quantile(values, (0.05, 0.95), axis=0)
        elif quantity == "deviation" and "deviation/se_contexts" in curves:
            curve["se"] = curves["deviation/se_contexts"][0][at - 1]
        if f"{quantity}/exact" in panel.theory.curves:
            curve["exact"] = panel.theory.curves[f"{quantity}/exact"][at - 1]
        found[quantity] = {name: [_short(v) for v in row] for name, row in curve.items()}
    return found


def _short(value: float) -> float | None:
    """Five digits, which is more than a screen shows; None for NaN, which JSON lacks."""
    return float(f"{value:.5g}") if np.isfinite(value) else None
