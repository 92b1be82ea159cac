"""A sweep as one tidy pandas table, from the tracking store alone.

Tidy: each row is a cell at a generation, and each column a quantity, with theory next
to simulation, so that `table.sigma - table.sigma_exact` means something. `metric/mean`
of MLflow is the column `metric`; other slashes are underscores: sigma, sigma_se,
sigma_q05, sigma_q95, sigma_exact.
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
from sweep.report.cell_runs import CellRun, sorted_cell_runs
from sweep.results import summary
from sweep.results.arrays import load
from sweep.results.theory import theory_of
from sweep.tracking.base import Run, Tracker

if TYPE_CHECKING:
    import pandas as pd

PER_RUN = ("collapse_time", "absorption_time")
"""Curves with one number per run; 0 where the event did not happen by M."""


def table(tracker: Tracker, parent: Run, stored: Sequence[Run], *, runs: bool) -> "pd.DataFrame":
    """The finished cells of a sweep; a warning names how many are missing.

    runs False: a row for each cell and generation. Values of a whole cell (collapse_time,
    censored) are repeated in each of its rows.
    runs True: a row for each cell, run and generation, with the values of that run and
    the exact ones.
    """
    import pandas as pd

    cell_runs = sorted_cell_runs(stored)
    done = [cell_run for cell_run in cell_runs if cell_run.run.status == "FINISHED"]
    cells = int(parent.params.get("cells", len(cell_runs)))
    if len(done) < cells:
        warnings.warn(
            f"{cells - len(done)} of {cells} cells of sweep {parent.key} are not finished, and not "
            "in the table",
            stacklevel=3,
        )
    names = labels.labels([cell_run.cell for cell_run in done])[0] if done else []
    parts = [
        _cell(pd, cell_run, name, _curves(tracker, cell_run), runs=runs)
        for cell_run, name in zip(done, names, strict=True)
    ]
    whole = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
    for axis in (a for a in AXES if AXES[a].whole):
        if axis in whole:
            whole[axis] = whole[axis].astype("Int64")  # whole numbers, or missing
    whole.attrs = {"sweep": parent.key, "experiment": parent.tags.get("experiment", "")}
    return whole


def _curves(tracker: Tracker, cell_run: CellRun) -> Curves:
    with tempfile.TemporaryDirectory() as folder:
        return load(tracker.download_artifact(cell_run.run.id, cell_run.run.curves, Path(folder)))


def _cell(pd: Any, cell_run: CellRun, name: str, curves: Curves, *, runs: bool) -> "pd.DataFrame":
    """The rows of a cell."""
    cell, theory = cell_run.cell, theory_of(cell_run.cell)
    of_schedule = [name for name, axis in AXES.items() if axis.of == "schedule"]
    values: dict[str, Any] = {name: getattr(cell.schedule, name) for name in of_schedule}
    values["reuse"] = bool(cell.schedule.reuse)
    values |= {name: cell.axes.get(name, math.nan) for name in AXES if name not in of_schedule}
    head = {"name": name, "model": cell.kind.model, "schedule": cell.schedule.name, **values}
    head |= {"replicates": cell.replicates, "cell": cell.id}
    if runs:
        return _runs(pd, head, curves, theory.curves)
    points = summary.points(cell, curves, theory, most=cell.generations)
    by_generation: dict[int, dict[str, float]] = {}
    for point in points:
        by_generation.setdefault(point.step, {})[column(point.key)] = point.value
    rest = {
        column(point.key): point.value
        for point in summary.totals(cell, curves, theory)
        if not point.key.startswith("grid/")
    }
    rows = [{**head, "generation": m, **by_generation[m], **rest} for m in sorted(by_generation)]
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
    for name, expected in exact.items():
        columns[column(name)] = np.tile(expected, R)
    return pd.DataFrame(columns)
