"""The story of one sweep: open the store, run what is not finished, report."""

import contextlib
import fcntl
import os
import signal
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

from sweep import groups, spool, texts, workers
from sweep.advance import Advance
from sweep.checks import ConfigError
from sweep.config import Settings
from sweep.delivery import Address, log_failure
from sweep.grid import Cell, sweep_id
from sweep.progress import Progress
from sweep.summary import FEW_STEPS, MANY_CELLS, MOST_STEPS
from sweep.tracking import (
    Identity,
    OutageError,
    Row,
    Store,
    StoreError,
    Tracker,
    connect,
    preload,
)
from sweep.trial import Job, run_cells

EARLIER_SECONDS = 120.0
"""How long to wait for the workers of a driver that was killed; without it they end in a minute."""
STOP_SECONDS = 5.0
"""How long to wait for workers on an interrupt."""
LONGEST = 4000
"""Characters of a tag or param of the sweep's run; MLflow cuts at 6,000 to 8,000, unsaid."""


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


class InterruptedSweepError(Exception):
    """Ctrl-C; what is finished is kept."""


def check(settings: Settings) -> None:
    """Refuse what this machine cannot give; a trial would wait for ever. Raises ConfigError."""
    cluster = settings.cluster
    if settings.gpt is not None and settings.gpt.device == "cuda" and cluster.kind != "ray":
        from models.device import choose

        try:
            choose("auto", "cuda")
        except ValueError as error:
            raise ConfigError(f"model.{error}") from None
    together = cluster.workers_per_trial
    if cluster.kind == "inline" and together > 1 and settings.gpt and settings.gpt.device != "cpu":
        from models.device import gpus

        if 0 < gpus() < together:
            raise ConfigError(
                f"cluster.workers_per_trial: got {together}; allowed: up to {gpus()}, the GPUs of "
                "this machine, or any number on its cores with model.device=cpu"
            )
    usable = cluster.num_cpus or os.cpu_count() or 1
    if cluster.kind == "local" and cluster.cpus > usable:
        raise ConfigError(
            f"{cluster.asks_for_cpus}; allowed: 1 to {usable}, the cores that Ray may use here"
        )
    if cluster.storage and not settings.dry_run and not cluster.storage.is_dir():
        raise ConfigError(
            f"cluster.storage: got {cluster.storage}, which is no folder here; allowed: a folder "
            "that every node sees, this one too"
        )


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
    from sweep import stores, tracking_mlflow

    assert settings.tracking.uri is not None
    try:
        uri = stores.absolute(settings.tracking.uri)
        tracking_mlflow.probe(uri)
    except StoreError as error:
        raise ConfigError(str(error)) from None
    yield Store(
        kind="mlflow",
        uri=uri,
        experiment=settings.tracking.experiment,
        state=stores.state(uri, settings.cluster.storage or Path()),
    )


