"""A sweep at work: its store open and locked, and its cells run, in one round or several."""

import contextlib
import functools
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future

from sweep.cells import groups
from sweep.cells.cell import Cell
from sweep.cells.outcome import CellProgress
from sweep.cells.thinning import FEW_STEPS, MANY_CELLS, MOST_STEPS
from sweep.cells.workspace import Workspace
from sweep.config.schema import Settings
from sweep.config.validate import ConfigError
from sweep.grid import corpus, cost
from sweep.launch import locks
from sweep.launch.progress_bar import ProgressBar
from sweep.launch.signals import handlers_kept, interruptible
from sweep.storage.clock import now_ms
from sweep.storage.locks import locked
from sweep.tracking.base import OutageError, Run, RunSpec, Store, StoreError, Tracker
from sweep.tracking.connect import connect, preload
from sweep.trial import spool
from sweep.trial.upload import UploadTarget, log_failure, passed_on
from sweep.trial.worker import Job, run_cells

EARLIER_SECONDS = 120.0
"""How long to wait for the workers of a driver that was killed; without it they end in a minute."""
STOP_SECONDS = 5.0
"""How long to wait for workers on an interrupt."""


class InterruptedSweepError(Exception):
    """Ctrl-C; what is finished is kept."""


@contextlib.contextmanager
def opened(
    settings: Settings,
    address: Store,
    identity: RunSpec,
    *,
    one_round: bool,
    text: str | None = None,
) -> Iterator["Session"]:
    """A sweep that is locked, with its store open, and Ray coming up where it will be needed.

    one_round: whether the first cells that are run are all there will be. text: the
    corpus, if the cells need one.

    Raises InterruptedSweepError on Ctrl-C, ConfigError if the sweep is running already or
    the store refuses it, and OutageError if the store has gone and results wait on disk.
    """
    with contextlib.ExitStack() as stack:
        stack.enter_context(handlers_kept())
        interruptible()
        ran_here = stack.enter_context(_lock(address, identity.key))
        ray = stack.enter_context(_Ray(settings, address))
        if settings.cluster.kind == "ray" or settings.cluster.gpus_per_trial:
            ray.start()  # first, since what it refuses must leave no run behind
        preload(address)  # here: an interrupt while two threads import can hang both
        opening: Future[tuple[Tracker, str]] = Future()
        threading.Thread(
            target=_open, args=(address, identity, settings.force, opening), daemon=True
        ).start()
        if one_round and not ran_here:
            ray.start()  # while the store opens; a sweep that ran before may be finished
        interruptible()  # again: Ray has put its own handler
        tracker, parent = opening.result()
        if not locks.gone(address, parent, EARLIER_SECONDS):
            raise ConfigError(
                f"tracking.uri: workers of an earlier start of this sweep ({identity.key}) are "
                "still at it; wait until they have ended"
            )
        yield Session(
            settings, address, identity, tracker, parent, ray, one_round=one_round, text=text
        )


class Session:
    """A sweep at work: runs cells, in one round or several."""

    def __init__(
        self,
        settings: Settings,
        address: Store,
        identity: RunSpec,
        tracker: Tracker,
        parent: str,
        ray: "_Ray",
        *,
        one_round: bool,
        text: str | None,
    ) -> None:
        self.tracker, self.parent = tracker, parent
        self._settings, self._address, self._identity = settings, address, identity
        self._ray, self._one_round, self._text = ray, one_round, text

    @functools.cached_property
    def _cached_curves(self) -> dict[str, tuple[str, str]]:
        """Where the curves are of cells that another sweep of the experiment has finished."""
        if self._settings.force:
            return {}
        return {key: (row.id, row.curves) for key, row in self.tracker.finished().items()}

    def run(
        self, cells: Sequence[Cell], *, here: bool = False, title: str = ""
    ) -> tuple[list[Run], int]:
        """Run those of the cells that are not finished.

        here: in this process; for what is shorter than Ray's start. title: of the progress.
        Returns all runs of the sweep, and how many cells were run. Raises as `opened` does.
        """
        tracker, parent = self.tracker, self.parent
        rows = _by_cell(tracker.runs(parent))
        todo = [c for c in cells if c.id not in rows or rows[c.id].status != "FINISHED"]
        if not todo:
            return list(rows.values()), 0
        tracker.end_run(parent, "RUNNING", end_ms=0, tags=self._identity.tags)
        job = self._job(cells, todo, rows)
        if self._text is not None:
            corpus.keep(job.workspace.shared, self._text)
        try:
            before = {c.id for c in cells} - {c.id for c in todo}
            with ProgressBar(cells, _costs(cells, job), before, title=title) as progress:
                ran = self._ray.run_here if here else self._ray.run
                lost = ran(todo, job, self._address, tracker, progress)
        except KeyboardInterrupt:
            try:
                kept = self._interrupted()
            except OutageError as error:
                raise InterruptedSweepError(
                    f"the store does not answer ({error}); what is finished is kept"
                ) from None
            of = f"of {len(cells)} cells" if self._one_round else "probes"
            raise InterruptedSweepError(f"{kept} {of} are finished and kept") from None
        if self._one_round:
            self._ray.stop_behind()  # no other round comes
        rows = _by_cell(tracker.runs(parent))
        waiting = {c.id for c in todo if spool.read(job.target.spool, c.id) is not None}
        silent = [
            c
            for c in todo
            if (c.id not in rows or rows[c.id].status == "RUNNING") and c.id not in waiting
        ]
        for cell in silent:
            reason = lost.get(cell.id, "no reason is known")
            log_failure(cell, job.target, tracker, f"{reason}\nits worker was lost")
        if silent:
            rows = _by_cell(tracker.runs(parent))
        for run in tracker.running(parent):  # begun, and then begun again otherwise
            tracker.end_run(run, "KILLED", end_ms=now_ms())
        if waiting:
            raise OutageError(f"{len(waiting)} of {len(cells)} cells could not be delivered")
        with contextlib.suppress(OSError):  # not empty where something was not delivered
            job.target.spool.rmdir()
        return list(rows.values()), len(todo)

    def release(self) -> None:
        """No round comes any more: Ray may go, in the background."""
        self._ray.stop_behind()

    def sweep_run(self) -> Run:
        """The run of the sweep."""
        rows = self.tracker.runs(None, self._identity.key)
        (sweep_run,) = (row for row in rows if row.id == self.parent)
        return sweep_run

    def _job(self, cells: Sequence[Cell], todo: Sequence[Cell], rows: Mapping[str, Run]) -> Job:
        settings, state = self._settings, self._address.state
        return Job(
            target=UploadTarget(
                parent=self.parent,
                tags=passed_on(self._identity.tags),
                data=len(cells) <= MANY_CELLS,
                grouped=self._one_round and _grouped(settings, cells),
                spool=state / "spool" / self.parent,
                maybe_logged=frozenset(rows),
                failed=frozenset(key for key, row in rows.items() if row.status == "FAILED"),
                most_steps=FEW_STEPS if len(cells) > MANY_CELLS else MOST_STEPS,
                patience=settings.tracking.patience_seconds,
            ),
            cached_curves={
                c.id: self._cached_curves[c.id] for c in todo if c.id in self._cached_curves
            },
            # On a cluster Ray itself ends the workers of a driver that is gone.
            driver=os.getpid() if settings.cluster.kind == "local" else 0,
            workspace=Workspace(
                folder=state / "spool" / self.parent,
                shared=state / "shared",
                checkpoint_seconds=settings.cluster.checkpoint_seconds,
                device=settings.model_section.device_name,
                compiled=settings.model_section.compiled,
                workers=settings.cluster.workers_per_trial,
            ),
            limit_seconds=settings.cluster.limit_seconds,
        )

    def _interrupted(self) -> int:
        """End what is at work: how many cells are finished."""
        self._ray.stop_behind()
        # A worker that is still there may end its run after this process has looked.
        if locks.gone(self._address, self.parent, STOP_SECONDS):
            for run in self.tracker.running(self.parent):  # a long cell, logged as it went
                self.tracker.end_run(run, "KILLED", end_ms=now_ms())
        self.tracker.end_run(self.parent, "KILLED", end_ms=now_ms())
        return sum(row.status == "FINISHED" for row in self.tracker.runs(self.parent))


