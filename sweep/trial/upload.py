"""Send computed results from the spool to the tracker, each once, also over an outage.

A result stays on disk until the tracker has all of it. While the store does
not answer, results wait in the order in which they were computed, and the
next ones are computed meanwhile.
"""

import hashlib
import os
import tempfile
import time
import traceback
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sweep.cells import groups, thinning
from sweep.cells.cell import Cell
from sweep.cells.kinds import cell_from_params
from sweep.results import summary
from sweep.results.dataset import dataset_of, datasets_of
from sweep.results.theory import theory_of
from sweep.storage.clock import now_ms
from sweep.tracking import grouped_runs
from sweep.tracking.base import OutageError, Point, Run, RunSpec, StartedRun, Tracker
from sweep.trial import spool

LONGEST_NOTES = 4000
"""Characters of a tag."""
OF_ALL_RUNS = ("mlflow.user", "mlflow.source.git.commit", "mlflow.source.git.dirty")
RETRY_SECONDS = 2.0
"""Between two attempts to reach a store that does not answer."""


@dataclass(frozen=True, kw_only=True)
class UploadTarget:
    """Where the results of a sweep go; travels to workers."""

    parent: str
    """Run id of the sweep."""
    tags: Mapping[str, str] = field(default_factory=dict)
    """Of every run of the sweep: who ran it, from which commit."""
    data: bool = True
    """Whether the run of each cell names its data set, which costs 6 ms; the sweep's names all."""
    grouped: bool = False
    """Whether cells are logged in groups, see `sweep.tracking.grouped_runs`."""
    spool: Path
    """Folder for results that are not delivered yet."""
    maybe_logged: frozenset[str] = frozenset()
    """Ids of cells that may have a run already: others are not searched for."""
    failed: frozenset[str] = frozenset()
    """Ids of cells that an earlier attempt logged as FAILED."""
    most_steps: int = thinning.MOST_STEPS
    """Most generations of one cell that are sent as metrics."""
    patience: float = 300.0
    """Seconds to wait for a store that does not answer, once all is computed."""


def passed_on(tags: Mapping[str, str]) -> dict[str, str]:
    """The tags of a sweep's run that all runs below it have too."""
    return {key: value for key, value in tags.items() if key in OF_ALL_RUNS}


def run_spec(cell: Cell, target: UploadTarget, start_ms: int) -> RunSpec:
    return RunSpec(
        key=cell.id,
        kind="cell",
        name=cell.name,
        parent=target.parent,
        start_ms=start_ms,
        tags=target.tags,
        data=(dataset_of(cell),) if target.data else (),
    )


def log_points(cell: Cell, run: StartedRun, points: Sequence[Point], tracker: Tracker) -> None:
    """Send the points of a cell to its run, those that are in it already without effect.

    The same points at the same times add nothing. A speed is another number each
    time a cell is computed, so one that the run has is not sent.
    """
    there = {key: tracker.steps(run.id, key) for key in cell.kind.clocked if not run.new}
    fresh = [point for point in points if point.step not in there.get(point.key, ())]
    tracker.log(run.id, fresh, start_ms=run.start_ms, params=cell.params)


def upload(
    cell: Cell, result: spool.Result, target: UploadTarget, tracker: Tracker, *, new: bool = False
) -> None:
    """Log a result and forget it. Raises OutageError if the store does not answer.

    new: the cell has no run for certain, so none is searched for.
    """
    theory = theory_of(cell)
    run = tracker.start_run(run_spec(cell, target, result.start_ms), always_new=new)
    points = summary.points(cell, result.curves, theory, target.most_steps)
    points += summary.totals(cell, result.curves, theory)
    log_points(cell, run, points, tracker)
    tracker.log_artifact(run.id, spool.curves_file(target.spool, cell.id))
    for path in cell.kind.files(result.curves, target.spool / cell.id):
        tracker.log_artifact(run.id, path)
    # The end, too, is derived from what is stored, so that a replay is equal.
    end_ms = run.start_ms + max(1, round(1000 * result.seconds))
    tags: dict[str, str | None] = {"error": None} if cell.id in target.failed else {}
    if result.notes:
        tags["notes"] = "; ".join(result.notes)[:LONGEST_NOTES]
    tracker.end_run(run.id, "FINISHED", end_ms=end_ms, tags=tags)
    spool.remove(target.spool, cell.id)


