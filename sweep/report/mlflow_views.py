"""The views of MLflow's run list: which runs, columns and charts it shows. Pure.

MLflow stores a view as a tag of the experiment, as its button *Save view* does, and
opens it from the list *Views* or by a link with its key. Without a view, each metric
has a separate chart, and theory is apart from simulation.
"""

import base64
import json
import uuid
import zlib
from collections.abc import Sequence, Set
from typing import Any

from sweep.cells.axes import AXES
from sweep.cells.cell import Cell
from sweep.report.display import display_of

MOST_RUNS = 20
"""Most runs that charts show at first; a click shows all."""
LINES = (
    ("sigma/mean", "sigma/exact"),
    ("deviation/mean", "deviation/exact"),
    ("collapsed/fraction", "collapsed/exact"),
    ("loss/val",),
    ("support/mean",),
    ("entropy/mean",),
    ("deviation_p0/mean",),
    ("distinct_n/8",),
)
"""Metrics of each chart against the generation; MLflow dashes the second."""
SHARES = ("collapsed/fraction", "distinct_n/8")
SHARE = {"yMin": 0, "yMax": 1.05}
"""Range of the axis of shares, since MLflow writes small numbers as 0."""
BARS = (("collapse_time/mean", "collapse_time/exact"),)
ACROSS = ("sigma/mean", "deviation/mean", "collapse_time/mean")
"""Metrics whose last value is drawn against each axis that varies."""
NAMED = {
    "cells": "All cells", "schedules": "Mean by schedule",
    "models": "Mean by model and schedule",
}  # fmt: skip
"""Key -> title of the views of a whole experiment."""


def of_sweep(cells: Sequence[Cell], metrics: Set[str], run: str, *, grouped: bool = False) -> str:
    """The view of a sweep's cells, which have these metrics.

    run: id of the sweep's run. grouped: see `sweep.tracking.grouped_runs`.
    """
    condition = f"tags.`mlflow.parentRunId` = '{run}'"
    return _packed(_state(cells, metrics, condition, across=grouped))


def named(cells: Sequence[Cell], metrics: Set[str], now_ms: int) -> dict[str, str]:
    """Key -> view of all cells of an experiment, for the list *Views*.

    cells, metrics: those of the latest sweep, which determine the columns and charts.
    """
    state = _state(cells, metrics, "tags.`sweep.kind` = 'cell'")
    views = {
        "cells": state,
        "schedules": _grouped(state, "schedule"),
        "models": _grouped(state, "model", "schedule"),
    }
    return {
        key: json.dumps(
            {"name": title, "createdAt": now_ms, "updatedAt": now_ms, "state": _packed(views[key])}
        )
        for key, title in NAMED.items()
    }


def colours(cells: Sequence[Cell], palette: Sequence[str]) -> list[str]:
    """A colour for each cell, all different; empty if there are too many cells.

    MLflow's default colours repeat within nine runs. GPT cells take theirs from the other end,
    so that both models can share a chart.
    """
    order = palette[::-1] if display_of(cells).last_colours else palette
    return list(order[: len(cells)]) if len(cells) <= len(order) else []


