"""Stores and machines that fail for a while: what waits, what is delivered, what is said."""

import contextlib
import fcntl
import os
import re
import signal
import sqlite3
import subprocess
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
from sweep.report import __main__ as report
from sweep.tracking.base import OutageError, RunSpec, StartedRun
from sweep.tracking.folder_tracker import FolderTracker
from sweep.tracking.mlflow_tracker import MlflowTracker
from sweep.trial import spool
from sweep.trial.upload import UploadTarget, leftovers
from sweep.trial.worker import Job, Outcome, run_cells
from tests.helpers import stores
from tests.helpers.configs import settings
from tests.helpers.jobs import finish, job_at
from tests.helpers.shells import (
    assert_same,
    metric_rows,
    needs_proc,
    results,
    run_here,
    start,
    sweep,
    sweep_here,
    wait_for,
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
def test_a_limit_on_ray_too(store_folder: Path) -> None:
    """The first cell takes a 15th of the limit, the second 30 times as long as the limit."""
    done = sweep(
        store_folder, "+experiment=full", "grid.n=[2,10000000]", "replicates=100",
        "generations=3000", "source.s=50000", "source.support=50000", "grid.S0=0.01",
        "cluster.limit_seconds=10",
    )  # fmt: skip
    assert done.returncode == 1
    assert (
        "FAILED  full n=10000000 S0=0.01: TimeoutError: the cell did not finish within 10 s"
        in done.stderr
    )
    assert "1 of 2 cells finished" in done.stdout


@contextlib.contextmanager
def locked(database: Path) -> Iterator[None]:
    """Hold the write lock of a SQLite file, as another program may."""
    with contextlib.closing(sqlite3.connect(database, timeout=60)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.rollback()


@pytest.mark.slow
def test_a_locked_store_is_waited_for(store_folder: Path) -> None:
    """Longer than SQLite itself waits: until a second result waits, since the first was refused."""
    spool = "mlflow-state/spool/*/*"
    process = start(
        store_folder, "+experiment=full", "grid.n=[10,20,30,40,50,60]", "replicates=3000",
        "cluster=inline",
    )  # fmt: skip
    wait_for(lambda: [*store_folder.glob(spool)], "first cell at work")
    with locked(store_folder / "mlflow.db"):
        wait_for(lambda: len([*store_folder.glob(f"{spool}/result.json")]) >= 2, "waiting results")
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert "6 of 6 cells finished" in out
    points = metric_rows(store_folder)
    assert len(points) == len({point[:3] for point in points})


@pytest.mark.slow
def test_a_full_disk_costs_nothing_that_was_finished(tmp_path: Path, store_template: Path) -> None:
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
        assert re.search("No space left on device|database or disk is full", first.stderr)
        assert "Traceback" not in first.stderr, first.stderr
        subprocess.run(["mount", "-o", "remount,size=200m", str(small)], check=True)
        again = sweep(small, *options)
        assert again.returncode == 0, again.stderr
        whole = stores.put(store_template, tmp_path / "whole")
        assert sweep_here(whole, *options[:-2]).returncode == 0
        assert_same(results(small, "full"), results(whole, "full"))
        assert metric_rows(small) == metric_rows(whole)
    finally:
        subprocess.run(["umount", "-l", str(small)], check=True)  # the store is open here


def packs_at_work(folder: Path) -> set[str]:
    """The packs that a worker holds the lock of."""
    found = set()
    for path in folder.glob("mlflow-state/tune/*/begun/*.lock"):
        with open(path) as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                found.add(path.stem)
    return found


@pytest.mark.slow
@needs_proc
def test_workers_killed_for_memory_cost_their_cells_alone(store_folder: Path) -> None:
    """The kernel kills with signal 9; here twice the worker of one pack, which is then given up."""
    options = ("+experiment=full", f"grid.n=[{','.join(map(str, range(40, 60)))}]",
               "generations=200", "replicates=3000", "cluster.num_cpus=1",
               "figure=collapse_time")  # fmt: skip
    process = start(store_folder, *options)
    wait_for_cells(store_folder, 2)
    (pack,) = wait_for(lambda: packs_at_work(store_folder), "pack at work")
    for _ in range(2):
        wait_for(lambda: pack in packs_at_work(store_folder), f"worker at pack {pack}")
        (victim,) = wait_for(lambda: workers(process.pid), "worker by its name")
        os.kill(victim, signal.SIGKILL)
        wait_for(lambda: pack not in packs_at_work(store_folder), "end of the worker")
    out, err = process.communicate(timeout=120)
    assert process.returncode == 1, err
    assert "Traceback" not in err
    lost = re.findall(r"^FAILED +full n=\d+ S0=0.1: the worker was lost", err, flags=re.M)
    assert 1 <= len(lost) <= 6, err
    assert f"{20 - len(lost)} of 20 cells finished" in out
    again = sweep(store_folder, *options)
    assert again.returncode == 0, again.stderr
    assert f"20 of 20 cells finished, {20 - len(lost)} of them earlier" in again.stdout
    assert len(results(store_folder, "full")) == 20
    points = metric_rows(store_folder)
    assert len(points) == len({point[:3] for point in points})


def test_deliver_sends_what_waits_in_a_local_store(store_folder: Path) -> None:
    """Results of a sweep that was killed between computing and logging."""
    options = ("+experiment=smoke", "cluster=inline", "figure=schedules")
    assert sweep_here(store_folder, *options).returncode == 0
    tracker = MlflowTracker(f"sqlite:///{store_folder / 'mlflow.db'}", "smoke")
    (parent,) = tracker.runs(None)
    cells, _ = expand(settings("+experiment=smoke", "seed=7"))
    folder = store_folder / "mlflow-state" / "spool" / parent.id
    for cell in cells:
        result = spool.Result(curves=finish(simulate(cell, folder)), start_ms=5, seconds=0.1)
        spool.write(folder, cell.id, result, cell.params)
    before = len(tracker.runs(parent.id))
    done = run_here(report.main, store_folder, "deliver=true")
    assert done.returncode == 0, done.stderr
    assert "4 results delivered" in done.stdout
    assert len(tracker.runs(parent.id)) == before + 4
    again = run_here(report.main, store_folder, "deliver=true")
    assert "0 results delivered" in again.stdout
