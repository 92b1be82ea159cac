"""Run cells one after the other with a given tracker, without Ray.

A cell is computed, spooled, logged (start_run, log, log_artifact, end_run) and then
deleted from the spool. Once a result is spooled it survives any crash, and rerunning
the command delivers it: to the same run, with the same points.
A cell that fails is logged as FAILED with its traceback, and the others continue.
A store that does not answer blocks nothing: results wait on disk, in order.
"""

import contextlib
import itertools
import signal
import tempfile
import threading
import time
import traceback
import zipfile
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from sweep.cells import groups
from sweep.cells.cell import Cell
from sweep.cells.outcome import CellProgress, Curves
from sweep.cells.workspace import Workspace
from sweep.results import arrays, summary
from sweep.results.theory import theory_of
from sweep.storage.clock import now_ms
from sweep.tracking.base import OutageError, Run, Tracker
from sweep.trial import spool
from sweep.trial.upload import UploadQueue, UploadTarget, log_points, run_spec


@dataclass(frozen=True, kw_only=True)
class Job:
    """Everything that the cells of a sweep share; it is sent to workers."""

    target: UploadTarget
    """Where results go."""
    workspace: Workspace
    """Where cells are computed, and what they may use."""
    limit_seconds: float | None = None
    """Time after which a cell fails; None: no limit."""
    cached_curves: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """Cell id -> (run id, artifact) with the curves, for cells that another sweep finished."""
    driver: int = 0
    """Process id of a driver on this machine, else 0; a worker stops when its driver has died."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a cell ended."""

    cell: Cell
    error: str | None
    """Last line of the traceback, or why the result waits; None if the cell finished."""
    waits: bool = False
    """Whether the result is computed, and waits on disk until the store answers."""


Compute = Callable[[Cell, Job], Generator[CellProgress, None, Curves]]


def compute(cell: Cell, job: Job) -> Generator[CellProgress, None, Curves]:
    """Compute the curves of a cell with its kind of model."""
    return cell.kind.run(cell, job.workspace)


def run_cells(
    cells: Sequence[Cell],
    job: Job,
    tracker: Tracker,
    *,
    before: Mapping[str, Run] | None = None,
    compute: Compute = compute,
    at: Callable[[Cell], object] = lambda cell: None,
) -> Iterator[Outcome | CellProgress]:
    """Run, store and log each cell; yields after each cell, and periodically during long ones.

    before: cell id -> run that an earlier attempt left in the store; finished cells are not
    run again. at: called with each cell before it is computed.
    """
    before = before or {}
    failed = {key for key, run in before.items() if run.status == "FAILED"}
    target = replace(
        job.target,
        failed=job.target.failed | failed,
        maybe_logged=job.target.maybe_logged | before.keys(),
    )
    queue = UploadQueue(target=target, tracker=tracker)
    units = groups.split(cells) if target.grouped else [list(cells)]
    last = {unit[-1].id for unit in units}
    for cell in itertools.chain(*units):
        if job.driver and not Path(f"/proc/{job.driver}").exists() and Path("/proc/self").exists():
            return  # the driver was killed; another may be running these cells already
        if cell.id in before and before[cell.id].status == "FINISHED":
            yield Outcome(cell=cell, error=None)
            continue
        at(cell)
        try:
            yield from _computed(cell, job, tracker, compute)
        except Exception:
            queue.add(cell, traceback.format_exc())
        else:
            queue.add(cell)
        if not target.grouped:
            yield from map(_outcome, queue.send())
        elif cell.id in last:
            yield from _waited(queue)
    yield from _waited(queue)


def _waited(queue: UploadQueue) -> Iterator[Outcome | CellProgress]:
    """Send the waiting results until patience runs out, then report those that still wait."""
    for sent in queue.finish():
        if sent is not None:
            yield _outcome(sent)
        else:
            first = queue.waiting[0][0]
            yield CellProgress(cell=first.id, what="waits for the store", share=1.0)
    for cell, _ in queue.waiting:
        yield Outcome(cell=cell, error=queue.reason, waits=True)
    queue.waiting.clear()


def _outcome(sent: tuple[Cell, str | None]) -> Outcome:
    cell, trace = sent
    return Outcome(cell=cell, error=None if trace is None else trace.strip().splitlines()[-1])


@contextlib.contextmanager
def _limited(seconds: float | None) -> Iterator[None]:
    """Raise TimeoutError in a block that runs longer; only in the main thread of a process."""
    if seconds is None or threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(*_: object) -> None:
        raise TimeoutError(f"the cell did not finish within {seconds:g} s (cluster.limit_seconds)")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _computed(
    cell: Cell, job: Job, tracker: Tracker, compute: Compute
) -> Generator[CellProgress, None, None]:
    """Compute the result of a cell and spool it, unless it is spooled already."""
    folder = job.target.spool
    if spool.read(folder, cell.id) is not None:
        return
    start_ms, start = now_ms(), time.perf_counter()
    curves = _cached(cell, job, tracker)
    notes: tuple[str, ...] = ()
    if curves is None:
        with _limited(job.limit_seconds):  # cached curves have no limit
            curves, notes = yield from _watched(cell, job, tracker, compute(cell, job))
    begun = spool.started(folder, cell.id)
    result = spool.Result(
        curves=curves,
        start_ms=start_ms if begun is None else begun,
        seconds=time.perf_counter() - start if begun is None else (now_ms() - begun) / 1000,
        notes=notes,
    )
    spool.write(folder, cell.id, result, cell.params)


def _watched(
    cell: Cell, job: Job, tracker: Tracker, work: Generator[CellProgress, None, Curves]
) -> Generator[CellProgress, None, tuple[Curves, tuple[str, ...]]]:
    """Do the work of a cell, and log each generation of a long cell as soon as it ends.

    A generation is checkpointed before it is logged, so a replay sends the same points:
    their times derive from the start of the run of the cell.
    """
    notes: dict[str, None] = {}
    folder = job.target.spool
    while True:
        try:
            progress = next(work)
        except StopIteration as end:
            return end.value, tuple(notes)
        notes |= dict.fromkeys(progress.notes)
        if progress.curves is not None:
            start_ms = spool.started(folder, cell.id)
            if start_ms is None:
                start_ms = now_ms()
                spool.start(folder, cell.id, start_ms)
            points = summary.points(cell, progress.curves, theory_of(cell), job.target.most_steps)
            with contextlib.suppress(OutageError):  # everything is sent again when the cell ends
                run = tracker.start_run(run_spec(cell, job.target, start_ms))
                log_points(cell, run, points, tracker)
        yield progress


def _cached(cell: Cell, job: Job, tracker: Tracker) -> Curves | None:
    """Return the curves that another sweep stored for the same cell, if they can be read."""
    if cell.id not in job.cached_curves:
        return None
    run, artifact = job.cached_curves[cell.id]
    with tempfile.TemporaryDirectory() as folder:
        try:
            return arrays.load(tracker.download_artifact(run, artifact, Path(folder)))
        except (OSError, ValueError, EOFError, OutageError, zipfile.BadZipFile):
            return None
