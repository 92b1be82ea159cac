"""A cell that is computed again adds no point: times derive from what the store holds."""

import shutil
import sqlite3
from pathlib import Path

import pytest

from sweep.tracking.mlflow_tracker import MlflowTracker
from tests.helpers.gpt_cells import TINY
from tests.helpers.shells import SMOKE, metric_rows, sweep

GPT = (*TINY, "grid.schedule=full", "model.measure.retrain=false")


def doubled(folder: Path) -> list[tuple[str, str, int]]:
    """(run, key, step) that the store has more than once."""
    query = "SELECT run_uuid, key, step FROM metrics GROUP BY 1, 2, 3 HAVING count(*) > 1"
    with sqlite3.connect(folder / "mlflow.db") as connection:
        return connection.execute(query).fetchall()


@pytest.mark.parametrize("options", [(*SMOKE, "cluster=inline"), GPT], ids=["smoke", "gpt"])
@pytest.mark.parametrize("keep_state", [True, False])
def test_a_finished_cell_that_is_marked_killed_is_logged_once(
    tmp_path: Path, options: tuple[str, ...], keep_state: bool
) -> None:
    assert sweep(tmp_path, *options).returncode == 0
    before = metric_rows(tmp_path)
    tracker = MlflowTracker(f"sqlite:///{tmp_path / 'mlflow.db'}", options[0].split("=")[1])
    (parent,) = tracker.runs(None)
    for run in tracker.runs(parent.id):
        tracker.end_run(run.id, "KILLED", end_ms=run.start_ms + 1)
    if not keep_state:
        shutil.rmtree(tmp_path / "mlflow-state")
    again = sweep(tmp_path, *options)
    assert again.returncode == 0, again.stderr
    assert ", 0 of them" not in again.stdout
    assert "of them before" not in again.stdout  # all were computed again
    assert not doubled(tmp_path)
    assert metric_rows(tmp_path) == before
