"""Kills, interrupts and races, for real: nothing finished is lost, nothing is logged twice."""

import fcntl
import os
import re
import signal
import subprocess
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path

import psutil
import pytest
from sqlalchemy import Engine, event

from sweep.results import arrays
from sweep.tracking.mlflow_tracker import MlflowTracker
from tests.helpers.shells import (
    LONG,
    SMOKE,
    assert_same,
    finished,
    metric_rows,
    needs_proc,
    results,
    start,
    sweep,
    sweep_here,
    wait_for,
    wait_for_cells,
    workers,
)


@pytest.fixture(scope="module")
def uninterrupted(make_store_folder: Callable[[str], Path]) -> Path:
    folder = make_store_folder("long")
    assert sweep_here(folder, *LONG, "cluster=inline").returncode == 0
    return folder


def test_ctrl_c_keeps_what_is_finished_and_the_command_goes_on(
    store_folder: Path, uninterrupted: Path
) -> None:
    process = start(store_folder, *LONG)
    wait_for_cells(store_folder, 3)
    os.killpg(process.pid, signal.SIGINT)  # what a terminal does
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert re.search(r"interrupted; \d+ of 40 cells are finished and kept", err), err
    again = sweep(store_folder, *LONG)
    assert again.returncode == 0, again.stderr
    assert re.search(r"40 of 40 cells finished, [1-9]\d* of them earlier", again.stdout)
    assert_same(results(store_folder, "full"), results(uninterrupted, "full"))
    assert metric_rows(store_folder) == metric_rows(uninterrupted)


@needs_proc
def test_a_killed_worker_and_a_killed_driver_cost_nothing(
    store_folder: Path, uninterrupted: Path
) -> None:
    process = start(store_folder, *LONG)
    wait_for_cells(store_folder, 2)
    victim, *_ = workers(process.pid)
    os.kill(victim, signal.SIGKILL)
    wait_for(lambda: victim not in workers(process.pid), "end of the worker")
    wait_for_cells(store_folder, 12)
    process.kill()
    _, err = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL, err  # it had not ended by itself
    assert finished(store_folder) < 40
    again = sweep(store_folder, *LONG)
    assert again.returncode == 0, again.stderr
    assert re.search(r"40 of 40 cells finished, [1-9]\d* of them earlier", again.stdout)
    assert_same(results(store_folder, "full"), results(uninterrupted, "full"))
    assert metric_rows(store_folder) == metric_rows(uninterrupted)


def holds(file: Path, least: int) -> bool:
    return file.exists() and file.stat().st_size >= least


def test_a_start_killed_while_it_makes_the_store_leaves_no_half_store(tmp_path: Path) -> None:
    """At its first table, half-way, and near its end: a whole one has 950,000 bytes."""
    for least in (1, 300_000, 700_000):
        process = start(tmp_path, *SMOKE, "cluster=inline")
        half = tmp_path / f".mlflow.db.new-{process.pid}"
        wait_for(partial(holds, half, least), "half a store")
        process.kill()
        process.communicate(timeout=60)
        assert process.returncode == -signal.SIGKILL
        assert half.exists()
        assert not (tmp_path / "mlflow.db").exists()
    done = sweep(tmp_path, *SMOKE, "cluster=inline")
    assert done.returncode == 0, done.stderr
    assert not list(tmp_path.glob(".mlflow.db.new-*"))
    assert len(results(tmp_path, "smoke")) == 4


def test_two_sweeps_started_at_once_on_a_new_store(tmp_path: Path) -> None:
    """Both find no store, and share cells, too: each has its own runs, whole."""
    state = tmp_path / "mlflow-state"
    state.mkdir()
    with open(state / "opening.lock", "a") as gate:
        fcntl.flock(gate, fcntl.LOCK_EX)
        both = [
            start(
                tmp_path, *SMOKE, "cluster=inline", "replicates=300", f"grid.n=[{n}]",
                f"output=o{k}", "figure=collapse_time",
            )
            for k, n in enumerate(("10,11,12", "12,11,10,9"))
        ]  # fmt: skip
        wait_for(lambda: len([*state.glob("locks/*")]) == 2, "two sweeps about to open the store")
        assert not (tmp_path / "mlflow.db").exists()
    for process in both:
        _, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
    tracker = MlflowTracker(f"sqlite:///{tmp_path / 'mlflow.db'}", "smoke")
    sweeps = [[row.key for row in tracker.runs(parent.id)] for parent in tracker.runs(None)]
    assert sorted(map(len, sweeps)) == [12, 16]
    runs = Counter(cell for cells in sweeps for cell in cells)
    assert sorted(runs.values()) == [1] * 4 + [2] * 12
    points = Counter(metric_rows(tmp_path))
    assert {cell for cell, *_ in points} == set(runs)
    for point, count in points.items():
        assert count == runs[point[0]], point