@contextlib.contextmanager
def execute(
    settings: Settings,
    cells: Sequence[Cell],
    address: Store,
    *,
    command: str,
    commit: str,
    text: str | None = None,
) -> Iterator[Finished]:
    """Run every cell that is not finished in the store; the sweep is locked in the context.

    text: the corpus, if the cells need one.

    Raises InterruptedSweepError on Ctrl-C, ConfigError if the sweep is running already or
    the store refuses it, and OutageError if the store has gone and results wait on disk.
    """
    identifier = sweep_id(settings.name, list(cells))
    identity = _identity(settings, identifier, command, commit)
    _interruptible()
    with contextlib.ExitStack() as stack:
        known_here = stack.enter_context(_lock(address, identifier))
        ray = stack.enter_context(_Ray(settings, address))
        if settings.cluster.kind == "ray" or settings.cluster.gpus_per_trial:
            ray.start()  # first, since what it refuses must leave no run behind
        preload(address)  # here: an interrupt while two threads import can hang both
        opening: Future[tuple[Tracker, str]] = Future()
        threading.Thread(
            target=_open, args=(address, identity, settings.force, opening), daemon=True
        ).start()
        if not known_here:
            ray.start()  # while the store opens; a sweep that ran before may be finished
        _interruptible()  # again: Ray has put its own handler
        tracker, parent = opening.result()
        if not workers.gone(address, parent, EARLIER_SECONDS):
            raise ConfigError(
                f"tracking.uri: workers of an earlier start of this sweep ({identifier}) are still "
                "at it; wait until they have ended"
            )
        tracker.log(parent, [], start_ms=0, params=_params(settings, len(cells)))
        rows = _by_cell(tracker.read(parent))
        todo = [c for c in cells if c.id not in rows or rows[c.id].status != "FINISHED"]
        if todo:
            tracker.end(parent, "RUNNING", end_ms=0, tags=identity.tags)
            job = Job(
                address=Address(
                    parent=parent,
                    grouped=_grouped(settings, cells),
                    spool=address.state / "spool" / parent,
                    known=frozenset(rows),
                    failed=frozenset(key for key, row in rows.items() if row.status == "FAILED"),
                    most_steps=FEW_STEPS if len(cells) > MANY_CELLS else MOST_STEPS,
                    patience=settings.tracking.patience_seconds,
                ),
                donors={} if settings.force else _donors(tracker, todo),
                # On a cluster Ray itself ends the workers of a driver that is gone.
                driver=os.getpid() if settings.cluster.kind == "local" else 0,
                shared=address.state / "shared",
                checkpoint_seconds=settings.cluster.checkpoint_seconds,
                limit_seconds=settings.cluster.limit_seconds,
                device=settings.gpt.device if settings.gpt else "auto",
                compiled=settings.gpt.compile if settings.gpt else None,
                workers=settings.cluster.workers_per_trial,
            )
            if text is not None:
                texts.keep(job.shared, text)
            try:
                with Progress({cell.id: cell.name for cell in cells}) as progress:
                    progress({c.id for c in cells} - {c.id for c in todo})
                    lost = ray.run(todo, job, address, tracker, progress)
            except KeyboardInterrupt:
                ray.stop_behind()
                if settings.cluster.kind == "ray":  # on other machines: what they log comes late
                    workers.gone(address, parent, STOP_SECONDS)
                for run in tracker.running(parent):  # a long cell, logged as it went
                    tracker.end(run, "KILLED", end_ms=_now_ms())
                tracker.end(parent, "KILLED", end_ms=_now_ms())
                kept = sum(row.status == "FINISHED" for row in tracker.read(parent))
                raise InterruptedSweepError(
                    f"{kept} of {len(cells)} cells are finished and kept"
                ) from None
            ray.stop_behind()
            rows = _by_cell(tracker.read(parent))
            waiting = {c.id for c in todo if spool.read(job.address.spool, c.id) is not None}
            silent = [
                c
                for c in todo
                if (c.id not in rows or rows[c.id].status == "RUNNING") and c.id not in waiting
            ]
            for cell in silent:
                reason = lost.get(cell.id, "no reason is known")
                log_failure(cell, job.address, tracker, f"{reason}\nits worker was lost")
            if silent:
                rows = _by_cell(tracker.read(parent))
            for run in tracker.running(parent):  # begun, and then begun again otherwise
                tracker.end(run, "KILLED", end_ms=_now_ms())
            if waiting:
                raise OutageError(f"{len(waiting)} of {len(cells)} cells could not be delivered")
            with contextlib.suppress(OSError):  # not empty where something was not delivered
                job.address.spool.rmdir()
        (own,) = (row for row in tracker.read(None, identifier) if row.run == parent)
        yield Finished(tracker=tracker, parent=own, rows=list(rows.values()), new=len(todo))


def _interruptible() -> None:
    """Ctrl-C and SIGTERM interrupt; a second one leaves at once."""

    def first(*_: object) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: os._exit(130))
        raise KeyboardInterrupt

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, first)


