"""Send computed results from the spool to the tracker, each once, also over an outage.

A result stays on disk until the tracker has all of it. While the store does
not answer, results wait in the order in which they were computed, and the
next ones are computed meanwhile.
"""

import tempfile
import time
import traceback
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sweep import spool, summary
from sweep.grid import Cell, cell_from_params
from sweep.laws import laws
from sweep.summary_gpt import write_samples
from sweep.tracking import Identity, OutageError, Tracker

LONGEST_NOTES = 4000
"""Characters of a tag."""
RETRY_SECONDS = 2.0
"""Between two attempts to reach a store that does not answer."""


@dataclass(frozen=True, kw_only=True)
class Address:
    """Where the results of a sweep go; travels to workers."""

    parent: str
    """Run id of the sweep."""
    spool: Path
    """Folder for results that are not delivered yet."""
    known: frozenset[str] = frozenset()
    """Ids of cells that may have a run already: others are not searched for."""
    failed: frozenset[str] = frozenset()
    """Ids of cells that an earlier attempt logged as FAILED."""
    most_steps: int = summary.MOST_STEPS
    """Most generations of one cell that are sent as metrics."""
    patience: float = 300.0
    """Seconds to wait for a store that does not answer, once all is computed."""


def identity(cell: Cell, address: Address, start_ms: int) -> Identity:
    return Identity(
        key=cell.id, kind="cell", name=cell.name, parent=address.parent, start_ms=start_ms
    )


def deliver(
    cell: Cell, result: spool.Result, address: Address, tracker: Tracker, *, anew: bool = False
) -> None:
    """Log a result and forget it. Raises OutageError if the store does not answer.

    anew: the cell has no run for certain, so none is searched for.
    """
    theory = laws(cell)
    run = tracker.begin(identity(cell, address, result.start_ms), anew=anew)
    points = summary.points(cell, result.curves, theory, address.most_steps)
    points += summary.totals(cell, result.curves, theory)
    tracker.log(run, points, start_ms=result.start_ms, params=cell.params)
    tracker.attach(run, spool.curves_file(address.spool, cell.id))
    for path in write_samples(result.curves, address.spool / cell.id):
        tracker.attach(run, path)
    # The end, too, is derived from what is stored, so that a replay is equal.
    end_ms = result.start_ms + max(1, round(1000 * result.seconds))
    tags: dict[str, str | None] = {"error": None} if cell.id in address.failed else {}
    if result.notes:
        tags["notes"] = "; ".join(result.notes)[:LONGEST_NOTES]
    tracker.end(run, "FINISHED", end_ms=end_ms, tags=tags)
    spool.remove(address.spool, cell.id)


def log_failure(cell: Cell, address: Address, tracker: Tracker, trace: str) -> None:
    """Log a cell as FAILED, with the traceback as an artifact."""
    now = now_ms()
    run = tracker.begin(identity(cell, address, now))
    tracker.log(run, [], start_ms=now, params=cell.params)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "traceback.txt"
        path.write_text(trace)
        tracker.attach(run, path)
    tracker.end(run, "FAILED", end_ms=now, tags={"error": trace.strip().splitlines()[-1][:500]})


@dataclass(kw_only=True)
class Queue:
    """Results on their way to the store, in order."""

    address: Address
    tracker: Tracker
    waiting: deque[tuple[Cell, str | None]] = field(default_factory=deque)
    """Cells that are computed, or (with a traceback) have failed."""
    _tried: set[str] = field(default_factory=set)
    _next_try: float = 0.0
    reason: str = ""
    """Why the last attempt failed."""

    def add(self, cell: Cell, trace: str | None = None) -> None:
        self.waiting.append((cell, trace))

    def send(self) -> Iterator[tuple[Cell, str | None]]:
        """Send what waits, if the store answers; yields each cell with the trace it failed with."""
        while self.waiting and time.monotonic() >= self._next_try:
            cell, trace = self.waiting[0]
            anew = cell.id not in self.address.known and cell.id not in self._tried
            # A long cell has been logged as it went.
            anew = anew and spool.started(self.address.spool, cell.id) is None
            self._tried.add(cell.id)  # even one that failed may have made a run
            try:
                if trace is not None:
                    log_failure(cell, self.address, self.tracker, trace)
                elif (result := spool.read(self.address.spool, cell.id)) is not None:
                    deliver(cell, result, self.address, self.tracker, anew=anew)
            except OutageError as error:
                self.reason = str(error)
                self._next_try = time.monotonic() + RETRY_SECONDS
                return
            except Exception:
                if trace is not None:
                    raise
                # The store refuses this one: say so in its stead.
                self.waiting[0] = (cell, traceback.format_exc())
                continue
            self.waiting.popleft()
            yield cell, trace

    def finish(self) -> Iterator[tuple[Cell, str | None] | None]:
        """Send the rest, as long as patience lasts; None: nothing could be sent for a while."""
        deadline = time.monotonic() + self.address.patience
        while self.waiting:
            before = len(self.waiting)
            yield from self.send()
            if len(self.waiting) < before:
                deadline = time.monotonic() + self.address.patience
            elif time.monotonic() > deadline:
                return
            if self.waiting:
                yield None
                time.sleep(0.2)  # the store cannot wake this process when it is back


def leftovers(folder: Path) -> Mapping[str, list[Cell]]:
    """Run id of a sweep -> its cells that are computed and not delivered, below a spool folder."""
    found: dict[str, list[Cell]] = {}
    for note in sorted(folder.glob("*/*/result.json"), key=lambda path: path.stat().st_mtime):
        params = spool.params(note)
        if params is not None:
            found.setdefault(note.parent.parent.name, []).append(cell_from_params(params))
    return found


def now_ms() -> int:
    return time.time_ns() // 10**6
