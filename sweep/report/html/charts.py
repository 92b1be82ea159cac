"""Data for the charts of a page, which templates/charts.js draws."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from sweep.report.cell_curves import CellCurves
from sweep.report.series import Series, generations_of, series_of

MOST_CELLS = 40
"""Most cells in the charts; of more, some are shown, spread evenly."""
MOST_STEPS = 200
"""Most generations of a curve."""
MOST_POINTS = 4000
"""Most generations of all cells together; the more cells, the fewer each gets."""
NEEDED = (
    "sigma", "deviation", "collapse_time", "deviation/se_contexts", "deviation/retrained",
    "loss/val", "truth/loss/val", "truth/sigma",
)  # fmt: skip
"""The stored curves that the charts use."""
ABOUT = {
    "sigma": ("sigma", "sum of squared probabilities; 1 is a single token"),
    "deviation": ("deviation", "L1 distance from generation 1, between 0 and 2"),
    "collapsed": ("collapsed", "share of runs that have been a single token"),
    "loss/val": ("validation loss", "nats per token on held-out real text"),
}
"""Quantity -> title and what it is, in the order of the charts."""

Curve = dict[str, list[float | None]]
"""mean, se, low, high (5% and 95% of runs), exact: a number per step, None where there is none."""


def data(sweeps: Sequence[Sequence[CellCurves]], groups: Sequence[str]) -> dict[str, Any]:
    """The charts, the cells and their curves, ready for JSON; groups: names of the sweeps."""
    count = sum(map(len, sweeps))
    most = min(MOST_STEPS, max(2, MOST_POINTS // max(count, 1)))
    cells = []
    levels: dict[str, dict[str, float | None]] = {}
    for group, sweep in enumerate(sweeps):
        for cell_curves in sweep:
            at = generations_of(cell_curves, most)
            drawn = {q: series_of(cell_curves, q, at, spread=q != "collapsed") for q in ABOUT}
            curves = {q: _curve(s) for q, s in drawn.items() if s is not None}
            cells.append(
                {"name": cell_curves.title, "group": group, "steps": at.tolist(), "curves": curves}
            )
            for quantity, s in drawn.items():
                if s is not None and s.level is not None:
                    name, value = s.level
                    levels.setdefault(quantity, {}).setdefault(name, _short(value))
    shown = [q for q in ABOUT if any(q in cell["curves"] for cell in cells)]
    if not any(np.any(cell["curves"].get("collapsed", {}).get("mean", 0)) for cell in cells):
        shown = [q for q in shown if q != "collapsed"]
    for cell in cells:
        cell["curves"] = {q: cell["curves"][q] for q in shown if q in cell["curves"]}
    charts = [
        {
            "key": quantity,
            "title": ABOUT[quantity][0],
            "about": ABOUT[quantity][1],
            "levels": [[name, value] for name, value in levels.get(quantity, {}).items()],
        }
        for quantity in shown
    ]
    return {"groups": list(groups), "charts": charts, "cells": cells}


def _curve(series: Series) -> Curve:
    low, high = series.band or (None, None)
    rows = {"mean": series.mean, "se": series.se, "low": low, "high": high, "exact": series.exact}
    return {name: [_short(v) for v in row] for name, row in rows.items() if row is not None}


def _short(value: float) -> float | None:
    """The value with five digits, more than a screen shows; None for NaN, which JSON lacks."""
    return float(f"{value:.5g}") if np.isfinite(value) else None
