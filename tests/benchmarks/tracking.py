"""Points per second into each kind of store, through this project's own tracker.

    python -m tests.benchmarks tracking

A run is what a cell sends: begin, points and params, an artifact, end. Processes
are connected before the clock starts. The server is the one of `make tracking-up`:
PostgreSQL, two workers of MLflow, passwords, all on this machine.
"""

import contextlib
import multiprocessing
import os
import socket
import tempfile
import time
from collections.abc import Iterator
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest

from sweep import server
from sweep.summary import Point
from sweep.tracking import Identity
from sweep.tracking_mlflow import MlflowTracker
from tests.benchmarks import Table

POINTS = [Point(f"metric{k}/mean", m, m / 100 + k) for k in range(13) for m in range(1, 51)]
"""Thirteen metrics of fifty generations."""
PARAMS = {f"param{k}": str(k) for k in range(11)}
LEAST_RUNS = 24


def write(uri: str, experiment: str, *, writers: int, runs: int) -> float:
    """Seconds that so many processes take for so many runs each, all at once."""
    parent = MlflowTracker(uri, experiment).begin(
        Identity(key=f"s{writers}", kind="sweep", name="s", parent=None, start_ms=1)
    )
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["sweep.tracking_mlflow", "mlflow.tracking"])
    barrier = context.Barrier(writers + 1)
    processes = [
        context.Process(target=_writer, args=(uri, experiment, parent, number, runs, barrier))
        for number in range(writers)
    ]
    for process in processes:
        process.start()
    barrier.wait(timeout=120)
    start = time.perf_counter()
    for process in processes:
        process.join()
    seconds = time.perf_counter() - start
    if any(process.exitcode for process in processes):
        raise RuntimeError(f"{uri}: a writer failed; its traceback is above")
    return seconds


def _writer(
    uri: str, experiment: str, parent: str, number: int, runs: int, barrier: Barrier
) -> None:
    tracker = MlflowTracker(uri, experiment)
    tracker.read(parent)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "curves.npz"
        file.write_bytes(bytes(16_384))
        barrier.wait(timeout=120)
        for k in range(runs):
            key = f"{number}-{k}"
            run = tracker.begin(
                Identity(key=key, kind="cell", name=key, parent=parent, start_ms=1000)
            )
            tracker.log(run, POINTS, start_ms=1000, params=PARAMS)
            tracker.attach(run, file)
            tracker.end(run, "FINISHED", end_ms=2000)


def free_port() -> int:
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        return int(trial.getsockname()[1])


@contextlib.contextmanager
def running() -> Iterator[tuple[server.Server, str]]:
    """A new server and its address, with this process logged in as its admin.

    Not below pytest's own folder, which each start of pytest closes to all but its user.
    """
    port = free_port()
    with (
        tempfile.TemporaryDirectory(prefix="lab-") as folder,
        pytest.MonkeyPatch.context() as environment,
    ):
        own = server.Server(Path(folder) / "server")
        for name in ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"):
            environment.delenv(name, raising=False)
        try:
            server.up(own, host="127.0.0.1", port=port, workers=2)
            user, password = server.login(own)
            environment.setenv("MLFLOW_TRACKING_USERNAME", user)
            environment.setenv("MLFLOW_TRACKING_PASSWORD", password)
            yield own, f"http://127.0.0.1:{port}"
        finally:
            server.down(own)


def main() -> list[Table]:
    """Every store with one, two and eight processes that write."""
    rows = []
    with (
        tempfile.TemporaryDirectory() as name,
        running() as (own, address),
        contextlib.chdir(name),  # where artifacts go that are not a server's
    ):
        own.postgres.start(("direct",))
        for store, uri in (
            ("SQLite", f"sqlite:///{name}/mlflow.db"),
            ("PostgreSQL", own.postgres.address("direct")),
            ("HTTP + PostgreSQL", address),
        ):
            for writers in (1, 2, 8):
                runs = max(LEAST_RUNS // writers, 6)
                seconds = write(uri, "benchmark", writers=writers, runs=runs)
                each = writers * runs / seconds
                points = f"{each * len(POINTS):,.0f}"
                rows.append([store, str(writers), f"{seconds:.2f}", f"{each:.1f}", points])
    return [
        Table(
            title=f"Runs of {len(POINTS)} points into a store, {os.cpu_count()} cores",
            header=["store", "writers", "seconds", "runs/s", "points/s"],
            rows=rows,
        )
    ]
