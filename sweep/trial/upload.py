"""Send results from the spool to the tracker, each exactly once, even across an outage.

A result stays on disk until the tracker has all of it. While the store does not
answer, results wait in the order in which they were computed, and computing
continues.
"""

import contextlib
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
from sweep.cells.kinds import UnknownKindError, cell_from_params
from sweep.results import summary
from sweep.results.dataset import dataset_of, datasets_of
from sweep.results.theory import theory_of
from sweep.storage.clock import now_ms
from sweep.tracking import grouped_runs
from sweep.tracking.base import OutageError, Point, Run, RunSpec, StartedRun, Tracker
from sweep.trial import spool

LONGEST_NOTES = 4000
"""Most characters of the tag `notes`."""
OF_ALL_RUNS = ("mlflow.user", "mlflow.source.git.commit", "mlflow.source.git.dirty")
"""Tags that every run of a sweep has."""
RETRY_SECONDS = 2.0
"""Time between two attempts to reach a store that does not answer."""


@dataclass(frozen=True, kw_only=True)
class UploadTarget:
    """Where the results of a sweep go; it is sent to workers."""

    parent: str
    """Run id of the sweep."""
    tags: Mapping[str, str] = field(default_factory=dict)
    """Tags of every run of the sweep: user and commit."""
    data: bool = True
    """Whether each cell lists its data set in its run, which costs 6 ms; the sweep lists all."""
    grouped: bool = False
    """Whether cells are logged in groups, see `sweep.tracking.grouped_runs`."""
    spool: Path
    """Folder for results that are not yet delivered."""
    maybe_logged: frozenset[str] = frozenset()
    """Ids of cells that may already have a run; runs of other cells are not searched for."""
    failed: frozenset[str] = frozenset()
    """Ids of cells that an earlier attempt logged as FAILED."""
    most_steps: int = thinning.MOST_STEPS
    """Most generations of a cell whose metrics are sent."""
    patience: float = 300.0
    """Seconds to wait for a store that does not answer, after everything is computed."""


def passed_on(tags: Mapping[str, str]) -> dict[str, str]:
    """Select the tags of a sweep that its cells and groups inherit."""
    return {key: value for key, value in tags.items() if key in OF_ALL_RUNS}


def run_spec(cell: Cell, target: UploadTarget, start_ms: int) -> RunSpec:
    """Specify the run of a cell; start_ms: milliseconds since 1970."""
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
    """Send the points of a cell to its run; points that the run already has are not duplicated.

    The same point at the same time adds nothing. Metrics that depend on the clock differ
    each time a cell is computed, so their steps that the run has are not sent.
    Raises OutageError if the store does not answer.
    """
    sent = {point.key for point in points} & set(cell.kind.clocked)
    there = {key: tracker.steps(run.id, key) for key in sent if not run.new}
    fresh = [point for point in points if point.step not in there.get(point.key, ())]
    tracker.log(run.id, fresh, start_ms=run.start_ms, params=cell.params)


def upload(
    cell: Cell, result: spool.Result, target: UploadTarget, tracker: Tracker, *, new: bool = False
) -> None:
    """Log a result and delete it from the spool. Raises OutageError if the store does not answer.

    new: the cell certainly has no run, so none is searched for.
    """
    theory = theory_of(cell)
    run = tracker.start_run(run_spec(cell, target, result.start_ms), always_new=new)
    points = summary.points(cell, result.curves, theory, target.most_steps)
    points += summary.totals(cell, result.curves, theory)
    log_points(cell, run, points, tracker)
    tracker.log_artifact(run.id, spool.curves_file(target.spool, cell.id))
    for path in cell.kind.files(result.curves, target.spool / cell.id):
        tracker.log_artifact(run.id, path)
    # The end derives from the stored duration too, so that a replay is identical.
    # A cell that is tried again later ends later than its run began.
    end_ms = max(run.start_ms, result.start_ms) + max(1, round(1000 * result.seconds))
    tags: dict[str, str | None] = {"error": None} if cell.id in target.failed else {}
    if result.notes:
        tags["notes"] = "; ".join(result.notes)[:LONGEST_NOTES]
    tracker.end_run(run.id, "FINISHED", end_ms=end_ms, tags=tags)
    spool.remove(target.spool, cell.id)


