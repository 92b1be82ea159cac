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
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from sweep import spool, summary
from sweep.grid import Cell
from sweep.laws import laws
from sweep.simulate import simulate
from sweep.summary import Curves
from sweep.tracking import Identity, Row, Tracker


@dataclass(frozen=True, kw_only=True)
class Job:
    """What all cells of a sweep share; travels to workers."""

    parent: str
    """Run id of the sweep."""
    spool: Path
    """Folder for results that are not delivered yet."""
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


Compute = Callable[[Cell, Path], Curves]


def run_cells(
    cells: Sequence[Cell],
    job: Job,
    tracker: Tracker,
    *,
    before: Mapping[str, Row] | None = None,
    compute: Compute = simulate,
) -> Iterator[Outcome]:
    """Run, store and log each cell; yields after each.

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
            _run(cell, job, tracker, compute)
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


def _run(cell: Cell, job: Job, tracker: Tracker, compute: Compute) -> None:
    result = spool.read(job.spool, cell.id)
    if result is None:
        start_ms, start = _now_ms(), time.perf_counter()
        curves = _from_donor(cell, job, tracker) or compute(cell, job.spool)
        result = spool.Result(curves=curves, start_ms=start_ms, seconds=time.perf_counter() - start)
        spool.write(job.spool, cell.id, result)
    theory = laws(cell)
    run = tracker.begin(_identity(cell, job, result.start_ms))
    points = summary.points(cell, result.curves, theory)
    points += summary.totals(cell, result.curves, theory)
    tracker.log(run, points, start_ms=result.start_ms, params=cell.params)
    tracker.attach(run, spool.curves_file(job.spool, cell.id))
    # The end, too, is derived from what is stored, so that a replay is equal.
    end_ms = result.start_ms + max(1, round(1000 * result.seconds))
    failed_before = cell.id in job.failed
    tracker.end(run, "FINISHED", end_ms=end_ms, tags={"error": None} if failed_before else None)
    spool.remove(job.spool, cell.id)


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