def test_the_same_sweep_twice_at_once_is_refused(store_folder: Path) -> None:
    process = start(store_folder, *LONG, "cluster=inline")
    wait_for_cells(store_folder, 1)
    second = sweep(store_folder, *LONG, "cluster=inline")
    assert second.returncode == 2
    assert "is already running on this store" in second.stderr
    process.send_signal(signal.SIGTERM)  # what a batch system sends
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "cells are finished and kept" in err
    (parent,) = MlflowTracker(f"sqlite:///{store_folder / 'mlflow.db'}", "full").runs(None)
    assert parent.status == "KILLED"


def test_an_interrupt_in_the_middle_of_a_write_leaves_no_lock(store_folder: Path) -> None:
    """SQLAlchemy gives such a connection up, and SQLite's lock lives as long as its cursor."""
    writes: list[str] = []

    def interrupt(connection: object, cursor: object, statement: str, *_: object) -> None:
        if statement.startswith("INSERT INTO metrics") and not writes:
            writes.append(statement)
            raise KeyboardInterrupt

    event.listen(Engine, "after_cursor_execute", interrupt)
    try:
        done = sweep_here(store_folder, *SMOKE, "cluster=inline")
    finally:
        event.remove(Engine, "after_cursor_execute", interrupt)
    assert writes
    assert done.returncode == 130
    assert "interrupted; 0 of 4 cells are finished and kept" in done.stderr
    tracker = MlflowTracker(f"sqlite:///{store_folder / 'mlflow.db'}", "smoke")
    (parent,) = tracker.runs(None)
    assert parent.status == "KILLED"
    assert {run.status for run in tracker.runs(parent.id)} == {"KILLED"}


def started(process: "subprocess.Popen[str]", folder: Path) -> bool:
    """Whether the interpreter answers an interrupt, with its own handler or with ours."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    (caught,) = re.findall(r"^SigCgt:\s*(\w+)$", status, flags=re.M)
    return bool(int(caught, 16) >> (signal.SIGINT - 1) & 1)


def loaded(process: "subprocess.Popen[str]", folder: Path) -> bool:
    """Whether the process is in the middle of its imports."""
    return "_multiarray_umath" in Path(f"/proc/{process.pid}/maps").read_text()


def opening(process: "subprocess.Popen[str]", folder: Path) -> bool:
    """Whether it opens its store, in one thread, and starts Ray, in another."""
    return bool(list(folder.glob("mlflow-state/locks/*")))


def ray_is_up(process: "subprocess.Popen[str]", folder: Path) -> bool:
    children = psutil.Process(process.pid).children(recursive=True)
    return any(child.name() == "raylet" for child in children)


@pytest.mark.parametrize(
    "moment",
    [
        pytest.param(started, marks=needs_proc),
        pytest.param(loaded, marks=needs_proc),
        opening,
        ray_is_up,
    ],
)
def test_an_early_interrupt_ends_at_once(
    tmp_path: Path, moment: Callable[["subprocess.Popen[str]", Path], bool]
) -> None:
    process = start(tmp_path, *LONG)
    wait_for(partial(moment, process, tmp_path), moment.__name__)
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=30)
    # The latter before our first line ran.
    assert process.returncode in (130, *([-signal.SIGINT] if moment is started else [])), err
    assert finished(tmp_path) == 0


def test_cells_of_another_sweep_are_not_computed_again(store_folder: Path) -> None:
    """A grid with one value more: the old cells come from the store, with the same numbers.

    What is stored of one is halved before, which no computation would give.
    """
    few = ("+experiment=full", "grid.n=[10,20]", "cluster=inline")
    assert sweep_here(store_folder, *few).returncode == 0
    tracker = MlflowTracker(f"sqlite:///{store_folder / 'mlflow.db'}", "full")
    (old,) = tracker.runs(None)
    same, halved = tracker.runs(old.id)
    path = tracker.download_artifact(halved.id, "curves.npz", store_folder)
    curves = arrays.load(path)
    arrays.save(path, {**curves, "sigma": curves["sigma"] / 2}, safe=False)
    tracker.log_artifact(halved.id, path)
    assert sweep_here(store_folder, *few, "grid.n=[10,20,30]").returncode == 0
    new, _ = tracker.runs(None)
    rows = {row.key: row for row in tracker.runs(new.id)}
    assert len(rows) == 3
    assert rows[same.key].metrics == same.metrics
    assert rows[halved.key].metrics["sigma/mean"] == halved.metrics["sigma/mean"] / 2
    kept = {key for key in halved.metrics if not key.startswith("sigma/")}
    assert len(kept) > 10
    assert all(rows[halved.key].metrics[key] == halved.metrics[key] for key in kept)
