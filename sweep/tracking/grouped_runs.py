"""`tracking.detail=group`: one run for many cells, for grids that would bury the MLflow UI.

A group is a series of cells that differ in n alone, or a part of a long one. Its
run has the last value of every metric with n as the step, so that the UI draws
metrics against n; `cells.csv` to look at; `cells.json` and `curves/ID.npz`, from
which the cells are read back as if each had a run of its own.
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
"""Folder of the artifacts with the tracebacks of failed cells, by id."""


def points(rows: Sequence[Run]) -> list[Point]:
    """The last value of each metric of each cell, with n as the step."""
    return [
        Point(key, int(one.params.get("n", k)), value)
        for k, one in enumerate(rows)
        for key, value in one.metrics.items()
        if not key.startswith("grid/")
    ]


def write(folder: Path, rows: Sequence[Run]) -> list[Path]:
    """The table of a group, for programs and for people."""
    table = folder / TABLE
    fields = ("key", "status", "params", "metrics", "tags", "curves")
    table.write_text(json.dumps([{f: getattr(one, f) for f in fields} for one in rows]))
    heads = list(dict.fromkeys(key for one in rows for key in [*one.params, *one.metrics]))
    listing = folder / "cells.csv"
    with open(listing, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["status", *heads])
        for one in rows:
            values = {**one.params, **one.metrics}
            writer.writerow([one.status, *(values.get(key, "") for key in heads)])
    return [table, listing]


def expand(runs: Sequence[Run], fetch: Callable[[str, str, Path], Path]) -> Iterator[Run]:
    """The cells of the runs of groups; `fetch` is that of a tracker."""
    for run in runs:
        yield from _read(run, fetch)


def _read(run: Run, fetch: Callable[[str, str, Path], Path]) -> Iterator[Run]:
    with tempfile.TemporaryDirectory() as folder:
        try:
            found: list[dict[str, Any]] = json.loads(fetch(run.id, TABLE, Path(folder)).read_text())
        except (FileNotFoundError, ValueError):
            return  # not finished
    for one in found:
        yield Run(id=run.id, start_ms=run.start_ms, **one)
