"""A sweep as one tidy pandas table, from the tracking store alone.

Tidy: an observation is a cell at a generation, a row; whatever is known of it
is a column, theory beside simulation, so that `table.sigma - table.sigma_exact`
means something. `metric/mean` of MLflow is the column `metric`, other slashes
are underscores: sigma, sigma_se, sigma_q05, sigma_q95, sigma_exact.
"""

import math
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sweep.cells import labels
from sweep.cells.axes import AXES
from sweep.cells.outcome import Curves
from sweep.metrics import column
from sweep.report.cell_runs import CellRun, cell_runs
from sweep.results import summary
from sweep.results.arrays import load
from sweep.results.theory import theory_of
from sweep.tracking.base import Run, Tracker

if TYPE_CHECKING:
    import pandas as pd

PER_RUN = ("collapse_time", "absorption_time")
"""Curves with one number for each run; 0 where it was not reached by M."""


def table(tracker: Tracker, parent: Run, rows: Sequence[Run], *, runs: bool) -> "pd.DataFrame":
    """The finished cells of a sweep; a warning names how many are missing.

    runs False: a row for each cell and generation. What holds for a whole cell
    (collapse_time, censored) stands in each of its rows.
    runs True: a row for each cell, run and generation, with the values of that
    run, and what is exact.
    """
    import pandas as pd

    entries = cell_runs(rows)
    done = [entry for entry in entries if entry.run.status == "FINISHED"]
    cells = int(parent.params.get("cells", len(entries)))
    if len(done) < cells:
        warnings.warn(
            f"{cells - len(done)} of {cells} cells of sweep {parent.key} are not finished, and not "
            "in the table",
            stacklevel=3,
        )
    names = labels.labels([entry.cell for entry in done])[0] if done else []
    parts = [
        _cell(pd, entry, name, _curves(tracker, entry), runs=runs)
        for entry, name in zip(done, names, strict=True)
    ]
    whole = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
    for axis in (a for a in AXES if AXES[a].whole):
        if axis in whole:
            whole[axis] = whole[axis].astype("Int64")  # whole numbers, or missing
    whole.attrs = {"sweep": parent.key, "experiment": parent.tags.get("experiment", "")}
    return whole


def _curves(tracker: Tracker, entry: CellRun) -> Curves:
    with tempfile.TemporaryDirectory() as folder:
        return load(tracker.download_artifact(entry.run.id, entry.run.curves, Path(folder)))


def _cell(pd: Any, entry: CellRun, name: str, curves: Curves, *, runs: bool) -> "pd.DataFrame":
    """The rows of one cell."""
    cell, theory = entry.cell, theory_of(entry.cell)
    axes = {axis: cell.axes.get(axis, math.nan) for axis in AXES}
    values: dict[str, Any] = axes | {
        a: getattr(cell.schedule, a) for a in AXES if AXES[a].of == "schedule"
    }
    values["reuse"] = bool(cell.schedule.reuse)
    head = {"name": name, "model": cell.kind.model, "schedule": cell.schedule.name, **values}
    head |= {"replicates": cell.replicates, "cell": cell.id}
    if runs:
        return _runs(pd, head, curves, theory.curves)
    points = summary.points(cell, curves, theory, most=cell.generations)
    found: dict[int, dict[str, float]] = {}
    for point in points:
        found.setdefault(point.step, {})[column(point.key)] = point.value
    rest = {
        column(point.key): point.value
        for point in summary.totals(cell, curves, theory)
        if not point.key.startswith("grid/")
    }
    rows = [{**head, "generation": m, **found[m], **rest} for m in sorted(found)]
    return pd.DataFrame(rows)


def _runs(pd: Any, head: dict[str, Any], curves: Curves, exact: dict[str, Any]) -> "pd.DataFrame":
    R, M = curves["sigma"].shape
    columns: dict[str, Any] = {
        **head,
        "run": np.repeat(np.arange(R), M),
        "generation": np.tile(np.arange(1, M + 1), R),
    }
    for name, values in curves.items():
        if values.shape == (R, M) and values.dtype.kind in "fiub":
            columns[column(name)] = values.ravel()
    for name in PER_RUN:
        columns[name] = np.repeat(curves[name], M)
    for name, law in exact.items():
        columns[column(name)] = np.tile(law, R)
    return pd.DataFrame(columns)
