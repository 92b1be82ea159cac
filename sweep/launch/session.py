"""A running sweep: its store is open and locked, and its cells run, in one round or several."""

import contextlib
import functools
import gc
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
"""How long to wait for the workers of a killed driver, which end within a minute."""
STOP_SECONDS = 20.0
"""How long to wait for workers on an interrupt."""


class InterruptedSweepError(Exception):
    """The sweep was interrupted; finished cells are kept."""


@contextlib.contextmanager
def opened(
    settings: Settings,
    store: Store,
    spec: RunSpec,
    *,
    one_round: bool,
    text: str | None = None,
) -> Iterator["Session"]:
    """Lock a sweep, open its store, and start Ray if it will be needed.

    one_round: whether all cells are run in the first round. text: the corpus, if the cells
    need one.

    Raises InterruptedSweepError on Ctrl-C, ConfigError if the sweep is already running or the
    store refuses it, and OutageError if the store does not answer and results wait on disk.
    """
    with contextlib.ExitStack() as stack:
        stack.enter_context(handlers_kept())
        interruptible()
        ran_here = stack.enter_context(_lock(store, spec.key))
        ray = stack.enter_context(_Ray(settings, store))
        if settings.cluster.kind == "ray" or settings.cluster.gpus_per_trial:
            ray.start()  # first, since a refusal must leave no run behind
        preload(store)  # here: an interrupt while two threads import can hang both
        opening: Future[tuple[Tracker, str]] = Future()
        threading.Thread(
            target=_open, args=(store, spec, settings.force, opening), daemon=True
        ).start()
        if one_round and not ran_here:
            ray.start()  # while the store opens; a sweep that ran before may be finished
        interruptible()  # again: Ray has installed its handler
        tracker, parent = opening.result()
        if not locks.gone(store, parent, EARLIER_SECONDS):
            raise ConfigError(
                f"tracking.uri: workers of an earlier start of this sweep ({spec.key}) are still "
                "running; wait until they have ended"
            )
        yield Session(settings, store, spec, tracker, parent, ray, one_round=one_round, text=text)


