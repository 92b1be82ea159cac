"""Run cells one after the other with a tracker in hand; knows nothing of Ray.

The order of a cell is compute, spool, begin, log, attach, end, forget. A crash
anywhere leaves either nothing or a spooled result, and the same command again
delivers it. A cell that fails is logged FAILED with its traceback, and its
neighbours go on.
"""

import time
import traceback
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
    known: Mapping[str, str] = field(default_factory=dict)
    """Cell id -> run id, of runs that an earlier start of this sweep left unfinished."""


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
    job = replace(job, known={**job.known, **{key: row.run for key, row in before.items()}})
    for cell in cells:
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
    path = job.spool / f"{cell.id}.traceback" / "traceback.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(trace)
    tracker.attach(run, path)
    path.unlink()
    path.parent.rmdir()
    tracker.end(run, "FAILED", end_ms=now, tags={"error": trace.strip().splitlines()[-1][:500]})


def _run(cell: Cell, job: Job, tracker: Tracker, compute: Compute) -> None:
    result = spool.read(job.spool, cell.id)
    spooled = result is not None
    if result is None:
        start_ms, start = _now_ms(), time.perf_counter()
        result = spool.Result(
            curves=compute(cell, job.spool), start_ms=start_ms, seconds=time.perf_counter() - start
        )
        spool.write(job.spool, cell.id, result)
    theory = laws(cell)
    run = job.known.get(cell.id)
    if run is None:
        # Without a spooled result no run can have been begun: no need to search.
        run = tracker.begin(_identity(cell, job, result.start_ms), anew=not spooled)
    points = summary.points(cell, result.curves, theory)
    points += summary.totals(cell, result.curves, theory)
    tracker.log(run, points, start_ms=result.start_ms)
    tracker.attach(run, spool.curves_file(job.spool, cell.id))
    # The end, too, is derived from what is stored, so that a replay is equal.
    end_ms = result.start_ms + max(1, round(1000 * result.seconds))
    tracker.end(run, "FINISHED", end_ms=end_ms)
    spool.remove(job.spool, cell.id)


def _identity(cell: Cell, job: Job, start_ms: int) -> Identity:
    return Identity(
        key=cell.id,
        kind="cell",
        name=cell.name,
        parent=job.parent,
        start_ms=start_ms,
        params=cell.params,
    )


def _now_ms() -> int:
    return time.time_ns() // 10**6
