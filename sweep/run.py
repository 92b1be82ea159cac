"""The story of one sweep: open the store, run what is not finished, report."""

import contextlib
import fcntl
import hashlib
import os
import signal
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from sweep.config import ConfigError, Settings
from sweep.grid import Cell, sweep_id
from sweep.progress import Progress
from sweep.tracking import Identity, Row, Store, StoreError, Tracker, connect
from sweep.trial import Job, log_failure, run_cells


@dataclass(frozen=True, kw_only=True)
class Finished:
    """A sweep whose cells have all ended; its own run is still open."""

    tracker: Tracker
    parent: Row
    """The run of the sweep."""
    rows: list[Row]
    """The runs of its cells."""
    new: int
    """How many cells were run now; the others had been finished before."""


class Interrupted(Exception):  # noqa: N818 - like KeyboardInterrupt, not an error
    """Ctrl-C; what is finished is kept."""


def check(settings: Settings) -> None:
    """Refuse what this machine cannot give; a trial would wait for ever. Raises ConfigError."""
    cluster = settings.cluster
    usable = cluster.num_cpus or os.cpu_count() or 1
    if cluster.kind == "local" and cluster.cpus_per_trial > usable:
        raise ConfigError(
            f"cluster.cpus_per_trial: got {cluster.cpus_per_trial}; "
            f"allowed: 1 to {usable}, the cores that Ray may use here"
        )
    if not settings.dry_run:
        try:
            Path(settings.output).mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=settings.output):
                pass
        except OSError as error:
            raise ConfigError(
                f"output: got {settings.output!r}; allowed: a folder that can be written ({error})"
            ) from None


@contextlib.contextmanager
def store(settings: Settings) -> Iterator[Store]:
    """The address of the store, probed; a memory store goes when the context ends.

    Raises ConfigError if it cannot be opened.
    """
    if settings.tracking.kind == "memory":
        with tempfile.TemporaryDirectory(prefix="sweep-") as folder:
            yield Store(
                kind="memory",
                uri=str(Path(folder) / "runs"),
                experiment=settings.tracking.experiment,
                state=Path(folder) / "state",
            )
        return
    from sweep import tracking_mlflow

    assert settings.tracking.uri is not None
    try:
        uri = tracking_mlflow.absolute(settings.tracking.uri)
        tracking_mlflow.probe(uri)
    except StoreError as error:
        raise ConfigError(str(error)) from None
    if uri.startswith("sqlite"):
        file = tracking_mlflow.sqlite_file(uri)
        state = file.parent / f"{file.stem}-state"
    else:
        # Named after the store, so that no other store's sweep finds it.
        state = Path(f"sweep-state-{hashlib.sha256(uri.encode()).hexdigest()[:12]}").absolute()
    yield Store(kind="mlflow", uri=uri, experiment=settings.tracking.experiment, state=state)


