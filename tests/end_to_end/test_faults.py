"""Kills, interrupts and races, for real: nothing finished is lost, nothing is logged twice."""

import os
import re
import signal
import time
from pathlib import Path

import pytest

from sweep.tracking.mlflow_tracker import MlflowTracker
from tests.helpers.shells import (
    LONG,
    SMOKE,
    assert_same,
    metric_rows,
    results,
    start,
    sweep,
    wait_for_cells,
    workers,
)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("long")
    assert sweep(folder, *LONG, "cluster=inline").returncode == 0
    return folder


def test_ctrl_c_keeps_what_is_finished_and_the_command_goes_on(
    tmp_path: Path, uninterrupted: Path
) -> None:
    process = start(tmp_path, *LONG)
    wait_for_cells(tmp_path, 3)
    os.killpg(process.pid, signal.SIGINT)  # what a terminal does
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert re.search(r"interrupted; \d+ of 40 cells are finished and kept", err), err
    again = sweep(tmp_path, *LONG)
    assert again.returncode == 0, again.stderr
    assert re.search(r"40 of 40 cells finished, [1-9]\d* of them before", again.stdout)
    assert_same(results(tmp_path, "full"), results(uninterrupted, "full"))
    assert metric_rows(tmp_path) == metric_rows(uninterrupted)


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="finds workers in /proc")
def test_a_killed_worker_and_a_killed_driver_cost_nothing(
    tmp_path: Path, uninterrupted: Path
) -> None:
    process = start(tmp_path, *LONG)
    wait_for_cells(tmp_path, 2)
    victims = workers(process.pid)
    assert victims
    os.kill(victims[0], signal.SIGKILL)
    wait_for_cells(tmp_path, 12)
    process.kill()
    process.communicate(timeout=60)
    again = sweep(tmp_path, *LONG)
    assert again.returncode == 0, again.stderr
    assert_same(results(tmp_path, "full"), results(uninterrupted, "full"))
    assert metric_rows(tmp_path) == metric_rows(uninterrupted)


def test_a_start_killed_while_it_makes_the_store_leaves_no_half_store(tmp_path: Path) -> None:
    for delay in (1.6, 2.2, 2.8, 3.4):
        process = start(tmp_path, *SMOKE, "cluster=inline")
        time.sleep(delay)
        process.kill()
        process.communicate(timeout=60)
    assert sweep(tmp_path, *SMOKE, "cluster=inline").returncode == 0
    assert len(results(tmp_path, "smoke")) == 4


def test_two_sweeps_started_at_once_on_a_new_store(tmp_path: Path) -> None:
    """They share cells, too: each has its own runs, whole."""
    both = [
        start(tmp_path, *SMOKE, "cluster=inline", "replicates=300", f"grid.n=[{n}]", f"output=o{k}")
        for k, n in enumerate(("10,11,12", "12,11,10,9"))
    ]
    for process in both:
        _, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
    tracker = MlflowTracker(f"sqlite:///{tmp_path / 'mlflow.db'}", "smoke")
    sizes = sorted(len(tracker.runs(parent.id)) for parent in tracker.runs(None))
    assert sizes == [12, 16]
    points = metric_rows(tmp_path)
    shared = {cell for cell, *_ in points}
    assert len(shared) == 16
    for cell in shared:
        own = [point for point in points if point[0] == cell]
        runs = 2 if len(own) > len(set(own)) else 1
        assert all(own.count(point) == runs for point in set(own))


def test_the_same_sweep_twice_at_once_is_refused(tmp_path: Path) -> None:
    process = start(tmp_path, *LONG, "cluster=inline")
    wait_for_cells(tmp_path, 1)
    second = sweep(tmp_path, *LONG, "cluster=inline")
    assert second.returncode == 2
    assert "is already running on this store" in second.stderr
    process.send_signal(signal.SIGTERM)  # what a batch system sends
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "cells are finished and kept" in err
    (parent,) = MlflowTracker(f"sqlite:///{tmp_path / 'mlflow.db'}", "full").runs(None)
    assert parent.status == "KILLED"


def test_an_early_interrupt_ends_at_once(tmp_path: Path) -> None:
    for delay in (0.5, 0.9, 1.5, 2.5):
        process = start(tmp_path, *LONG)
        time.sleep(delay)
        os.killpg(process.pid, signal.SIGINT)
        process.communicate(timeout=30)
        assert process.returncode in (130, -signal.SIGINT)  # the latter before our first line ran


def test_cells_of_another_sweep_are_not_computed_again(tmp_path: Path) -> None:
    """A grid with one value more: the old cells come from the store, with the same numbers."""
    few = ("+experiment=full", "grid.n=[10,20]", "cluster=inline")
    assert sweep(tmp_path, *few).returncode == 0
    before = {point[0]: 0 for point in metric_rows(tmp_path)}
    assert (
        sweep(tmp_path, "+experiment=full", "grid.n=[10,20,30]", "cluster=inline").returncode == 0
    )
    tracker = MlflowTracker(f"sqlite:///{tmp_path / 'mlflow.db'}", "full")
    new, old = tracker.runs(None)
    rows = {row.key: row for row in tracker.runs(new.id)}
    assert len(rows) == 3
    for row in tracker.runs(old.id):
        assert rows[row.key].metrics == row.metrics
    assert set(before) < set(rows)
