"""Stores and machines that fail for a while: what waits, what is delivered, what is said."""

import contextlib
import os
import re
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sweep.cells.cell import Cell
from sweep.cells.outcome import CellProgress
from sweep.grid.expand import expand
from sweep.kinds.statistical.simulate import simulate
from sweep.tracking.base import OutageError, RunSpec, StartedRun
from sweep.tracking.folder_tracker import FolderTracker
from sweep.tracking.mlflow_tracker import MlflowTracker
from sweep.trial import spool
from sweep.trial.upload import UploadTarget, leftovers
from sweep.trial.worker import Job, Outcome, run_cells
from tests.helpers.configs import settings
from tests.helpers.jobs import job_at
from tests.helpers.shells import (
    assert_same,
    metric_rows,
    results,
    start,
    sweep,
    wait_for_cells,
    workers,
)

CELLS = expand(settings("+experiment=smoke"))[0]


class Shaky(FolderTracker):
    """A store that does not answer for a number of calls, or until it is told to."""

    def __init__(self, folder: Path, calls: int) -> None:
        super().__init__(folder)
        self.left = calls
        self.order: list[str] = []

    def start_run(self, spec: RunSpec, *, always_new: bool = False) -> StartedRun:
        if spec.kind == "cell":
            if self.left > 0:
                self.left -= 1
                raise OutageError("no answer")
            self.order.append(spec.key)
        return super().start_run(spec, always_new=always_new)

    def log_artifact(self, run: str, path: Path, folder: str | None = None) -> None:
        if self.left == -1:  # a run has been made, and its answer was lost
            self.left = 0
            raise OutageError("no answer")
        super().log_artifact(run, path, folder)


def job(tracker: FolderTracker, folder: Path, patience: float) -> Job:
    parent = tracker.start_run(RunSpec(key="s", kind="sweep", name="s", parent=None, start_ms=1)).id
    spool = folder / "spool" / parent
    return job_at(UploadTarget(parent=parent, spool=spool, patience=patience))


