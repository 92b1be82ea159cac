"""Figures from the table that `run` and `load` return: `from sweep import plot`.

Each function takes a table, or part of one filtered with pandas, and returns a new
matplotlib Figure, which a notebook shows; nothing is kept in pyplot. Colours and
dashes are those of the report: exact is dashed.
"""

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from sweep.cells import axes
from sweep.cells.thinning import MOST_PANELS
from sweep.config.validate import ConfigError, nearest
from sweep.report.figures import axes as draw
from sweep.report.figures.axes import COLOURS, LABELS
from sweep.report.figures.panels import draw_panels
from sweep.report.series import ANOTHER_SEED, BOUNDS, TRUTH, Floats, Series

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
AXES = ("model", "schedule", *axes.AXES, "reuse", "replicates")
"""Columns that identify the cell of a row, as opposed to results."""


class Shown(Figure):
    """A Figure that a notebook shows although pyplot does not manage it."""

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        self.savefig(buffer, format="png", dpi=100)
        return buffer.getvalue()


def curves(table: "pd.DataFrame", metrics: Sequence[str] = ("sigma", "deviation")) -> Shown:
    """A column for each cell, a row for each metric, against the generation.

    A panel shows the mean of the runs, the band between their 5% and 95% quantiles,
    exact values and bounds, and each run if the table has runs. Raises ConfigError
    for a metric that is not in the table, or more than `MOST_PANELS` cells.
    """
    for metric in metrics:
        _check(table, metric)
    cells = _cells(table)
    if len(cells) > MOST_PANELS:
        raise ConfigError(
            f"table: got {len(cells)} cells; allowed: up to {MOST_PANELS}, chosen with pandas"
        )

    def panel(axes: "Axes", index: int, metric: str) -> None:
        rows = cells[index][1]
        draw.draw_series(axes, _series(rows, metric))
        draw.generation_axis(axes, int(rows.generation.max()))

    figure = Shown(layout="constrained")
    draw_panels(figure, [name for name, _ in cells], metrics, panel)
    return figure


def compare(table: "pd.DataFrame", metric: str = "sigma") -> Shown:
    """The mean of each cell on the same axes against the generation; exact is dashed in black.

    Raises ConfigError for a metric that is not in the table.
    """
    _check(table, metric)
    figure = Shown(figsize=(7, 4.4), layout="constrained")
    cells = [(name, _series(rows, metric)) for name, rows in _cells(table)]
    draw.draw_together(figure.subplots(), cells, _label(metric))
    draw.legend(figure)
    return figure


def collapse_time(table: "pd.DataFrame") -> Shown:
    """The mean collapse time of each cell against n, a line for each S0; bars are 2 s.e.

    Cells with runs that have not collapsed by M are left out, since their mean is
    unknown. Raises ConfigError for a table with runs, or without any such cell.
    """
    if "run" in table:
        raise ConfigError("table: got one with runs; allowed: one without, load(..)")
    _check(table, "collapse_time")
    cells = table.drop_duplicates("cell").dropna(subset=["collapse_time"]).sort_values("n")
    figure = Shown(figsize=(6, 4.2), layout="constrained")
    axes = figure.subplots()
    for k, ((schedule, S0), rows) in enumerate(cells.groupby(["schedule", "S0"], sort=True)):
        n, name = rows.n.astype(float), f"{schedule} S0={S0:.4g}"
        error = rows.get("collapse_time_std", np.nan) / rows.replicates**0.5
        draw.draw_points(axes, n, rows.collapse_time, error, k=k, name=name)
        for kind in ("exact", "lower"):
            if _given(rows, f"collapse_time_{kind}"):
                values = rows[f"collapse_time_{kind}"]
                draw.draw_theory(axes, n, values, kind, colour=COLOURS[k % len(COLOURS)])
    axes.set_xlim(0, None)
    axes.set_xlabel(LABELS["n"])
    _finish(figure, axes, "mean collapse time")
    return figure


