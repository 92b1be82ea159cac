"""A cell that is computed again adds no point: times derive from what the store holds."""

import shutil
from pathlib import Path

import pytest

from sweep.tracking.mlflow_tracker import MlflowTracker
from tests.helpers.gpt_cells import TINY
from tests.helpers.shells import SMOKE, metric_rows, reading, sweep_here

GPT = (*TINY, "grid.schedule=full", "model.measure.retrain=false")


def doubled(folder: Path) -> list[tuple[str, str, int]]:
    """(run, key, step) that the store has more than once."""
    query = "SELECT run_uuid, key, step FROM metrics GROUP BY 1, 2, 3 HAVING count(*) > 1"
    with reading(folder) as connection:
        return connection.execute(query).fetchall()


@pytest.mark.parametrize(
    "options", [(*SMOKE, "cluster=inline", "figure=schedules"), GPT], ids=["smoke", "gpt"]
)
@pytest.mark.parametrize("keep_state", [True, False])
def test_a_finished_cell_that_is_marked_killed_is_logged_once(
    store_folder: Path, options: tuple[str, ...], keep_state: bool
) -> None:
    assert sweep_here(store_folder, *options).returncode == 0
    before = metric_rows(store_folder)
    tracker = MlflowTracker(f"sqlite:///{store_folder / 'mlflow.db'}", options[0].split("=")[1])
    (parent,) = tracker.runs(None)
    for run in tracker.runs(parent.id):
        tracker.end_run(run.id, "KILLED", end_ms=run.start_ms + 1)
    if not keep_state:
        shutil.rmtree(store_folder / "mlflow-state")
    again = sweep_here(store_folder, *options)
    assert again.returncode == 0, again.stderr
    assert ", 0 of them" not in again.stdout
    assert "of them earlier" not in again.stdout  # all were computed again
    assert not doubled(store_folder)
    assert metric_rows(store_folder) == before