def _open(
    address: Store, identity: RunSpec, anew: bool, opened: "Future[tuple[Tracker, str]]"
) -> None:
    """Put the tracker and the run of the sweep into `opened`, or what went wrong.

    One process at a time: MLflow cannot create a SQLite store, or an
    experiment, in two at once.
    """
    try:
        with locked(address.state / "opening.lock", wait=True):
            tracker = connect(address)
            opened.set_result((tracker, tracker.start_run(identity, always_new=anew).id))
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
            from sweep.launch import tune

            self._up = True
            if self._cluster.kind == "ray":
                tune.join(self._cluster, self._address)
            else:
                tune.start(self._cluster)
            interruptible()  # again: Ray has put its own handler

    def run(
        self, cells: Sequence[Cell], job: Job, address: Store, tracker: Tracker, report: ProgressBar
    ) -> dict[str, str]:
        """Run the cells, on Ray or in this process: cell id -> why its worker was lost."""
        if self._cluster.kind == "inline":
            return self.run_here(cells, job, address, tracker, report)
        self.start()
        from sweep.launch import tune

        return tune.run(cells, job, address, self._cluster, report, report.begin)

    def run_here(
        self, cells: Sequence[Cell], job: Job, address: Store, tracker: Tracker, report: ProgressBar
    ) -> dict[str, str]:
        """Run the cells in this process; none is lost."""
        for event in run_cells(cells, job, tracker):
            if isinstance(event, CellProgress):
                report([], [], {event.cell: event.stage})
            else:
                report([event.cell.id], [] if event.error is None else [event.cell.id])
        return {}

    def stop_behind(self) -> None:
        """Begin to bring Ray down, in the background."""
        if self._up and self._stopping is None:
            from sweep.launch import tune

            self._stopping = threading.Thread(target=tune.stop, daemon=True)
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
    ran_here = path.exists()
    with locked(path) as mine:
        if not mine:
            raise ConfigError(
                f"tracking.uri: this sweep ({sweep}) is already running on this store; "
                "wait for it, or stop it and run the command again"
            )
        yield ran_here


def _by_cell(rows: Sequence[Run]) -> dict[str, Run]:
    """Cell id -> its run; the finished one, should a lost answer have made a run twice."""
    return {row.key: row for row in sorted(rows, key=lambda row: row.status == "FINISHED")}


def _grouped(settings: Settings, cells: Sequence[Cell]) -> bool:
    detail = settings.tracking.detail
    return detail == "group" or (detail == "auto" and len(cells) > groups.MANY_CELLS)


def _costs(cells: Sequence[Cell], job: Job) -> dict[str, float]:
    """Estimated seconds of each cell; one that is computed already has to be logged alone."""
    there = {
        cell.id
        for cell in cells
        if cell.id in job.cached_curves or spool.finished(job.target.spool, cell.id)
    }
    return {c.id: cost.logging_seconds(c) if c.id in there else cost.seconds(c) for c in cells}