def last(table: "pd.DataFrame", metric: str = "deviation", against: str = "n") -> Shown:
    """The mean at the last generation against an axis, a line for each value of the other axes.

    Bars are two standard errors; exact is dashed. Raises ConfigError for a metric
    or an axis that is not in the table.
    """
    _check(table, metric)
    _check(table, against)
    final = table[table.generation == table.groupby("cell").generation.transform("max")]
    final = final.dropna(subset=[against]).sort_values(against)
    figure = Shown(figsize=(6, 4.2), layout="constrained")
    axes = figure.subplots()
    others = [a for a in AXES if a != against and a in final]
    others = [a for a in others if final[a].nunique(dropna=False) > 1]
    groups = final.groupby(others, dropna=False) if others else [((), final)]
    for k, (values, rows) in enumerate(groups):
        name = " ".join(
            str(v) if a == "schedule" else f"{a}={v}"
            for a, v in zip(others, values, strict=True)
            if rows[a].notna().all()  # missing if the schedule does not use it
        )
        at = rows.groupby(against)
        mean = at[metric].mean()
        x = mean.index.astype(float)
        error = None
        if _given(rows, f"{metric}_se") and "run" not in rows:
            error = at[f"{metric}_se"].mean()
        draw.draw_points(axes, x, mean, error, k=k, name=name or "mean of runs", joined=True)
        if _given(rows, f"{metric}_exact"):
            exact = at[f"{metric}_exact"].first()
            draw.draw_theory(axes, x, exact, "exact", colour="black", lw=1.0)
    ticks = sorted({float(value) for value in final[against]})
    draw.grid_axis(axes, against, ticks, log=bool(ticks) and ticks[-1] > 20 * ticks[0] > 0)
    _finish(figure, axes, f"mean {_label(metric)}, last generation")
    return figure


def _finish(figure: Figure, axes: "Axes", label: str) -> None:
    """Start the y axis at zero, and put a legend below if anything has a name."""
    axes.set_ylabel(label)
    draw.from_zero(axes)
    draw.style(axes)
    draw.legend(figure)


def _series(rows: "pd.DataFrame", metric: str) -> Series:
    """A metric of a cell; generation 0 of a GPT, which is p(0), becomes a level."""
    start = rows[rows.generation == 0]
    rows = rows[rows.generation > 0].sort_values("generation")
    mean = rows.groupby("generation")[metric].mean()
    theory = rows.drop_duplicates("generation")

    def column(name: str) -> Floats | None:
        return theory[name].to_numpy(np.float64) if _given(theory, name) else None

    runs, band = None, None
    low, high = column(f"{metric}_q05"), column(f"{metric}_q95")
    if "run" in rows and rows.run.nunique() > 1:
        wide = rows.astype({metric: float}).pivot_table(metric, "run", "generation")
        wide = wide.reindex(columns=mean.index)
        runs = wide.to_numpy(np.float64)
        band = (wide.quantile(0.05).to_numpy(), wide.quantile(0.95).to_numpy())
    elif low is not None and high is not None and _given(theory, f"{metric}_se"):
        band = (low, high)
    bounds = {kind: column(f"{metric}_{kind}") for kind in BOUNDS}
    level = None
    if _given(start, metric):
        level = (TRUTH, float(start[metric].mean()))
    elif _given(rows, f"{metric}_retrained"):
        level = (ANOTHER_SEED, float(rows[f"{metric}_retrained"].mean()))
    return Series(
        generations=mean.index.to_numpy(np.int64),
        mean=mean.to_numpy(np.float64),
        band=band,
        runs=runs,
        exact=column(f"{metric}_exact"),
        bounds={kind: values for kind, values in bounds.items() if values is not None},
        level=level,
    )


def _cells(table: "pd.DataFrame") -> list[tuple[str, "pd.DataFrame"]]:
    """The name and the rows of each cell, in the order of the table."""
    return [(rows["name"].iloc[0], rows) for _, rows in table.groupby("cell", sort=False)]


def _given(rows: "pd.DataFrame", column: str) -> bool:
    return column in rows and bool(rows[column].notna().any())


def _check(table: "pd.DataFrame", column: str) -> None:
    if not _given(table, column):
        columns = [c for c in table if _given(table, c)]
        hint = nearest(column, columns) or f"; it has: {', '.join(columns)}"
        raise ConfigError(f"{column}: is not in this table{hint}")


def _label(column: str) -> str:
    return LABELS.get(column, column.replace("_", " "))
