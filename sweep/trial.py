"""Run cells one after the other with a tracker in hand; knows nothing of Ray.

The order of a cell is compute, spool, begin, log, attach, end, forget. Once a
result is spooled a crash anywhere leaves it there, and the same command again
delivers it: to the run that was begun, with points equal to those already sent.
A cell that fails is logged FAILED with its traceback, and its neighbours go on.
"""

import tempfile
import time
import traceback
import zipfile
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from sweep import spool, summary
from sweep.advance import Advance
from sweep.grid import Cell
from sweep.laws import Laws, laws
from sweep.simulate import simulate
from sweep.summary import Curves
from sweep.summary_gpt import write_samples
from sweep.tracking import Identity, Row, Tracker

LONGEST_NOTES = 4000
"""Characters of a tag."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """What all cells of a sweep share; travels to workers."""

    parent: str
    """Run id of the sweep."""
    spool: Path
    """Folder for results that are not delivered yet."""
    shared: Path = Path()
    """Folder for what cells of the store share: texts, p(0), p(1)."""
    checkpoint_seconds: float = 60.0
    """How often a long cell keeps its state."""
    device: str = "auto"
    """Where a GPT runs, see `models.device.choose`."""
    failed: frozenset[str] = frozenset()
    """Ids of cells that an earlier attempt logged as FAILED."""
    donors: Mapping[str, str] = field(default_factory=dict)
    """Cell id -> run id, of cells that another sweep of this experiment has finished."""
    driver: int = 0
    """Process id of the driver, if it is on this machine; a worker without it stops."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a cell ended."""

    cell: Cell
    error: str | None
    """Last line of the traceback; None if it finished."""


Compute = Callable[[Cell, Job], Generator[Advance, None, Curves]]


def compute(cell: Cell, job: Job) -> Generator[Advance, None, Curves]:
    """The curves of a cell, by whichever model it is of."""
    if cell.recipe is None:
        return (yield from simulate(cell, job.spool, job.checkpoint_seconds))
    from sweep.recursion import recurse  # imports torch, which statistical sweeps never do

    return (yield from recurse(cell, job.spool, job.shared, job.checkpoint_seconds, job.device))


def run_cells(
    cells: Sequence[Cell],
    job: Job,
    tracker: Tracker,
    *,
    before: Mapping[str, Row] | None = None,
    compute: Compute = compute,
) -> Iterator[Outcome | Advance]:
    """Run, store and log each cell; yields after each, and whenever a long one has come on.

    before: what an earlier attempt at these very cells left in the store; what
    it finished is not run again.
    """
    before = before or {}
    failed = {key for key, row in before.items() if row.status == "FAILED"}
    job = replace(job, failed=job.failed | failed)
    for cell in cells:
        if job.driver and not Path(f"/proc/{job.driver}").exists() and Path("/proc/self").exists():
            return  # the driver was killed; another may be at these cells already
        if cell.id in before and before[cell.id].status == "FINISHED":
            yield Outcome(cell=cell, error=None)
            continue
        try:
            yield from _run(cell, job, tracker, compute)
        except Exception as error:
            log_failure(cell, job, tracker, traceback.format_exc())
            yield Outcome(cell=cell, error=f"{type(error).__name__}: {error}")
        else:
            yield Outcome(cell=cell, error=None)


def log_failure(cell: Cell, job: Job, tracker: Tracker, trace: str) -> None:
    """Log a cell as FAILED, with the traceback as an artifact."""
    now = _now_ms()
    run = tracker.begin(_identity(cell, job, now))
    tracker.log(run, [], start_ms=now, params=cell.params)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "traceback.txt"
        path.write_text(trace)
        tracker.attach(run, path)
    tracker.end(run, "FAILED", end_ms=now, tags={"error": trace.strip().splitlines()[-1][:500]})


def _run(cell: Cell, job: Job, tracker: Tracker, compute: Compute) -> Iterator[Advance]:
    result = spool.read(job.spool, cell.id)
    theory = laws(cell)
    if result is None:
        start_ms, start = _now_ms(), time.perf_counter()
        curves = _from_donor(cell, job, tracker)
        notes: tuple[str, ...] = ()
        if curves is None:
            curves, notes = yield from _watched(cell, job, tracker, compute(cell, job), theory)
        result = spool.Result(
            curves=curves,
            start_ms=spool.started(job.spool, cell.id) or start_ms,
            seconds=time.perf_counter() - start,
            notes=notes,
        )
        spool.write(job.spool, cell.id, result)
    run = tracker.begin(_identity(cell, job, result.start_ms))
    points = summary.points(cell, result.curves, theory)
    points += summary.totals(cell, result.curves, theory)
    tracker.log(run, points, start_ms=result.start_ms, params=cell.params)
    tracker.attach(run, spool.curves_file(job.spool, cell.id))
    for path in write_samples(result.curves, job.spool / cell.id):
        tracker.attach(run, path)
    # The end, too, is derived from what is stored, so that a replay is equal.
    end_ms = result.start_ms + max(1, round(1000 * result.seconds))
    tags: dict[str, str | None] = {"error": None} if cell.id in job.failed else {}
    if result.notes:
        tags["notes"] = "; ".join(result.notes)[:LONGEST_NOTES]
    tracker.end(run, "FINISHED", end_ms=end_ms, tags=tags)
    spool.remove(job.spool, cell.id)


def _watched(
    cell: Cell,
    job: Job,
    tracker: Tracker,
    work: Generator[Advance, None, Curves],
    theory: Laws,
) -> Generator[Advance, None, tuple[Curves, tuple[str, ...]]]:
    """Do the work of a cell, logging each generation of a long one as soon as it has ended.

    What is logged is stored before: a replay sends equal points, since their
    times derive from the first start of the cell.
    """
    notes: dict[str, None] = {}
    while True:
        try:
            advance = next(work)
        except StopIteration as end:
            return end.value, tuple(notes)
        notes |= dict.fromkeys(advance.notes)
        if advance.curves is not None:
            start_ms = spool.started(job.spool, cell.id)
            if start_ms is None:
                start_ms = _now_ms()
                spool.start(job.spool, cell.id, start_ms)
            run = tracker.begin(_identity(cell, job, start_ms))
            points = summary.points(cell, advance.curves, theory)
            tracker.log(run, points, start_ms=start_ms, params=cell.params)
        yield advance


def _from_donor(cell: Cell, job: Job, tracker: Tracker) -> Curves | None:
    """The curves that another sweep has stored for this very cell, if they can be read."""
    if cell.id not in job.donors:
        return None
    with tempfile.TemporaryDirectory() as folder:
        try:
            return spool.load(tracker.fetch(job.donors[cell.id], "curves.npz", Path(folder)))
        except (OSError, ValueError, EOFError, zipfile.BadZipFile):
            return None


def _identity(cell: Cell, job: Job, start_ms: int) -> Identity:
    return Identity(key=cell.id, kind="cell", name=cell.name, parent=job.parent, start_ms=start_ms)


def _now_ms() -> int:
    return time.time_ns() // 10**6
