"""Which of many are shown or sent: generations of a curve, cells of a table or a figure."""

import numpy as np
from numpy.typing import NDArray

MOST_STEPS = 200
"""Most steps of one metric that go to the tracker; the stored curves hold all."""
FEW_STEPS = 20
"""Most steps of one metric in a sweep of many cells."""
MANY_CELLS = 1000
"""Cells beyond which a sweep sends few steps of each."""


def steps(generations: int, most: int = MOST_STEPS) -> NDArray[np.int64]:
    """The generations whose metrics are sent: all, or about `most`, with the first and last.

    Few of them (`FEW_STEPS`) lie evenly in the logarithm, more of them evenly.
    """
    if generations <= most:
        return np.arange(1, generations + 1)
    spaced = np.geomspace if most <= FEW_STEPS else np.linspace
    return np.unique(spaced(1, generations, most).round().astype(np.int64))


MOST_ROWS = 40
"""Cells beyond which a table shows a summary; the CSV has them all."""


def shown(count: int, most: int = MOST_ROWS) -> list[int]:
    """Which of `count` cells a table lists: all if there are no more than `most`, else half
    as many as that, spread evenly."""
    if count <= most:
        return list(range(count))
    few = most // 2
    return sorted({round(i * (count - 1) / (few - 1)) for i in range(few)})


MOST_PANELS = 12
"""Most cells drawn curve by curve; the overview shows all."""


def chosen(count: int, most: int = MOST_PANELS) -> list[int]:
    """Which of `count` cells get a panel: all, or `most` spread evenly with first and last."""
    if count <= most:
        return list(range(count))
    return sorted({round(i * (count - 1) / (most - 1)) for i in range(most)})