def upload_group(
    members: Sequence[tuple[Cell, str | None]], target: UploadTarget, tracker: Tracker
) -> None:
    """Log cells as one run, those with a traceback as failed, and forget them.

    Raises OutageError if the store does not answer.
    """
    runs, results = [], {}
    for cell, trace in members:
        result = spool.read(target.spool, cell.id) if trace is None else None
        if result is None:
            error = (trace or "its result cannot be read").strip().splitlines()[-1][:500]
            runs.append(member_of_group(cell, [], "FAILED", {"error": error}))
            continue
        results[cell.id] = result
        theory = theory_of(cell)
        points = summary.points(cell, result.curves, theory, most=2)
        points += summary.totals(cell, result.curves, theory)
        runs.append(member_of_group(cell, points, "FINISHED", {}))
    start_ms = min((result.start_ms for result in results.values()), default=now_ms())
    key = hashlib.sha256(" ".join(run.key for run in runs).encode()).hexdigest()[:12]
    name = f"{groups.name(members[0][0])}, {len(members)} cells"
    run = tracker.start_run(
        RunSpec(
            key=key,
            kind="group",
            name=name,
            parent=target.parent,
            start_ms=start_ms,
            tags=target.tags,
            data=datasets_of([cell for cell, _ in members]),
        )
    )
    params = {k: v for k, v in runs[0].params.items() if all(r.params.get(k) == v for r in runs)}
    tracker.log(run.id, grouped_runs.points(runs), start_ms=run.start_ms, params=params)
    with tempfile.TemporaryDirectory(dir=target.spool) as folder:
        for cell_id in results:
            file = Path(folder) / f"{cell_id}.npz"
            os.link(spool.curves_file(target.spool, cell_id), file)
            tracker.log_artifact(run.id, file, "curves")
        for cell, trace in members:
            if trace is not None:
                file = Path(folder) / f"{cell.id}.txt"
                file.write_text(trace)
                tracker.log_artifact(run.id, file, grouped_runs.TRACEBACKS)
        # What is read back comes last.
        for path in reversed(grouped_runs.write(Path(folder), runs)):
            tracker.log_artifact(run.id, path)
    end_ms = run.start_ms + max(1, round(1000 * sum(r.seconds for r in results.values())))
    complete = len(results) == len(runs)
    tracker.end_run(run.id, "FINISHED" if complete else "FAILED", end_ms=end_ms)
    for cell, _ in members:
        spool.remove(target.spool, cell.id)


def log_failure(cell: Cell, target: UploadTarget, tracker: Tracker, trace: str) -> None:
    """Log a cell as FAILED, with the traceback as an artifact."""
    now = now_ms()
    run = tracker.start_run(run_spec(cell, target, now))
    tracker.log(run.id, [], start_ms=run.start_ms, params=cell.params)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "traceback.txt"
        path.write_text(trace)
        tracker.log_artifact(run.id, path)
    tracker.end_run(
        run.id, "FAILED", end_ms=now, tags={"error": trace.strip().splitlines()[-1][:500]}
    )


Ended = tuple[Cell, str | None]
"""A cell that is computed, or has failed with a traceback."""


@dataclass(kw_only=True)
class UploadQueue:
    """Results on their way to the store, in order."""

    target: UploadTarget
    tracker: Tracker
    waiting: deque[Ended] = field(default_factory=deque)
    _tried: set[str] = field(default_factory=set)
    _next_try: float = 0.0
    reason: str = ""
    """Why the last attempt failed."""

    def add(self, cell: Cell, trace: str | None = None) -> None:
        self.waiting.append((cell, trace))

    def send(self) -> Iterator[Ended]:
        """Send what waits, if the store answers; yields each cell with the trace it failed with."""
        while self.waiting and time.monotonic() >= self._next_try:
            try:
                yield self._send_first()
            except OutageError as error:
                self._wait(error)

    def send_group(self) -> Iterator[Ended]:
        """The same, all that waits as one group."""
        if self.waiting and time.monotonic() >= self._next_try:
            try:
                upload_group(list(self.waiting), self.target, self.tracker)
            except OutageError as error:
                self._wait(error)
            else:
                yield from self.waiting
                self.waiting.clear()

    def _wait(self, error: OutageError) -> None:
        self.reason, self._next_try = str(error), time.monotonic() + RETRY_SECONDS

    def _send_first(self) -> Ended:
        cell, trace = self.waiting[0]
        new = cell.id not in self.target.maybe_logged and cell.id not in self._tried
        # A long cell has been logged as it went.
        new = new and spool.started(self.target.spool, cell.id) is None
        self._tried.add(cell.id)  # even one that failed may have made a run
        if trace is None:
            result = spool.read(self.target.spool, cell.id)
            try:
                if result is None:
                    raise RuntimeError("the result cannot be read back from the spool")
                upload(cell, result, self.target, self.tracker, new=new)
            except OutageError:
                raise
            except Exception:  # the store refuses this one: say so in its stead
                trace = traceback.format_exc()
                self.waiting[0] = cell, trace
        if trace is not None:
            log_failure(cell, self.target, self.tracker, trace)
        self.waiting.popleft()
        return cell, trace

    def finish(self) -> Iterator[Ended | None]:
        """Send the rest, as long as patience lasts; None: nothing could be sent for a while."""
        deadline = time.monotonic() + self.target.patience
        while self.waiting:
            before = len(self.waiting)
            yield from self.send_group() if self.target.grouped else self.send()
            if len(self.waiting) < before:
                deadline = time.monotonic() + self.target.patience
            elif time.monotonic() > deadline:
                return
            if self.waiting:
                yield None
                time.sleep(0.2)  # the store cannot wake this process when it is back


def leftovers(folder: Path) -> Mapping[str, list[Cell]]:
    """Run id of a sweep -> its cells that are computed and not delivered, below a spool folder."""
    waiting: dict[str, list[Cell]] = {}
    for note in sorted(folder.glob("*/*/result.json"), key=lambda path: path.stat().st_mtime):
        params = spool.params(note)
        if params is not None:
            waiting.setdefault(note.parent.parent.name, []).append(cell_from_params(params))
    return waiting


def member_of_group(
    cell: Cell, points: Sequence[Point], status: str, tags: Mapping[str, str]
) -> Run:
    """A cell as its own run would have it; `run` is filled in when it is read."""
    last: dict[str, tuple[int, float]] = {}
    for point in points:
        if point.key not in last or point.step >= last[point.key][0]:
            last[point.key] = (point.step, point.value)
    return Run(
        id="",
        key=cell.id,
        status=status,
        params=cell.params,
        metrics={key: value for key, (_, value) in last.items()},
        tags=dict(tags),
        start_ms=0,
        curves=f"curves/{cell.id}.npz",
    )