class Session:
    """A running sweep; runs cells, in one round or several."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        spec: RunSpec,
        tracker: Tracker,
        parent: str,
        ray: "_Ray",
        *,
        one_round: bool,
        text: str | None,
    ) -> None:
        self.tracker, self.parent = tracker, parent
        self._settings, self._store, self._spec = settings, store, spec
        self._ray, self._one_round, self._text = ray, one_round, text

    @functools.cached_property
    def _cached_curves(self) -> dict[str, tuple[str, str]]:
        """Cell id -> run and artifact with the curves, for finished cells of the experiment."""
        if self._settings.force:
            return {}
        return {key: (run.id, run.curves) for key, run in self.tracker.finished().items()}

    def run(
        self, cells: Sequence[Cell], *, here: bool = False, title: str = ""
    ) -> tuple[list[Run], int]:
        """Run those of the cells that are not finished.

        here: run them in this process, if that is faster than starting Ray. title: name of the
        round, for the progress bar. Returns all runs of the sweep, and how many cells were run.
        Raises what `opened` raises.
        """
        tracker, parent = self.tracker, self.parent
        runs = _by_cell(tracker.runs(parent))
        todo = [c for c in cells if c.id not in runs or runs[c.id].status != "FINISHED"]
        if not todo:
            return list(runs.values()), 0
        tracker.end_run(parent, "RUNNING", end_ms=0, tags=self._spec.tags)
        job = self._job(cells, todo, runs)
        if self._text is not None:
            corpus.keep(job.workspace.shared, self._text)
        lost: dict[str, str] | None = None
        with contextlib.suppress(KeyboardInterrupt):
            before = {c.id for c in cells} - {c.id for c in todo}
            with ProgressBar(cells, _costs(cells, job), before, title=title) as progress:
                runner = self._ray.run_here if here else self._ray.run
                lost = runner(todo, job, self._store, tracker, progress)
        if lost is None:
            # Outside of any handler, whose traceback would keep alive what was cut off: a cursor of
            # SQLite that was writing holds the lock until it is collected.
            gc.collect()
            try:
                finished = self._interrupted()
            except OutageError as error:
                raise InterruptedSweepError(
                    f"the store does not answer ({error}); finished cells are kept"
                ) from None
            what = f"of {len(cells)} cells" if self._one_round else "probes"
            raise InterruptedSweepError(f"{finished} {what} are finished and kept")
        if self._one_round:
            self._ray.stop_behind()  # this was the last round
        runs = _by_cell(tracker.runs(parent))
        waiting = {c.id for c in todo if spool.read(job.target.spool, c.id) is not None}
        silent = [
            c
            for c in todo
            if (c.id not in runs or runs[c.id].status == "RUNNING") and c.id not in waiting
        ]
        for cell in silent:
            reason = lost.get(cell.id, "the reason is unknown")
            log_failure(cell, job.target, tracker, f"{reason}\nthe worker was lost")
        if silent:
            runs = _by_cell(tracker.runs(parent))
        for run in tracker.running(parent):  # started, and then started again in another run
            tracker.end_run(run, "KILLED", end_ms=now_ms())
        if waiting:
            raise OutageError(f"{len(waiting)} of {len(cells)} cells could not be delivered")
        with contextlib.suppress(OSError):  # not empty if a result was not delivered
            job.target.spool.rmdir()
        return list(runs.values()), len(todo)

    def release(self) -> None:
        """Stop Ray in the background, after the last round."""
        self._ray.stop_behind()

    def sweep_run(self) -> Run:
        """Return the run of the sweep."""
        runs = self.tracker.runs(None, self._spec.key)
        (sweep_run,) = (run for run in runs if run.id == self.parent)
        return sweep_run

    def _job(self, cells: Sequence[Cell], todo: Sequence[Cell], runs: Mapping[str, Run]) -> Job:
        settings, state = self._settings, self._store.state
        return Job(
            target=UploadTarget(
                parent=self.parent,
                tags=passed_on(self._spec.tags),
                data=len(cells) <= MANY_CELLS,
                grouped=self._one_round and _grouped(settings, cells),
                spool=state / "spool" / self.parent,
                maybe_logged=frozenset(runs),
                failed=frozenset(key for key, run in runs.items() if run.status == "FAILED"),
                most_steps=FEW_STEPS if len(cells) > MANY_CELLS else MOST_STEPS,
                patience=settings.tracking.patience_seconds,
            ),
            cached_curves={
                c.id: self._cached_curves[c.id] for c in todo if c.id in self._cached_curves
            },
            # On a cluster, Ray itself ends the workers of a dead driver.
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
        """Stop the cells at work, and return how many cells are finished."""
        self._ray.stop_behind()
        # A worker that is still alive may end its run after this check.
        if locks.gone(self._store, self.parent, STOP_SECONDS):
            for run in self.tracker.running(self.parent):  # long cells, logged while they run
                self.tracker.end_run(run, "KILLED", end_ms=now_ms())
        self.tracker.end_run(self.parent, "KILLED", end_ms=now_ms())
        return sum(run.status == "FINISHED" for run in self.tracker.runs(self.parent))


def _open(store: Store, spec: RunSpec, force: bool, opened: "Future[tuple[Tracker, str]]") -> None:
    """Set the tracker and the run of the sweep, or the error, as the result of `opened`.

    force: start a new run. One process at a time opens a store, since MLflow cannot create
    a SQLite store or an experiment in two processes at once.
    """
    try:
        with locked(store.state / "opening.lock", wait=True):
            tracker = connect(store)
            opened.set_result((tracker, tracker.start_run(spec, always_new=force).id))
    except StoreError as error:
        opened.set_exception(ConfigError(str(error)))
    except BaseException as error:
        opened.set_exception(error)


class _Ray:
    """Ray, if the settings ask for it: started when needed, and stopped in the background.

    It must be started in a thread that stays, since Ray's processes die with the thread that
    started them.
    """

    def __init__(self, settings: Settings, store: Store) -> None:
        self._cluster, self._store = settings.cluster, store
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
                tune.join(self._cluster, self._store)
            else:
                tune.start(self._cluster)
            interruptible()  # again: Ray has installed its handler

    def run(
        self, cells: Sequence[Cell], job: Job, store: Store, tracker: Tracker, report: ProgressBar
    ) -> dict[str, str]:
        """Run the cells, on Ray or in this process; returns cell id -> why its worker was lost."""
        if self._cluster.kind == "inline":
            return self.run_here(cells, job, store, tracker, report)
        self.start()
        from sweep.launch import tune

        return tune.run(cells, job, store, self._cluster, report, report.begin)

    def run_here(
        self, cells: Sequence[Cell], job: Job, store: Store, tracker: Tracker, report: ProgressBar
    ) -> dict[str, str]:
        """Run the cells in this process; no worker can be lost."""
        for event in run_cells(cells, job, tracker):
            if isinstance(event, CellProgress):
                report([], [], {event.cell: event.stage})
            else:
                report([event.cell.id], [] if event.error is None else [event.cell.id])
        return {}

    def stop_behind(self) -> None:
        """Stop Ray in the background."""
        if self._up and self._stopping is None:
            from sweep.launch import tune

            self._stopping = threading.Thread(target=tune.stop, daemon=True)
            self._stopping.start()


@contextlib.contextmanager
def _lock(store: Store, sweep: str) -> Iterator[bool]:
    """Lock the sweep on this store against a second start; yields whether it ran before."""
    folder = store.state / "locks"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"tracking.uri: its folder {folder} cannot be created: {error}") from None
    path = folder / sweep
    ran_here = path.exists()
    with contextlib.ExitStack() as stack:
        try:
            taken = stack.enter_context(locked(path))
        except OSError as error:
            raise ConfigError(
                f"tracking.uri: files in {folder} cannot be locked ({error.strerror}); put the "
                "store on a file system with locks"
            ) from None
        if not taken:
            raise ConfigError(
                f"tracking.uri: this sweep ({sweep}) is already running on this store; "
                "wait for it, or stop it and run the command again"
            )
        yield ran_here


def _by_cell(runs: Sequence[Run]) -> dict[str, Run]:
    """Map cell ids to runs; the finished run, if a lost answer has led to two."""
    return {run.key: run for run in sorted(runs, key=lambda run: run.status == "FINISHED")}


def _grouped(settings: Settings, cells: Sequence[Cell]) -> bool:
    detail = settings.tracking.detail
    return detail == "group" or (detail == "auto" and len(cells) > groups.MANY_CELLS)


def _costs(cells: Sequence[Cell], job: Job) -> dict[str, float]:
    """Estimate the seconds of each cell; one that is already computed needs only logging."""
    computed = {
        cell.id
        for cell in cells
        if cell.id in job.cached_curves or spool.finished(job.target.spool, cell.id)
    }
    return {c.id: cost.logging_seconds(c) if c.id in computed else cost.seconds(c) for c in cells}
