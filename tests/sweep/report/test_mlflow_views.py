"""What the pages of MLflow are told to show: views, notes, data sets, links."""

import base64
import json
import sqlite3
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sweep import cli
from sweep.cells.cell import Cell
from sweep.kinds.statistical.kind import Statistical
from sweep.models.schedules import Schedule
from sweep.models.source import Source
from sweep.report import mlflow_ui, mlflow_views, text_tables
from sweep.report.cell_runs import CellRun
from sweep.report.figures.axes import COLOURS
from sweep.results.dataset import dataset_of, datasets_of
from sweep.tracking.base import Run, RunSpec
from sweep.tracking.mlflow_tracker import MlflowTracker


def cell(n: int, name: str = "full", S0: float = 0.1) -> Cell:
    source = Source(family="zipf", s=60, support=20, S0=S0)
    N = 50 if name == "partial" else None
    return Cell(
        kind=Statistical(), schedule=Schedule(name=name, n=n, N=N), source=source,
        generations=3, replicates=2, seed=0,
    )  # fmt: skip


def entry(one: Cell) -> CellRun:
    metrics = {"sigma/mean": 0.5, "sigma/exact": 0.4, "deviation/mean": 0.1}
    row = Run(
        id="r", key=one.id, status="FINISHED", params=one.params, metrics=metrics, tags={},
        start_ms=0,
    )  # fmt: skip
    return CellRun(cell=one, run=row)


def unpacked(state: str) -> dict[str, Any]:
    """As MLflow reads it."""
    head, _, body = state.partition(";")
    assert head == "deflate"
    found: dict[str, Any] = json.loads(zlib.decompress(base64.b64decode(body)))
    return found


def written(figure: str | None = "figures/preview.png", **changed: Any) -> str:
    plain: dict[str, Any] = {
        "purpose": "Does it hold?", "cell_runs": [entry(cell(n)) for n in (10, 20)],
        "figure": figure, "run": "abc", "runs": "#/experiments/7/runs", "view": "key",
        "command": "python -m sweep", "commit": "c0ffee",
    }  # fmt: skip
    return mlflow_ui.note(**(plain | changed))


def test_a_view_shows_theory_on_the_chart_of_the_simulation() -> None:
    cells = [cell(n, name) for name in ("full", "partial") for n in (10, 20)]
    view = unpacked(mlflow_views.of_sweep(cells, {"sigma/mean", "tail/mean"}, "abc"))
    assert view["searchFilter"] == "tags.`mlflow.parentRunId` = 'abc'"
    charts = [c["selectedMetricKeys"] for c in view["compareRunCharts"] if c["type"] == "LINE"]
    assert charts[0] == ["sigma/mean", "sigma/exact"]
    across = [c["xaxis"]["key"] for c in view["compareRunCharts"] if c["type"] == "SCATTER"]
    assert across == ["grid/n"]
    sections = {s["uuid"]: s["display"] for s in view["compareRunSections"]}
    assert all(sections[chart["metricSectionId"]] for chart in view["compareRunCharts"])
    assert list(sections.values()) == [True, True, False, False]  # tail, and what has no prefix
    assert "params.`N`" in view["selectedColumns"]


def test_views_fit_into_a_tag_of_an_experiment() -> None:
    cells = [cell(n) for n in range(1, 500)]
    metrics = {f"{name}/{k}" for name in "abcdefghijklmnopqrstuvwxyz" for k in range(20)}
    saved = mlflow_views.named(cells, metrics, 17)
    assert max(map(len, saved.values())) < 20_000
    for text in saved.values():
        assert set(json.loads(text)) == {"name", "createdAt", "updatedAt", "state"}
    grouped = unpacked(json.loads(saved["models"])["state"])["groupBy"]["groupByKeys"]
    assert [key["groupByData"] for key in grouped] == ["model", "schedule"]


def test_cells_have_colours_of_their_own() -> None:
    assert len(set(mlflow_views.colours([cell(n) for n in range(1, 11)], COLOURS))) == 10
    assert mlflow_views.colours([cell(n) for n in range(1, 12)], COLOURS) == []


def test_a_note_asks_and_answers() -> None:
    text = written(verdicts=["E[T] = 18.9 +- 0.4, exact 18.7"])
    lines = text.splitlines()
    assert lines[0] == "**Does it hold?** 2 of 2 cells finished."
    assert lines[2] == "- E[T] = 18.9 +- 0.4, exact 18.7"
    assert sum(line.startswith("| n=") for line in lines) == 2
    assert "![figure](get-artifact?path=figures%2Fpreview.png&run_id=abc)" in lines
    assert f"({mlflow_ui.link('#/experiments/7/runs', 'key')})" in text
    assert lines[-1] == "Reproduce: `python -m sweep`, seed 0, commit c0ffee"
    assert "(" not in written(runs="", figure=None)  # no pages: no links


def test_a_note_fits_into_a_tag_whatever_the_sweep() -> None:
    many = [entry(cell(n, name, S0)) for n in (10, 20) for name in ("full", "partial")
            for S0 in (0.1, 0.123456789, 0.2, 0.25, 0.3, 0.4)]  # fmt: skip
    text = written(cell_runs=many, command="x" * 5000, verdicts=["a line of words " * 8] * 90)
    assert len(text) < 8000
    assert f"{mlflow_ui.MOST_ROWS // 2} of {len(many)} cells shown" in text
    assert text_tables.text(many).count("\n") > len(many)  # the terminal has them all


def test_a_data_set_is_named_by_all_that_determines_it() -> None:
    first, same, other = dataset_of(cell(10)), dataset_of(cell(20)), dataset_of(cell(10, S0=0.2))
    assert first == same
    assert first.name == "zipf S0=0.1"
    assert first.digest != other.digest
    longer = replace(cell(10), source=replace(cell(10).source, support=21))
    assert dataset_of(longer).digest != first.digest
    assert datasets_of([cell(10), cell(20), cell(30, S0=0.2)]) == [first, other]


def test_mlflow_has_the_data_set_once(store_folder: Path) -> None:
    tracker = MlflowTracker(f"sqlite:///{store_folder / 'mlflow.db'}", "data")
    parent = tracker.start_run(RunSpec(key="s", kind="sweep", name="s", parent=None, start_ms=1)).id
    for _ in range(2):
        for n in (10, 20):
            one = cell(n)
            tracker.start_run(
                RunSpec(
                    key=one.id,
                    kind="cell",
                    name=one.name,
                    parent=parent,
                    start_ms=1,
                    data=[dataset_of(one)],
                )
            )
    with sqlite3.connect(store_folder / "mlflow.db") as connection:
        rows = connection.execute("SELECT name, digest FROM datasets").fetchall()
        uses = connection.execute("SELECT count(*) FROM inputs").fetchone()
    assert rows == [("zipf S0=0.1", dataset_of(cell(10)).digest)]
    assert uses == (2,)


@pytest.mark.parametrize(
    ("uri", "lines"),
    [
        (
            "sqlite:////data/lab.db",
            [
                "compare mlflow ui --backend-store-uri sqlite:////data/lab.db",
                "http://127.0.0.1:5000/#x",
            ],
        ),
        ("http://me:secret@host:80/", ["compare http://***@host:80/", "http://host:80/#x"]),
        (
            "postgresql+psycopg2://me:secret@db/x",
            [
                "compare mlflow ui --backend-store-uri URI, with the tracking.uri given",
                "http://127.0.0.1:5000/#x",
            ],
        ),
    ],
)
def test_the_end_of_a_sweep_says_how_to_open_it(uri: str, lines: list[str]) -> None:
    assert cli._compare(uri, "#x") == lines