@pytest.mark.parametrize("calls", [-1, 1, 2])
def test_results_wait_and_are_delivered_in_order_once(
    tmp_path: Path, calls: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sweep.trial.upload.RETRY_SECONDS", 0.3)
    tracker = Shaky(tmp_path / "runs", calls)
    events = list(run_cells(CELLS, job(tracker, tmp_path, 30), tracker))
    outcomes = [event for event in events if isinstance(event, Outcome)]
    assert [outcome.cell for outcome in outcomes] == CELLS
    assert not any(outcome.error or outcome.waits for outcome in outcomes)
    assert list(dict.fromkeys(tracker.order)) == [cell.id for cell in CELLS]
    rows = tracker.runs(tracker.runs(None)[0].id)
    assert sorted(row.key for row in rows) == sorted(cell.id for cell in CELLS)
    assert not list((tmp_path / "spool").glob("*/*"))


def test_what_cannot_be_delivered_waits_and_says_so(tmp_path: Path) -> None:
    tracker = Shaky(tmp_path / "runs", 10**6)
    given = job(tracker, tmp_path, 0.0)
    outcomes = [e for e in run_cells(CELLS, given, tracker) if isinstance(e, Outcome)]
    assert [(o.waits, o.error) for o in outcomes] == [(True, "no answer")] * len(CELLS)
    (waiting,) = leftovers(tmp_path / "spool").values()
    assert waiting == CELLS  # all of them, whole, in the order in which they were computed
    tracker.left = 0
    computed: list[str] = []

    def counted(cell: Cell, job: Job) -> Any:
        computed.append(cell.id)
        return (yield from simulate(cell, job.target.spool))

    assert not [e for e in run_cells(CELLS, given, tracker, compute=counted)
                if isinstance(e, Outcome) and e.error]  # fmt: skip
    assert computed == []


def test_a_cell_that_takes_too_long_fails_alone(tmp_path: Path) -> None:
    def slow(cell: Cell, job: Job) -> Any:
        if cell == CELLS[1]:
            while True:
                yield CellProgress(cell=cell.id, what="hangs", share=0.0)
                time.sleep(0.01)  # as a computation that never ends
        return (yield from simulate(cell, job.target.spool))

    tracker = FolderTracker(tmp_path / "runs")
    given = replace(job(tracker, tmp_path, 0.0), limit_seconds=0.5)
    events = list(run_cells(CELLS, given, tracker, compute=slow))
    outcomes = {e.cell.id: e.error for e in events if isinstance(e, Outcome)}
    late = "TimeoutError: the cell did not finish within 0.5 s (cluster.limit_seconds)"
    assert outcomes == {c.id: late if c == CELLS[1] else None for c in CELLS}


@pytest.mark.slow
def test_a_limit_on_ray_too(tmp_path: Path) -> None:
    done = sweep(
        tmp_path, "+experiment=full", "grid.n=[2,100000]", "replicates=5000", "generations=2000",
        "cluster.limit_seconds=10",
    )  # fmt: skip
    assert done.returncode == 1
    assert (
        "FAILED  full n=100000 S0=0.1: TimeoutError: the cell did not finish within 10 s"
        in done.stderr
    )
    assert "1 of 2 cells finished" in done.stdout


@contextlib.contextmanager
def locked(database: Path, seconds: float) -> Iterator[None]:
    """Hold the write lock of a SQLite file for a while."""

    def hold() -> None:
        with contextlib.closing(sqlite3.connect(database, timeout=60)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            begun.set()
            time.sleep(seconds)  # what another program does to it
            connection.rollback()

    begun = threading.Event()
    thread = threading.Thread(target=hold)
    thread.start()
    begun.wait()
    yield
    thread.join()


@pytest.mark.slow
def test_a_locked_store_is_waited_for(tmp_path: Path) -> None:
    """Longer than SQLite itself waits."""
    options = ("+experiment=full", "grid.n=[10,20,30]", "cluster=inline")
    assert sweep(tmp_path, *options).returncode == 0
    process = start(tmp_path, *options, "seed=1", "grid.n=[10,20,30,40,50,60]", "replicates=3000")
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob("mlflow-state/spool/*/*")) and time.monotonic() < deadline:
        time.sleep(0.02)  # another process makes it
    with locked(tmp_path / "mlflow.db", 12):
        pass
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert "6 of 6 cells finished" in out
    points = metric_rows(tmp_path)
    assert len(points) == len({point[:3] for point in points})


@pytest.mark.slow
def test_a_full_disk_costs_nothing_that_was_finished(tmp_path: Path) -> None:
    """A file system of 9 MB: refused cells wait, and are sent once there is room."""
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=9m", "tmpfs", str(small)], capture_output=True
    )
    if mounted.returncode != 0:
        pytest.skip("needs the right to mount a small file system")
    try:
        options = (
            "+experiment=full", f"grid.n=[{','.join(map(str, range(10, 30)))}]", "cluster=inline",
            "replicates=400", "generations=50", f"output={tmp_path / 'outputs'}",
            "tracking.patience_seconds=1",
        )  # fmt: skip
        first = sweep(small, *options)
        assert first.returncode == 1
        assert "No space left" in first.stderr or "full" in first.stderr
        assert "Traceback" not in first.stderr, first.stderr
        subprocess.run(["mount", "-o", "remount,size=200m", str(small)], check=True)
        again = sweep(small, *options)
        assert again.returncode == 0, again.stderr
        whole = tmp_path / "whole"
        whole.mkdir()
        assert sweep(whole, *options[:-2]).returncode == 0
        assert_same(results(small, "full"), results(whole, "full"))
        assert metric_rows(small) == metric_rows(whole)
    finally:
        subprocess.run(["umount", "-l", str(small)], check=True)  # the store is open here


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc").is_dir(), reason="finds workers in /proc")
def test_workers_killed_for_memory_cost_their_cells_alone(tmp_path: Path) -> None:
    """The kernel kills with signal 9; here twice the worker at work, so that its pack is lost."""
    options = ("+experiment=full", f"grid.n=[{','.join(map(str, range(40, 60)))}]",
               "generations=200", "replicates=3000", "cluster.num_cpus=1")  # fmt: skip
    process = start(tmp_path, *options)
    wait_for_cells(tmp_path, 2)
    killed: set[int] = set()
    deadline = time.monotonic() + 60
    while len(killed) < 2 and time.monotonic() < deadline and process.poll() is None:
        for victim in set(workers(process.pid)) - killed:
            os.kill(victim, signal.SIGKILL)
            killed.add(victim)
        time.sleep(0.5)  # until Ray has noticed, and started another
    _, err = process.communicate(timeout=120)
    assert process.returncode in (0, 1), err
    assert "Traceback" not in err
    again = sweep(tmp_path, *options)
    assert again.returncode == 0, again.stderr
    assert re.search(r"20 of 20 cells finished", again.stdout)
    assert len(results(tmp_path, "full")) == 20
    points = metric_rows(tmp_path)
    assert len(points) == len({point[:3] for point in points})


def test_deliver_sends_what_waits_in_a_local_store(tmp_path: Path) -> None:
    """Results of a sweep that was killed between computing and logging."""
    options = ("+experiment=smoke", "cluster=inline")
    assert sweep(tmp_path, *options).returncode == 0
    tracker = MlflowTracker(f"sqlite:///{tmp_path / 'mlflow.db'}", "smoke")
    (parent,) = tracker.runs(None)
    cells, _ = expand(settings("+experiment=smoke", "seed=7"))
    folder = tmp_path / "mlflow-state" / "spool" / parent.id
    for cell in cells:
        given = job_at(UploadTarget(parent=parent.id, spool=folder))
        work = simulate(cell, given.target.spool)
        while True:
            try:
                next(work)
            except StopIteration as end:
                result = spool.Result(curves=end.value, start_ms=5, seconds=0.1)
                spool.write(folder, cell.id, result, cell.params)
                break
    before = len(tracker.runs(parent.id))
    command = [sys.executable, "-m", "sweep.report", "deliver=true"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "4 results delivered" in done.stdout
    assert len(tracker.runs(parent.id)) == before + 4
    again = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert "0 results delivered" in again.stdout
