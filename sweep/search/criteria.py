"""The criterion of a threshold search: its value in each run, and its largest value."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sweep.cells.cell import Cell

CURVE = {"deviation": "deviation", "collapsed": "collapsed", "sigma": "sigma", "loss": "loss/val"}
"""Criterion -> the curve that it is computed from."""


def values(criterion: str, cell: Cell, curves: Mapping[str, NDArray[Any]]) -> NDArray[np.float64]:
    """Return the criterion at the last generation, in each run; shape (R,)."""
    curve = curves[CURVE[criterion]].astype(np.float64)
    if criterion == "sigma":
        return curve[:, -1] / cell.source.concentration
    if criterion == "loss":
        return curve[:, -1] - curve[:, 0]
    return curve[:, -1]


def top(criterion: str, cell: Cell) -> float:
    """Return the largest value that a run can have."""
    return {"deviation": 2.0, "collapsed": 1.0, "sigma": 1 / cell.source.concentration}.get(
        criterion, math.inf
    )
