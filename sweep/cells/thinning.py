"""Thinning: which generations of a curve are logged, which cells a table or a figure shows."""

import numpy as np
from numpy.typing import NDArray

MOST_STEPS = 200
"""Most steps of one metric that are sent to the tracker; the stored curves hold all."""
FEW_STEPS = 20
"""Most steps of one metric in a sweep of many cells."""
MANY_CELLS = 1000
"""Sweeps of more cells send only `FEW_STEPS` of each."""


def steps(generations: int, most: int = MOST_STEPS) -> NDArray[np.int64]:
    """Choose the generations whose metrics are sent: all, or about `most` with first and last.

    Up to `FEW_STEPS` of them are spaced logarithmically, more of them linearly. Returns
    shape (steps,), rising, in 1..generations.
    """
    if generations <= most:
        return np.arange(1, generations + 1)
    spaced = np.geomspace if most <= FEW_STEPS else np.linspace
    return np.unique(spaced(1, generations, most).round().astype(np.int64))


MOST_ROWS = 40
"""Tables of more cells show a selection; the CSV has all of them."""


def shown(count: int, most: int = MOST_ROWS) -> list[int]:
    """Choose which of `count` cells a table lists: all if there are at most `most`, else
    half of `most`, evenly spaced."""
    if count <= most:
        return list(range(count))
    few = most // 2
    return sorted({round(i * (count - 1) / (few - 1)) for i in range(few)})


MOST_PANELS = 12
"""Most cells that get a panel of curves each; the overview shows all."""


def chosen(count: int, most: int = MOST_PANELS) -> list[int]:
    """Choose which of `count` cells get a panel: all, or `most` evenly spaced, ends included."""
    if count <= most:
        return list(range(count))
    return sorted({round(i * (count - 1) / (most - 1)) for i in range(most)})
