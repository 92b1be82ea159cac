"""`tracking.detail=group`: one run for many cells, for grids that would swamp the MLflow UI.

A group is a series of cells that differ in n alone, or a part of a long series. Its
run stores the last value of every metric with n as the step, so that the UI draws
metrics against n; `cells.csv` for people; and `cells.json` and `curves/ID.npz`, from
which the cells are read back as if each had its own run.
"""

import csv
import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from sweep.tracking.base import Point, Run

TABLE = "cells.json"
TRACEBACKS = "tracebacks"
"""Artifact folder with the tracebacks of failed cells, named by cell id."""


def points(cells: Sequence[Run]) -> list[Point]:
    """Return the last value of each metric of each cell, with n as the step."""
    return [
        Point(key, int(cell.params.get("n", k)), value)
        for k, cell in enumerate(cells)
        for key, value in cell.metrics.items()
        if not key.startswith("grid/")
    ]


def write(folder: Path, cells: Sequence[Run]) -> list[Path]:
    """Write the tables of a group: cells.json for programs, cells.csv for people."""
    table = folder / TABLE
    fields = ("key", "status", "params", "metrics", "tags", "curves")
    table.write_text(json.dumps([{f: getattr(cell, f) for f in fields} for cell in cells]))
    heads = list(dict.fromkeys(key for cell in cells for key in [*cell.params, *cell.metrics]))
    listing = folder / "cells.csv"
    with open(listing, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["status", *heads])
        for cell in cells:
            values = {**cell.params, **cell.metrics}
            writer.writerow([cell.status, *(values.get(key, "") for key in heads)])
    return [table, listing]


def expand(runs: Sequence[Run], fetch: Callable[[str, str, Path], Path]) -> Iterator[Run]:
    """Yield the cells of group runs; `fetch` is the `download_artifact` of a tracker."""
    for run in runs:
        yield from _read(run, fetch)


def _read(run: Run, fetch: Callable[[str, str, Path], Path]) -> Iterator[Run]:
    with tempfile.TemporaryDirectory() as folder:
        try:
            cells: list[dict[str, Any]] = json.loads(fetch(run.id, TABLE, Path(folder)).read_text())
        except (FileNotFoundError, ValueError):
            return  # the group is not finished
    for cell in cells:
        yield Run(id=run.id, start_ms=run.start_ms, **cell)