@contextlib.contextmanager
def execute(
    settings: Settings, cells: Sequence[Cell], address: Store, *, command: str
) -> Iterator[Finished]:
    """Run every cell that is not finished in the store; the sweep is locked in the context.

    Raises Interrupted on Ctrl-C and ConfigError if the sweep is running already
    or the store refuses it.
    """
    identifier = sweep_id(settings.name, list(cells))
    with contextlib.ExitStack() as stack:
        known_here = stack.enter_context(_lock(address, identifier))
        ray = stack.enter_context(_Ray(settings))
        opening = stack.enter_context(ThreadPoolExecutor(1)).submit(connect, address)
        if not known_here:
            ray.start()  # while the store opens; a sweep that ran before may be finished
        try:
            tracker = opening.result()
        except StoreError as error:
            raise ConfigError(str(error)) from None
        identity = _identity(settings, identifier, cells, command)
        parent = tracker.begin(identity, anew=settings.force)
        before = {row.key: row for row in tracker.read(parent)}
        todo = [c for c in cells if c.id not in before or before[c.id].status != "FINISHED"]
        done = {c.id for c in cells} - {c.id for c in todo}
        rows = before
        if todo:
            tracker.end(parent, "RUNNING", end_ms=0, tags=identity.tags)
            spool = address.state / "spool"
            job = Job(
                parent=parent,
                spool=spool / parent if settings.force else spool,
                known={key: row.run for key, row in before.items()},
            )
            try:
                with Progress(len(cells)) as progress:
                    progress(done)
                    ray.run(todo, job, address, tracker, progress)
            except KeyboardInterrupt:
                signal.signal(signal.SIGINT, lambda *_: os._exit(130))  # a second leaves at once
                ray.stop_behind()
                tracker.end(parent, "KILLED", end_ms=_now_ms())
                kept = sum(row.status == "FINISHED" for row in tracker.read(parent))
                raise Interrupted(f"{kept} of {len(cells)} cells are finished and kept") from None
            ray.stop_behind()
            rows = {row.key: row for row in tracker.read(parent)}
            lost = [c for c in todo if c.id not in rows or rows[c.id].status == "RUNNING"]
            for cell in lost:
                log_failure(cell, job, tracker, "its worker died: killed, or out of memory")
            if lost:
                rows = {row.key: row for row in tracker.read(parent)}
        (own,) = (row for row in tracker.read(None, identifier) if row.run == parent)
        yield Finished(tracker=tracker, parent=own, rows=list(rows.values()), new=len(todo))


class _Ray:
    """Ray, if the settings ask for it: brought up when needed, down while other things are done.

    It has to come up in a thread that stays: Ray's processes die with the
    thread that started them.
    """

    def __init__(self, settings: Settings) -> None:
        self._cluster = settings.cluster
        self._up = False
        self._stopping: threading.Thread | None = None

    def __enter__(self) -> "_Ray":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop_behind()
        if self._stopping is not None:
            self._stopping.join()

    def start(self) -> None:
        if self._cluster.kind != "inline" and not self._up:
            from sweep import launch

            self._up = True
            launch.start(self._cluster)

    def run(
        self, cells: Sequence[Cell], job: Job, address: Store, tracker: Tracker, report: Progress
    ) -> None:
        """Run the cells, on Ray or in this process."""
        if self._cluster.kind == "inline":
            for outcome in run_cells(cells, job, tracker):
                report([outcome.cell.id], [] if outcome.error is None else [outcome.cell.id])
            return
        self.start()
        from sweep import launch

        launch.run(cells, job, address, self._cluster, report)

    def stop_behind(self) -> None:
        """Begin to bring Ray down, in the background."""
        if self._up and self._stopping is None:
            from sweep import launch

            self._stopping = threading.Thread(target=launch.stop, daemon=True)
            self._stopping.start()


@contextlib.contextmanager
def _lock(address: Store, sweep: str) -> Iterator[bool]:
    """Keep a second start of the same sweep on the same store out; gives whether it ran before."""
    folder = address.state / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / sweep
    known_here = path.exists()
    with open(path, "a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ConfigError(
                f"tracking.uri: this very sweep ({sweep}) is running on this store already; "
                "wait for it, or stop it and run the command again"
            ) from None
        yield known_here


def _identity(settings: Settings, identifier: str, cells: Sequence[Cell], command: str) -> Identity:
    grid = settings.grid
    axes = {
        "schedule": grid.schedule, "n": grid.n, "N": grid.N, "K": grid.K, "S0": grid.S0,
        "zip": grid.zip, "alpha": grid.alpha, "total": grid.total,
    }  # fmt: skip
    return Identity(
        key=identifier,
        kind="sweep",
        name=f"{settings.name} {identifier[:6]}",
        parent=None,
        start_ms=_now_ms(),
        params={
            **{key: ", ".join(f"{v}" for v in values) for key, values in axes.items() if values},
            "cells": str(len(cells)),
        },
        tags={
            "mlflow.note.content": settings.purpose,
            "experiment": settings.name,
            "figure": settings.figure,
            "command": command,
        },
    )


def _now_ms() -> int:
    return time.time_ns() // 10**6
