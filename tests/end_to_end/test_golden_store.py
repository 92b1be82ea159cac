"""A store made by an earlier version: reported, resumed and compared, and its bits made again."""

import csv
import io
import shutil
import sqlite3
import sys
from pathlib import Path

import numpy as np
import pytest

from sweep import cli
from sweep.cells import outcome
from sweep.report import __main__ as report
from sweep.report import find
from sweep.results import arrays
from tests.helpers.gpt_cells import TINY
from tests.helpers.paths import GOLDEN

COMMANDS = {
    "smoke": ("+experiment=smoke", "cluster=inline"),
    "simplex": (
        "+experiment=simplex", "cluster=inline", "model.context_length=2", "grid.n=60",
        "generations=8", "replicates=4",
    ),
    "gpt_demo": (*TINY, "replicates=2"),
    "threshold": (
        "+experiment=threshold", "cluster=inline", "grid.N=[8,12]", "threshold.level=0.3",
        "generations=4", "replicates=20", "threshold.cap=40",
    ),
    "schedules": (
        "+experiment=schedules", "cluster=inline", "generations=10", "replicates=3",
        "tracking.detail=group",
    ),
}  # fmt: skip
"""Experiment -> the arguments that made its sweep."""
CELLS = {"smoke": 4, "simplex": 1, "gpt_demo": 3, "threshold": 8, "schedules": 9}
COUNTED = ("runs", "metrics", "latest_metrics", "params")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the store, as if it had been made there."""
    folder = tmp_path_factory.mktemp("store")
    text = (GOLDEN / "store" / "store.sql").read_text()
    with sqlite3.connect(folder / "mlflow.db") as connection:
        connection.executescript(text.replace("@STORE@", str(folder)))
    shutil.copytree(GOLDEN / "store" / "artifacts", folder / "mlflow-artifacts")
    return folder


def sweep(folder: Path, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "argv", ["sweep", *arguments])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 0


def counts(folder: Path) -> dict[str, int]:
    with sqlite3.connect(folder / "mlflow.db") as connection:
        return {t: connection.execute(f"SELECT count(*) FROM {t}").fetchone()[0] for t in COUNTED}


def curves(folder: Path, experiment: str, scratch: Path) -> dict[str, outcome.Curves]:
    """Cell id -> stored curves of the latest sweep of an experiment."""
    sweeps = find.sweeps(f"sqlite:///{folder / 'mlflow.db'}", experiment)
    tracker, parent = find.choose(experiment, sweeps)
    return {
        run.key: arrays.load(tracker.download_artifact(run.id, run.curves, scratch))
        for run in tracker.runs(parent.id)
    }


@pytest.mark.parametrize("experiment", COMMANDS)
def test_it_is_reported(store: Path, tmp_path: Path, experiment: str) -> None:
    uri = f"sqlite:///{store / 'mlflow.db'}"
    tracker, parent = find.choose(experiment, find.sweeps(uri))
    old = tracker.download_artifact(parent.id, "summary.csv", tmp_path).read_text()
    built = report.rebuild(
        report.OPTIONS | {"sweep": experiment, "tracking.uri": uri, "output": str(tmp_path)}
    )
    assert len(built.cell_runs) == CELLS[experiment]
    table = (built.folder / "summary.csv").read_text()
    new = {row["cell"]: row for row in csv.DictReader(io.StringIO(table))}
    rows = list(csv.DictReader(io.StringIO(old)))
    assert len(rows) == CELLS[experiment]
    for row in rows:
        assert row.items() <= new[row["cell"]].items()


@pytest.mark.parametrize("experiment", COMMANDS)
def test_nothing_runs_again(
    store: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    experiment: str,
) -> None:
    before = counts(store)
    sweep(store, monkeypatch, *COMMANDS[experiment])
    number = CELLS[experiment]
    assert (
        f"{number} of {number} cells finished, {number} of them earlier" in capsys.readouterr().out
    )
    after = counts(store)
    if experiment == "threshold":  # what the search knows is logged again, with its own time
        del before["metrics"], after["metrics"]
    assert after == before


def test_its_sweeps_stand_on_one_page(store: Path, tmp_path: Path) -> None:
    built = report.rebuild(
        report.OPTIONS
        | {
            "sweep": "all",
            "tracking.uri": f"sqlite:///{store / 'mlflow.db'}",
            "output": str(tmp_path),
        }
    )
    page = (built.folder / "report.html").read_text()
    for experiment in COMMANDS:
        assert experiment in page


@pytest.mark.parametrize("experiment", COMMANDS)
def test_the_same_commands_give_the_same_bits(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, experiment: str
) -> None:
    sweep(tmp_path, monkeypatch, *COMMANDS[experiment])
    old, new = curves(store, experiment, tmp_path), curves(tmp_path, experiment, tmp_path)
    assert old.keys() == new.keys()
    for cell, stored in old.items():
        assert stored.keys() == new[cell].keys()
        for name, values in stored.items():
            if not name.startswith("tokens_per_second"):
                assert np.array_equal(values, new[cell][name]), (cell, name)