def _state(
    cells: Sequence[Cell], metrics: Set[str], condition: str, *, across: bool = False
) -> dict[str, Any]:
    """A view as MLflow's run list stores it; across: the step is n, not the generation."""
    varying = [a for a in AXES if len({c.axes[a] for c in cells if a in c.axes}) > 1]
    mixed = across or not varying or len({cell.schedule.name for cell in cells}) > 1
    params = ["schedule", *(a for a in AXES if any(a in cell.axes for cell in cells))]
    columns = display_of(cells).mlflow_columns
    return {
        "searchFilter": condition,
        # Sorted by anything but the date, cells are listed without their sweep around them.
        "orderByKey": "params.`schedule`" if mixed else f"metrics.`grid/{varying[0]}`",
        "orderByAsc": True,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "datasetsFilter": [],
        "modelVersionFilter": "All Runs",
        "selectedColumns": [
            *(f"params.`{name}`" for name in params),
            *(f"metrics.`{name}`" for name in columns),
            "attributes.`Dataset`",
        ],
        "columnOrder": ["attributes.`Run Name`"],
        "columnWidths": {"attributes.`Run Name`": 260},
        "runsHiddenMode": "SHOW_ALL" if len(cells) <= MOST_RUNS else "FIRST_20_RUNS",
        **_charts(metrics, [] if across else varying, "n" if across else "the generation"),
        "isAccordionReordered": True,
        "hideEmptyCharts": True,
        "groupBy": None,
        "useGroupedValuesInCharts": True,
        "globalLineChartConfig": {
            "xAxisKey": "step", "lineSmoothness": 0, "selectedXAxisMetricKey": "",
        },
    }  # fmt: skip


def _grouped(state: dict[str, Any], *params: str) -> dict[str, Any]:
    keys = [{"mode": "param", "groupByData": param} for param in params]
    by = {"aggregateFunction": "average", "groupByKeys": keys}
    return {**state, "groupBy": by, "runsHiddenMode": "SHOW_ALL"}


def _charts(metrics: Set[str], varying: Sequence[str], steps_are: str) -> dict[str, Any]:
    """Our charts in two open sections, and MLflow's other charts in closed ones."""
    taken = {keys[0] for keys in (*LINES, *BARS)}
    prefixes = sorted({key.rpartition("/")[0] for key in metrics - taken} - {""})
    steps = _section(f"Against {steps_are}", display=True)
    last = _section("Last generation", display=True)
    lines = [
        _chart(
            "LINE", keys, steps, metricKey=keys[0], selectedMetricKeys=list(keys),
            xAxisKey="step", selectedXAxisMetricKey="", yAxisKey="metric", yAxisExpressions=[],
            xAxisScaleType="linear", scaleType="linear", lineSmoothness=0, displayPoints=False,
            range=SHARE if keys[0] in SHARES else {},
            ignoreOutliers=False, useGlobalXaxisKey=True, useGlobalLineSmoothing=True,
        )
        for keys in LINES
    ]  # fmt: skip
    ends = [
        _chart("BAR", keys, last, metricKey=keys[0], selectedMetricKeys=list(keys))
        for keys in BARS
        if keys[0] in metrics
    ]
    ends += [
        _chart(
            "SCATTER", (metric, axis), last,
            xaxis={"key": f"grid/{axis}", "type": "METRIC"},
            yaxis={"key": metric, "type": "METRIC"},
        )
        for axis in varying
        for metric in ACROSS
        if metric in metrics
    ]  # fmt: skip
    closed = [_section(name, display=False) for name in [*prefixes, "Model metrics"]]
    sections = [steps, *([last] if ends else []), *closed]
    return {"compareRunCharts": lines + ends, "compareRunSections": sections}


def _section(name: str, *, display: bool) -> dict[str, Any]:
    return {
        "uuid": _name_id(name), "name": name, "display": display, "isReordered": False,
        "deleted": False, "isGenerated": False, "columns": 2, "cardHeight": 320,
    }  # fmt: skip


def _chart(kind: str, of: Sequence[str], section: dict[str, Any], **rest: Any) -> dict[str, Any]:
    return {
        "type": kind, "uuid": _name_id(" ".join([kind, *of])), "metricSectionId": section["uuid"],
        "runsCountToCompare": 100, "deleted": False, "isGenerated": False, **rest,
    }  # fmt: skip


def _name_id(name: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_OID, name))


def _packed(state: dict[str, Any]) -> str:
    """A view packed as MLflow does: a tag of an experiment holds 20,000 characters."""
    squeezed = zlib.compress(json.dumps(state).encode(), 9)
    return f"deflate;{base64.b64encode(squeezed).decode()}"
