"""`tracking.detail=group`: one run for many cells, for grids that would bury the MLflow UI.

A group is a series of cells that differ in n alone, or a part of a long one. Its
run has the last value of every metric with n as the step, so that the UI draws
metrics against n; `cells.csv` to look at; `cells.json` and `curves/ID.npz`, from
which the cells are read back as if each had a run of its own.
"""

import csv
import json
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from sweep.grid import Cell
from sweep.summary import Point
from sweep.tracking import Row

MOST_CELLS = 200
"""Cells of one group."""
MANY_CELLS = 5000
"""Cells beyond which a sweep is logged by groups, unless the user says otherwise."""
TABLE = "cells.json"
TRACEBACKS = "tracebacks"
"""Folder of the artifacts with the tracebacks of failed cells, by id."""


def split(cells: Sequence[Cell]) -> list[list[Cell]]:
    """The groups of a sweep, each in order."""
    series: dict[str, list[Cell]] = {}
    for cell in cells:
        series.setdefault(name(cell), []).append(cell)
    return [
        members[at : at + MOST_CELLS]
        for members in series.values()
        for at in range(0, len(members), MOST_CELLS)
    ]


def name(cell: Cell) -> str:
    """What the cells of its series have in common."""
    return " ".join(word for word in cell.name.split(" ") if not word.startswith("n="))


def row(cell: Cell, points: Sequence[Point], status: str, tags: Mapping[str, str]) -> Row:
    """A cell as its own run would have it; `run` is filled in when it is read."""
    last: dict[str, tuple[int, float]] = {}
    for point in points:
        if point.key not in last or point.step >= last[point.key][0]:
            last[point.key] = (point.step, point.value)
    return Row(
        run="",
        key=cell.id,
        status=status,
        params=cell.params,
        metrics={key: value for key, (_, value) in last.items()},
        tags=dict(tags),
        start_ms=0,
        curves=f"curves/{cell.id}.npz",
    )


def points(rows: Sequence[Row]) -> list[Point]:
    """The last value of each metric of each cell, with n as the step."""
    return [
        Point(key, int(one.params.get("n", k)), value)
        for k, one in enumerate(rows)
        for key, value in one.metrics.items()
        if not key.startswith("grid/")
    ]


def write(folder: Path, rows: Sequence[Row]) -> list[Path]:
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


def expand(runs: Sequence[Row], fetch: Callable[[str, str, Path], Path]) -> Iterator[Row]:
    """The cells of the runs of groups; `fetch` is that of a tracker."""
    for run in runs:
        yield from _read(run, fetch)


def _read(run: Row, fetch: Callable[[str, str, Path], Path]) -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as folder:
        try:
            found: list[dict[str, Any]] = json.loads(
                fetch(run.run, TABLE, Path(folder)).read_text()
            )
        except (FileNotFoundError, ValueError):
            return  # not finished
    for one in found:
        yield Row(run=run.run, start_ms=run.start_ms, **one)
