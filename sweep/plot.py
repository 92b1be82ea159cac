"""Figures from the table that `run` and `load` return: `from sweep import plot`.

Each takes a table, or a part of it that was filtered with pandas, and returns a
matplotlib Figure of its own, which a notebook shows; nothing is kept in pyplot.
Colours and dashes are those of the report: exact is dashed.
"""

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure

from sweep.config.validate import ConfigError, nearest
from sweep.report.figures.curves import (
    BAND,
    BOUND,
    COLOURS,
    EXACT,
    LABELS,
    MARKERS,
    MEAN,
    RUN,
    style,
)

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
MOST_PANELS = 12
"""Most cells drawn by `curves`: choose with pandas which."""
DASHES = (0, (4, 2))


class Shown(Figure):
    """A Figure that a notebook shows, though pyplot does not know it."""

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        self.savefig(buffer, format="png", dpi=100)
        return buffer.getvalue()


def curves(table: "pd.DataFrame", metrics: Sequence[str] = ("sigma", "deviation")) -> Shown:
    """A column for each cell, a row for each metric, against the generation.

    The mean of the runs with the band between their 5% and 95% quantiles, what is
    exact, and bounds; or every run, of a table with runs. Raises ConfigError for
    a metric that is not in the table, or more than `MOST_PANELS` cells.
    """
    for metric in metrics:
        _check(table, metric)
    cells = _cells(table)
    if len(cells) > MOST_PANELS:
        raise ConfigError(
            f"table: got {len(cells)} cells; allowed: up to {MOST_PANELS}, chosen with pandas"
        )
    figure = Shown(
        figsize=(max(5.0, 2.9 * len(cells) + 0.7), 2.3 * len(metrics) + 0.8), layout="constrained"
    )
    grid = figure.subplots(len(metrics), len(cells), sharey="row", sharex=True, squeeze=False)
    for column, (name, rows) in enumerate(cells):
        for row, metric in enumerate(metrics):
            axes = grid[row, column]
            _draw(axes, rows, metric)
            axes.set_title(name if row == 0 else "", fontsize=10)
            axes.set_ylabel(_label(metric) if column == 0 else "")
        grid[-1, column].set_xlabel("generation $m$")
    for axes in grid[:, 0]:  # once the row is drawn, as its panels share it
        axes.set_ylim(0, max(axes.get_ylim()[1], 1e-9))
    lines = {
        line.get_label(): line for ax in grid.flat[:] for line in ax.get_legend_handles_labels()[0]
    }
    figure.legend(handles=list(lines.values()), loc="outside lower center", ncols=4, frameon=False)
    return figure


