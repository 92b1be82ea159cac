"""Sweeps as processes or in this one, and what their stores then hold."""

import contextlib
import io
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest

from sweep import cli
from sweep.results import arrays
from sweep.tracking.mlflow_tracker import MlflowTracker

Seen = TypeVar("Seen")

SMOKE = ("+experiment=smoke",)
LONG = (
    "+experiment=full",
    f"grid.n=[{','.join(str(n) for n in range(40, 80))}]",
    "generations=30",
    "replicates=400",
    "figure=collapse_time",
)
"""Forty cells, some five seconds of work on two cores, and one small figure."""
needs_proc = pytest.mark.skipif(not Path("/proc").is_dir(), reason="reads /proc, which is Linux's")
"""For tests that look into other processes: how far one is, or which are workers."""


def start(folder: Path, *arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "sweep", *arguments],
        cwd=folder,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,  # so that a test can kill it with all it started
    )


def sweep(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    process = start(folder, *arguments)
    out, err = process.communicate(timeout=300)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def run_here(
    main: Callable[[], None], folder: Path, *arguments: str
) -> "subprocess.CompletedProcess[str]":
    """The same command in this process, which has imported all that it needs."""
    out, err = io.StringIO(), io.StringIO()
    with (
        contextlib.chdir(folder),
        pytest.MonkeyPatch.context() as patch,
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        patch.setattr(sys, "argv", ["sweep", *arguments])
        status: object = 0
        try:
            main()
        except SystemExit as end:
            status = end.code or 0
    assert isinstance(status, int), status
    return subprocess.CompletedProcess(arguments, status, out.getvalue(), err.getvalue())


def sweep_here(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """A sweep in this process: for tests of what it leaves behind, not of how it starts or dies."""
    return run_here(cli.main, folder, *arguments)


@contextlib.contextmanager
def reading(folder: Path) -> Iterator[sqlite3.Connection]:
    """The store, opened for reading alone: opened otherwise, it is made where it is not."""
    uri = f"{(folder / 'mlflow.db').as_uri()}?mode=ro"
    with contextlib.closing(sqlite3.connect(uri, uri=True, timeout=10)) as connection:
        yield connection


def dump(folder: Path) -> dict[str, int]:
    """How many rows each table of the store has."""
    with reading(folder) as connection:
        return {
            table: connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
            for table in ("experiments", "runs", "metrics", "params", "tags", "latest_metrics")
        }


def results(folder: Path, experiment: str) -> dict[str, dict[str, np.ndarray]]:
    """Cell id -> stored curves, of the one sweep in a store; checks that all is in order."""
    tracker = MlflowTracker(f"sqlite:///{folder / 'mlflow.db'}", experiment)
    (parent,) = tracker.runs(None)
    assert parent.status == "FINISHED"
    rows = tracker.runs(parent.id)
    assert len({row.key for row in rows}) == len(rows), "a cell was logged twice"
    assert {row.status for row in rows} == {"FINISHED"}
    with tempfile.TemporaryDirectory() as scratch:
        return {
            row.key: arrays.load(tracker.download_artifact(row.id, "curves.npz", Path(scratch)))
            for row in rows
        }


def metric_rows(folder: Path) -> list[tuple[str, str, int, float]]:
    """Every stored point as (cell, key, step, value), sorted; doubled points appear twice."""
    query = (
        "SELECT t.value, m.key, m.step, m.value FROM metrics m "
        "JOIN tags t ON t.run_uuid = m.run_uuid AND t.key = 'cell'"
    )
    with reading(folder) as connection:
        return sorted(connection.execute(query).fetchall())


def assert_same(a: dict[str, dict[str, np.ndarray]], b: dict[str, dict[str, np.ndarray]]) -> None:
    assert a.keys() == b.keys()
    for key in a:
        assert a[key].keys() == b[key].keys()
        for name in a[key]:
            assert np.array_equal(a[key][name], b[key][name]), (key, name)


def wait_for_cells(folder: Path, least: int, timeout: float = 90) -> None:
    """Until the store has that many finished cells."""
    wait_for(lambda: finished(folder) >= least, f"{least} finished cells", timeout)


def finished(folder: Path) -> int:
    """How many runs of the store are finished; none before there is a store."""
    if not (folder / "mlflow.db").exists():
        return 0
    with reading(folder) as connection:
        query = "SELECT count(*) FROM runs WHERE status = 'FINISHED'"
        return int(connection.execute(query).fetchone()[0])


def wait_for(what: Callable[[], Seen], name: str, timeout: float = 90) -> Seen:
    """Wait until something holds that another process brings about: what was then seen."""
    deadline = time.monotonic() + timeout
    while not (seen := what()):
        assert time.monotonic() < deadline, f"no {name} in {timeout:g} s"
        time.sleep(0.02)  # it cannot wake this one
    return seen


def workers(driver: int) -> list[int]:
    """Process ids of the trials of one driver: Ray renames its workers after what they run."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if path.read_bytes().startswith(b"ray::") and b"Trainable" in path.read_bytes():
                pid = int(path.parent.name)
                if os.getsid(pid) == driver or _descends(pid, driver):
                    found.append(pid)
        except OSError:
            continue
    return found


def _descends(pid: int, ancestor: int) -> bool:
    while pid > 1:
        if pid == ancestor:
            return True
        stat = Path(f"/proc/{pid}/stat").read_text()
        pid = int(stat.rsplit(")", 1)[1].split()[1])
    return False
