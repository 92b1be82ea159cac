"""Cells logged in groups: fewer runs, the same cells, the same report, no cell lost."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sweep.cells import groups
from sweep.cells.cell import Cell
from sweep.grid.expand import expand
from sweep.kinds.statistical.simulate import simulate
from sweep.results import arrays
from sweep.tracking import grouped_runs
from sweep.tracking.base import OutageError, RunSpec, Tracker
from sweep.tracking.folder_tracker import FolderTracker
from sweep.tracking.mlflow_tracker import MlflowTracker
from sweep.trial.upload import UploadTarget
from sweep.trial.worker import Job, Outcome, run_cells
from tests.helpers.configs import settings
from tests.helpers.jobs import job_at
from tests.helpers.shells import sweep_here

CELLS = expand(settings("+experiment=smoke", "grid.n=[3,10,5]", "grid.schedule=[full,partial]"))[0]


def job(tracker: Tracker, folder: Path) -> Job:
    parent = tracker.start_run(RunSpec(key="s", kind="sweep", name="s", parent=None, start_ms=1)).id
    return job_at(
        UploadTarget(parent=parent, grouped=True, spool=folder / "spool" / parent, patience=0.0)
    )


def test_groups_differ_in_n_alone() -> None:
    assert [[c.name for c in g] for g in groups.split(CELLS)] == [
        ["full n=3 S0=0.1", "full n=10 S0=0.1", "full n=5 S0=0.1"],
        ["partial n=3 N=100 S0=0.1", "partial n=10 N=100 S0=0.1", "partial n=5 N=100 S0=0.1"],
    ]
    many = [replace(CELLS[0], seed=k) for k in range(450)]
    assert [len(g) for g in groups.split(many)] == [200, 200, 50]


@pytest.mark.parametrize("kind", ["folder", "mlflow"])
def test_a_cell_of_a_group_is_read_back_like_any_other(
    tmp_path: Path, make_store_folder: Callable[[str], Path], kind: str
) -> None:
    def new(name: str) -> Any:
        if kind == "folder":
            return FolderTracker(tmp_path / name)
        return MlflowTracker(f"sqlite:///{make_store_folder(name)}/mlflow.db", "x")

    tracker, alone = new("grouped"), new("alone")
    given = job(tracker, tmp_path)
    ended = [e for e in run_cells(CELLS, given, tracker) if isinstance(e, Outcome)]
    assert {e.cell.id for e in ended} == {c.id for c in CELLS}
    single = job(alone, tmp_path / "b")
    list(run_cells(CELLS, replace(single, target=replace(single.target, grouped=False)), alone))
    rows = {row.key: row for row in tracker.runs(given.target.parent)}
    assert len({row.id for row in rows.values()}) == 2
    assert tracker.running(given.target.parent) == []
    assert set(tracker.finished()) == set(rows)
    singles = alone.runs(single.target.parent)
    assert {row.key for row in singles} == {cell.id for cell in CELLS} == rows.keys()
    for row in singles:
        other = rows[row.key]
        assert (other.status, other.params, other.metrics) == (row.status, row.params, row.metrics)
        curves = [
            arrays.load(t.download_artifact(r.id, r.curves, tmp_path))
            for t, r in ((tracker, other), (alone, row))
        ]
        assert np.array_equal(curves[0]["sigma"], curves[1]["sigma"])
    assert not list(given.target.spool.glob("*"))


def test_failures_and_outages_in_a_group(tmp_path: Path) -> None:
    """A cell that fails is one row; a store that goes away keeps the whole group waiting."""

    class Away(FolderTracker):
        away = True

        def log_artifact(self, run: str, path: Path, folder: str | None = None) -> None:
            if self.away and path.name == grouped_runs.TABLE:
                raise OutageError("no answer")
            super().log_artifact(run, path, folder)

    def fails(cell: Cell, job: Job) -> Any:
        if cell == CELLS[1]:
            raise MemoryError("no room")
        return (yield from simulate(cell, job.target.spool))

    tracker = Away(tmp_path / "runs")
    given = job(tracker, tmp_path)
    ended = [e for e in run_cells(CELLS, given, tracker, compute=fails) if isinstance(e, Outcome)]
    assert all(e.waits for e in ended)
    assert tracker.runs(given.target.parent) == []
    tracker.away = False
    again = [e for e in run_cells(CELLS, given, tracker, compute=fails) if isinstance(e, Outcome)]
    assert {e.cell.id: e.error for e in again} == {
        c.id: "MemoryError: no room" if c == CELLS[1] else None for c in CELLS
    }
    rows = {row.key: row for row in tracker.runs(given.target.parent)}
    assert rows[CELLS[1].id].status == "FAILED"
    assert rows[CELLS[1].id].tags["error"] == "MemoryError: no room"
    assert sum(row.status == "FINISHED" for row in rows.values()) == len(CELLS) - 1
    assert tracker.running(given.target.parent) == []


def test_a_grouped_sweep_resumes_and_its_report_is_the_same(
    tmp_path: Path, store_folder: Path
) -> None:
    options = (
        "+experiment=smoke", "grid.n=[3,10,5]", "cluster=inline", "figure=collapse_time",
    )  # fmt: skip
    done = sweep_here(store_folder, *options, "tracking.detail=group")
    assert done.returncode == 0, done.stderr
    grouped = next(tmp_path.glob("outputs/smoke-*"))
    shutil.move(grouped, tmp_path / "grouped")
    again = sweep_here(store_folder, *options, "tracking.detail=group")
    assert "12 of 12 cells finished, 12 of them earlier" in again.stdout
    own = sweep_here(store_folder, *options, "tracking.experiment=other")
    assert own.returncode == 0, own.stderr
    one, other = (
        (folder / "summary.csv").read_text()
        for folder in (tmp_path / "grouped", next(tmp_path.glob("outputs/smoke-*")))
    )
    assert one == other
