"""Tracking servers as processes, and what they hold."""

import contextlib
import errno
import multiprocessing
import os
import signal
import socket
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest
import sqlalchemy

from sweep.cells.outcome import Curves
from sweep.results import arrays
from sweep.server import mlflow_server
from sweep.tracking.base import Point, RunSpec
from sweep.tracking.folder_tracker import FolderTracker
from sweep.tracking.mlflow_tracker import MlflowTracker
from tests.helpers.shells import wait_for

POINTS = [Point(f"metric{k}/mean", m, m / 100 + k) for k in range(13) for m in range(1, 51)]
"""Thirteen metrics of fifty generations."""


def write(uri: str, experiment: str, *, writers: int, runs: int) -> float:
    """Seconds that so many processes take for so many runs each, all at once."""
    spec = RunSpec(key=f"s{writers}", kind="sweep", name="s", parent=None, start_ms=1)
    parent = MlflowTracker(uri, experiment).start_run(spec).id
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["sweep.tracking.mlflow_tracker", "mlflow.tracking"])
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


def free_port() -> int:
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        return int(trial.getsockname()[1])


@contextlib.contextmanager
def running() -> Iterator[tuple[mlflow_server.Server, str]]:
    """A new server and its address, with this process logged in as its admin.

    Not below pytest's own folder, which each start of pytest closes to all but its user.
    """
    port = free_port()
    with (
        tempfile.TemporaryDirectory(prefix="lab-") as folder,
        pytest.MonkeyPatch.context() as environment,
    ):
        own = mlflow_server.Server(Path(folder) / "server")
        for name in ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"):
            environment.delenv(name, raising=False)
        try:
            mlflow_server.up(own, host="127.0.0.1", port=port, workers=2)
            user, password = mlflow_server.login(own)
            environment.setenv("MLFLOW_TRACKING_USERNAME", user)
            environment.setenv("MLFLOW_TRACKING_PASSWORD", password)
            yield own, f"http://127.0.0.1:{port}"
        finally:
            mlflow_server.down(own)


Points = Counter[tuple[str, str, int, float]]
"""(cell, metric, step, value) -> how many rows the database has of it."""


@dataclass(frozen=True)
class Running:
    own: mlflow_server.Server
    uri: str
    password: str

    @property
    def port(self) -> int:
        return int(self.uri.rsplit(":", 1)[1])

    def query(self, text: str, database: str = "mlflow") -> list[tuple[object, ...]]:
        """Asked of PostgreSQL itself, past MLflow."""
        engine = sqlalchemy.create_engine(self.own.postgres.address(database))
        with engine.connect() as connection:
            found = [tuple(row) for row in connection.execute(sqlalchemy.text(text))]
        engine.dispose()
        return found

    def points(self, experiment: str) -> Points:
        return Counter(
            (str(cell), str(key), int(str(step)), float(str(value)))
            for cell, key, step, value in self.query(
                "SELECT t.value, m.key, m.step, m.value FROM metrics m JOIN runs r USING (run_uuid)"
                " JOIN experiments e USING (experiment_id)"
                " JOIN tags t ON t.run_uuid = m.run_uuid AND t.key = 'cell'"
                f" WHERE e.name = '{experiment}'"
            )
        )

    def kill(self) -> None:
        """The whole of MLflow, at once."""
        os.killpg(int(self.own.pid.read_text().split()[0]), signal.SIGKILL)
        wait_for(self._refuses, "end of the server", timeout=20)  # dying takes it a moment

    def _refuses(self) -> bool:
        with socket.socket() as caller:
            return caller.connect_ex(("127.0.0.1", self.port)) == errno.ECONNREFUSED

    def start_again(self) -> None:
        mlflow_server.up(self.own, host="127.0.0.1", port=self.port, workers=1)


def curves_of(tracker: FolderTracker | MlflowTracker, folder: Path) -> dict[str, Curves]:
    (parent,) = tracker.runs(None)
    return {
        row.key: arrays.load(tracker.download_artifact(row.id, "curves.npz", folder))
        for row in tracker.runs(parent.id)
    }


def _writer(
    uri: str, experiment: str, parent: str, number: int, runs: int, barrier: Barrier
) -> None:
    tracker = MlflowTracker(uri, experiment)
    tracker.runs(parent)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "curves.npz"
        file.write_bytes(bytes(16_384))
        barrier.wait(timeout=120)
        for k in range(runs):
            key = f"{number}-{k}"
            run = tracker.start_run(
                RunSpec(key=key, kind="cell", name=key, parent=parent, start_ms=1000)
            ).id
            tracker.log(run, POINTS, start_ms=1000, params=PARAMS)
            tracker.log_artifact(run, file)
            tracker.end_run(run, "FINISHED", end_ms=2000)


PARAMS = {f"param{k}": str(k) for k in range(11)}