def upload_group(
    members: Sequence[tuple[Cell, str | None]], target: UploadTarget, tracker: Tracker
) -> None:
    """Log cells as one run, those with a traceback as failed, and delete their results.

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
        # The file that is read back comes last.
        for path in reversed(grouped_runs.write(Path(folder), runs)):
            tracker.log_artifact(run.id, path)
    end_ms = run.start_ms + max(1, round(1000 * sum(r.seconds for r in results.values())))
    complete = len(results) == len(runs)
    tracker.end_run(run.id, "FINISHED" if complete else "FAILED", end_ms=end_ms)
    for cell, _ in members:
        spool.remove(target.spool, cell.id)


def log_failure(cell: Cell, target: UploadTarget, tracker: Tracker, trace: str) -> None:
    """Log a cell as FAILED, with the traceback as an artifact. Raises OutageError."""
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
"""A cell with None if it was computed, or with the traceback if it failed."""


@dataclass(kw_only=True)
class UploadQueue:
    """Results that wait to be sent to the store, in order."""

    target: UploadTarget
    tracker: Tracker
    waiting: deque[Ended] = field(default_factory=deque)
    _tried: set[str] = field(default_factory=set)
    _next_try: float = 0.0
    reason: str = ""
    """Why the last attempt failed."""

    def add(self, cell: Cell, trace: str | None = None) -> None:
        """Append a computed cell, or a failed one with its traceback."""
        self.waiting.append((cell, trace))

    def send(self) -> Iterator[Ended]:
        """Send the waiting cells if the store answers; yields each one that is sent."""
        while self.waiting and time.monotonic() >= self._next_try:
            try:
                yield self._send_first()
            except OutageError as error:
                self._wait(error)

    def send_group(self) -> Iterator[Ended]:
        """Send all waiting cells as one group; yields like `send`."""
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
        # A long cell is logged while it runs.
        new = new and spool.started(self.target.spool, cell.id) is None
        self._tried.add(cell.id)  # even a failed attempt may have created a run
        if trace is None:
            result = spool.read(self.target.spool, cell.id)
            try:
                if result is None:
                    raise RuntimeError("the result cannot be read back from the spool")
                upload(cell, result, self.target, self.tracker, new=new)
            except OutageError:
                raise
            except Exception:  # the store refuses the result: log that instead
                trace = traceback.format_exc()
                self.waiting[0] = cell, trace
        if trace is not None:
            log_failure(cell, self.target, self.tracker, trace)
        self.waiting.popleft()
        return cell, trace

    def finish(self) -> Iterator[Ended | None]:
        """Send the rest until patience runs out; yields cells sent, and None while some wait."""
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
                time.sleep(0.2)  # the store cannot wake this process when it recovers


def leftovers(folder: Path) -> Mapping[str, list[Cell]]:
    """Return run id of a sweep -> its undelivered cells, oldest first, below a spool folder."""
    waiting: dict[str, list[Cell]] = {}
    for note in sorted(folder.glob("*/*/result.json"), key=lambda path: path.stat().st_mtime):
        params = spool.params(note)
        if params is not None:
            with contextlib.suppress(UnknownKindError):  # left to the version that has its kind
                cell = cell_from_params(params)
                waiting.setdefault(note.parent.parent.name, []).append(cell)
    return waiting


def member_of_group(
    cell: Cell, points: Sequence[Point], status: str, tags: Mapping[str, str]
) -> Run:
    """Describe a cell as if it had its own run; the id is filled in when it is read back."""
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