def _open(
    address: Store, identity: Identity, anew: bool, opened: "Future[tuple[Tracker, str]]"
) -> None:
    """Put the tracker and the run of the sweep into `opened`, or what went wrong.

    One process at a time: MLflow cannot create a SQLite store, or an
    experiment, in two at once.
    """
    try:
        with open(address.state / "opening.lock", "a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            tracker = connect(address)
            opened.set_result((tracker, tracker.begin(identity, anew=anew)))
    except StoreError as error:
        opened.set_exception(ConfigError(str(error)))
    except BaseException as error:
        opened.set_exception(error)


class _Ray:
    """Ray, if the settings ask for it: brought up when needed, down while other things are done.

    It has to come up in a thread that stays: Ray's processes die with the
    thread that started them.
    """

    def __init__(self, settings: Settings, address: Store) -> None:
        self._cluster, self._address = settings.cluster, address
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
            if self._cluster.kind == "ray":
                launch.join(self._cluster, self._address)
            else:
                launch.start(self._cluster)

    def run(
        self, cells: Sequence[Cell], job: Job, address: Store, tracker: Tracker, report: Progress
    ) -> dict[str, str]:
        """Run the cells, on Ray or in this process: cell id -> why its worker was lost."""
        if self._cluster.kind == "inline":
            for event in run_cells(cells, job, tracker):
                if isinstance(event, Advance):
                    report([], [], {event.cell: (event.share, event.what)})
                else:
                    report([event.cell.id], [] if event.error is None else [event.cell.id])
            return {}
        self.start()
        from sweep import launch

        return launch.run(cells, job, address, self._cluster, report)

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
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"tracking.uri: its folder {folder} cannot be made: {error}") from None
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


def _identity(settings: Settings, identifier: str, command: str, commit: str) -> Identity:
    tags = {
        "mlflow.note.content": settings.purpose,
        "experiment": settings.name,
        "figure": settings.figure,
        "command": command if len(command) <= LONGEST else command[:LONGEST] + " .. (config.yaml)",
    }
    if commit:
        tags["mlflow.source.git.commit"] = commit
    return Identity(
        key=identifier,
        kind="sweep",
        name=f"{settings.name} {identifier[:6]}",
        parent=None,
        start_ms=_now_ms(),
        tags=tags,
    )


def _by_cell(rows: Sequence[Row]) -> dict[str, Row]:
    """Cell id -> its run; the finished one, should a lost answer have made a run twice."""
    return {row.key: row for row in sorted(rows, key=lambda row: row.status == "FINISHED")}


def _grouped(settings: Settings, cells: Sequence[Cell]) -> bool:
    detail = settings.tracking.detail
    return detail == "group" or (detail == "auto" and len(cells) > groups.MANY_CELLS)


def _donors(tracker: Tracker, cells: Sequence[Cell]) -> dict[str, tuple[str, str]]:
    """Where the curves are of cells that another sweep of the experiment has finished."""
    finished = tracker.finished()
    return {c.id: (finished[c.id].run, finished[c.id].curves) for c in cells if c.id in finished}


def _params(settings: Settings, cells: int) -> dict[str, str]:
    """The axes as text; a long one is cut, config.yaml has it whole."""
    grid = settings.grid
    axes = {
        "schedule": grid.schedule, "n": grid.n, "N": grid.N, "K": grid.K, "S0": grid.S0,
        "zip": grid.zip, "alpha": grid.alpha, "total": grid.total,
    }  # fmt: skip
    shown = {key: ", ".join(map(str, values)) for key, values in axes.items() if values}
    shown = {k: v if len(v) <= LONGEST else v[:LONGEST] + " .." for k, v in shown.items()}
    return {**shown, "cells": str(cells)}


def _now_ms() -> int:
    return time.time_ns() // 10**6