def compare(table: "pd.DataFrame", metric: str = "sigma") -> Shown:
    """The mean of every cell on the same axes against the generation; exact dashed in black.

    Raises ConfigError for a metric that is not in the table.
    """
    _check(table, metric)
    figure = Shown(figsize=(7, 4.4), layout="constrained")
    axes = figure.subplots()
    for k, (name, rows) in enumerate(_cells(table)):
        m, mean = _mean(rows, metric)
        axes.plot(
            m, mean, color=COLOURS[k % len(COLOURS)], lw=1.8, label=name,
            marker=MARKERS[k % len(MARKERS)], markevery=max(1, len(m) // 12), ms=5,
        )  # fmt: skip
        if _given(rows, f"{metric}_exact"):
            exact = rows.drop_duplicates("generation")
            axes.plot(exact.generation, exact[f"{metric}_exact"], color="black", lw=1, ls=DASHES)
    axes.set_xlabel("generation $m$")
    axes.set_ylabel(f"mean {_label(metric)}")
    _finish(figure, axes)
    return figure


def collapse_time(table: "pd.DataFrame") -> Shown:
    """The mean collapse time of every cell against n, one line for each S0; bars are 2 s.e.

    Cells with runs that have not collapsed by M are left out, since their mean is
    not known. Raises ConfigError for a table with runs, or without any such cell.
    """
    if "run" in table:
        raise ConfigError("table: got one with runs; allowed: one without, load(..)")
    _check(table, "collapse_time")
    cells = table.drop_duplicates("cell").dropna(subset=["collapse_time"]).sort_values("n")
    figure = Shown(figsize=(6, 4.2), layout="constrained")
    axes = figure.subplots()
    for k, ((schedule, S0), rows) in enumerate(cells.groupby(["schedule", "S0"], sort=True)):
        colour, n = COLOURS[k % len(COLOURS)], rows.n.astype(float)
        error = rows.get("collapse_time_std", 0.0) / rows.replicates**0.5
        axes.errorbar(
            n, rows.collapse_time, yerr=2 * error, color=colour, capsize=2, ls="",
            marker=MARKERS[k % len(MARKERS)], ms=5, label=f"{schedule} S0={S0:.4g}",
        )  # fmt: skip
        for column, dash, what in (
            ("collapse_time_exact", DASHES, "exact"),
            ("collapse_time_lower", ":", "lower bound"),
        ):
            if _given(rows, column):
                label = None if k else what
                axes.plot(n, rows[column], color=colour, ls=dash, lw=1.6, label=label)
    axes.set_xlabel("samples per generation $n$")
    axes.set_ylabel("mean collapse time")
    axes.set_xlim(0, None)
    _finish(figure, axes)
    return figure


def last(table: "pd.DataFrame", metric: str = "deviation", against: str = "n") -> Shown:
    """The mean at the last generation against an axis, a line for each of the other axes' values.

    Bars are two standard errors; exact is dashed. Raises ConfigError for a metric
    or an axis that is not in the table.
    """
    _check(table, metric)
    _check(table, against)
    final = table[table.generation == table.groupby("cell").generation.transform("max")]
    final = final.dropna(subset=[against]).sort_values(against)
    figure = Shown(figsize=(6, 4.2), layout="constrained")
    axes = figure.subplots()
    axes_of = ("model", "schedule", "n", "N", "K", "S0", "temperature", "reuse", "support")
    others = [a for a in (*axes_of, "replicates") if a != against]
    others = [a for a in others if a in final and final[a].nunique(dropna=False) > 1]
    groups = final.groupby(others, dropna=False) if others else [((), final)]
    for k, (values, rows) in enumerate(groups):
        mean = rows.groupby(against)[metric].mean()
        name = " ".join(
            str(v) if a == "schedule" else f"{a}={v}"
            for a, v in zip(others, values, strict=True)
            if rows[a].notna().all()  # missing where the schedule does not use it
        )
        colour, mark = COLOURS[k % len(COLOURS)], MARKERS[k % len(MARKERS)]
        x = mean.index.astype(float)
        axes.plot(x, mean, color=colour, marker=mark, ms=5, lw=1.4, label=name or None)
        if _given(rows, f"{metric}_se") and "run" not in rows:
            errors = 2 * rows.groupby(against)[f"{metric}_se"].mean()
            axes.errorbar(x, mean, yerr=errors, color=colour, ls="", capsize=2)
        if _given(rows, f"{metric}_exact"):
            exact = rows.groupby(against)[f"{metric}_exact"].first()
            axes.plot(x, exact, color="black", lw=1, ls=DASHES)
    if final[against].max() > 20 * final[against].min():
        axes.set_xscale("log")
    axes.set_xlabel(_label(against))
    axes.set_ylabel(f"mean {_label(metric)}, last generation")
    _finish(figure, axes)
    return figure


def _finish(figure: Figure, axes: "Axes") -> None:
    """From zero up, with a legend below if there is anything to tell apart."""
    axes.set_ylim(0, None)
    style(axes)
    handles, names = axes.get_legend_handles_labels()
    if handles:
        figure.legend(
            handles, names, loc="outside lower center", ncols=3, frameon=False, fontsize=9
        )


def _draw(axes: "Axes", rows: "pd.DataFrame", metric: str) -> None:
    if "run" in rows:
        for k, (_, run) in enumerate(rows.groupby("run")):
            axes.plot(run.generation, run[metric], color=RUN, lw=0.5, alpha=0.5,
                label="each run" if k == 0 else None)  # fmt: skip
    once = rows.drop_duplicates("generation")
    if _given(rows, f"{metric}_q05"):
        axes.fill_between(once.generation, once[f"{metric}_q05"], once[f"{metric}_q95"],
            color=BAND, alpha=0.28, lw=0, label="5% to 95% of runs")  # fmt: skip
    axes.plot(*_mean(rows, metric), color=MEAN, lw=2.2, label="mean of runs")
    for suffix, colour, dash, what in (
        ("exact", EXACT, DASHES, "exact"), ("bound", BOUND, ":", "bound"),
        ("lower", BOUND, ":", "bound"), ("upper", BOUND, ":", "bound"),
    ):  # fmt: skip
        if _given(rows, f"{metric}_{suffix}"):
            axes.plot(once.generation, once[f"{metric}_{suffix}"], color=colour, lw=1.8, ls=dash,
                label=what)  # fmt: skip
    style(axes)


def _cells(table: "pd.DataFrame") -> list[tuple[str, "pd.DataFrame"]]:
    """Name and rows of each cell, in the order of the table."""
    return [(rows["name"].iloc[0], rows) for _, rows in table.groupby("cell", sort=False)]


def _mean(rows: "pd.DataFrame", metric: str) -> tuple[Any, Any]:
    mean = rows.groupby("generation")[metric].mean()
    return mean.index, mean


def _given(rows: "pd.DataFrame", column: str) -> bool:
    return column in rows and bool(rows[column].notna().any())


def _check(table: "pd.DataFrame", column: str) -> None:
    if not _given(table, column):
        known = [c for c in table if _given(table, c)]
        hint = nearest(column, known) or f"; it has: {', '.join(known)}"
        raise ConfigError(f"{column}: is not in this table{hint}")


def _label(column: str) -> str:
    known = LABELS | {"n": "samples per generation $n$"}
    return known.get(column, column.replace("_", " "))
