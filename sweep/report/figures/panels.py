"""Panels in rows and columns: a column for each cell, and a row for each of its quantities."""

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from sweep.report.figures.axes import LABELS, from_zero, legend

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMNS = 4
"""Most panels side by side."""
ALONE = ("p0", "T")
"""Rows that are not drawn against the generation, and so do not share its axis."""


def draw_panels(
    figure: "Figure",
    titles: Sequence[str],
    rows: Sequence[str],
    draw: Callable[["Axes", int, str], None],
) -> None:
    """Fill an empty figure: `draw` the rows of each cell, in as many blocks of columns as needed.

    titles: names of the cells. draw: is called with the axes, the index of the cell and the name
    of the row.
    """
    columns = min(COLUMNS, len(titles)) if len(titles) != COLUMNS + 1 else COLUMNS + 1
    blocks = math.ceil(len(titles) / columns)
    height = len(rows)
    figure.set_size_inches(max(5.0, 2.9 * columns + 0.7), 2.15 * height * blocks + 1.0)
    grid = figure.subplots(height * blocks, columns, sharey="row", squeeze=False)
    for index, title in enumerate(titles):
        block, column = divmod(index, columns)
        for row, name in enumerate(rows):
            axes = grid[height * block + row, column]
            draw(axes, index, name)
            if name not in ALONE and row + 1 < height and rows[row + 1] not in ALONE:
                axes.set_xlabel("")
                axes.tick_params(labelbottom=False)
            axes.tick_params(labelleft=column == 0)
            label = LABELS.get(name, name.replace("_", " "))
            axes.set_ylabel(label if column == 0 else "", fontsize=11)
            axes.set_title(title if row == 0 else "", fontsize=10)
    for axes in grid[:, 0]:  # after the row is drawn, as its panels share the axis
        if axes.get_yscale() == "linear":
            from_zero(axes)
    for axes in grid[-height:, (len(titles) - 1) % columns + 1 :].flat:
        axes.set_visible(False)
    legend(figure, 2 * columns)
