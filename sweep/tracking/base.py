"""The protocol of an experiment tracker, and the data that it takes and returns.

    start_run           find or create the run of a sweep, a group or a cell
    log                 send params and metric points; a replay adds nothing
    log_artifact        store a file
    set_tags            set and remove tags
    end_run             close a run with a status
    describe, arrange   set the text and the views of the experiment's pages, if it has any
    runs, steps, running, finished, download_artifact   read what is stored

A tracker is passed as an argument, never looked up. `Store` is its address: plain
data that is sent to a worker, where `sweep.tracking.connect` opens it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple, Protocol

Status = Literal["RUNNING", "FINISHED", "FAILED", "KILLED"]


class Point(NamedTuple):
    """One value of a metric at a step."""

    key: str
    step: int
    value: float


@dataclass(frozen=True, kw_only=True)
class Store:
    """Address of a store, with absolute paths."""

    kind: str
    """mlflow or memory."""
    uri: str
    """MLflow tracking URI; for memory, a folder that is deleted when the command ends."""
    experiment: str
    """Name of the experiment."""
    state: Path
    """Folder of this store for results that are computed but not delivered."""

    def exists(self) -> bool:
        """Return False if the store is certainly empty, for example a missing SQLite file."""
        if self.kind == "memory":
            return Path(self.uri).exists()
        return (
            not self.uri.startswith("sqlite:///")
            or Path(self.uri.removeprefix("sqlite:///")).exists()
        )


@dataclass(frozen=True, kw_only=True)
class DatasetInfo:
    """Description of p(0): an initial distribution, or a text."""

    name: str
    """Readable name."""
    digest: str
    """12 hex digits of a hash of everything that determines it."""
    facts: dict[str, str]
    """Its properties, such as family and support."""


@dataclass(frozen=True, kw_only=True)
class RunSpec:
    """Specification of a run; equal kind, key and parent mean the same run."""

    key: str
    """Id of the sweep or the cell."""
    kind: Literal["sweep", "group", "cell"]
    name: str
    """Readable name."""
    parent: str | None
    """Run id of the sweep that a cell or a group belongs to; None for a sweep."""
    start_ms: int
    """Start, milliseconds since 1970."""
    tags: Mapping[str, str] = field(default_factory=dict)
    data: Sequence[DatasetInfo] = ()


class StartedRun(NamedTuple):
    """A run that is open for writing."""

    id: str
    start_ms: int
    """Start as the store has it, milliseconds since 1970; times of points derive from it."""
    new: bool
    """Whether it was just created, and so is empty."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """A run as it is stored."""

    id: str
    key: str
    status: str
    params: dict[str, str]
    metrics: dict[str, float]
    """Last value of each metric."""
    tags: dict[str, str]
    start_ms: int
    curves: str = "curves.npz"
    """Name of the artifact with the curves."""


class Tracker(Protocol):
    """All methods except `download_artifact` raise OutageError if the store does not answer."""

    def start_run(self, spec: RunSpec, *, always_new: bool = False) -> StartedRun:
        """Find the run with this kind, key and parent, or create it; `always_new`: only create."""
        ...

    def log(
        self,
        run: str,
        points: Sequence[Point],
        *,
        start_ms: int,
        params: Mapping[str, str] | None = None,
    ) -> None:
        """Send points and params; the time of a point is start_ms + step.

        start_ms: the start of the run, see `StartedRun`, so that a replay adds nothing.
        """
        ...

    def log_artifact(self, run: str, path: Path, folder: str | None = None) -> None:
        """Store a file as an artifact of the run, in a folder if one is given."""
        ...

    def set_tags(self, run: str, tags: Mapping[str, str | None]) -> None:
        """Set tags; None removes one."""
        ...

    def describe(self, text: str) -> None:
        """Set the description of the experiment, in Markdown."""
        ...

    def arrange(self, views: Mapping[str, str]) -> str:
        """Save views of the experiment, and return the path of its page of runs.

        views: key -> packed view, see `sweep.report.mlflow_views`. The path is relative to
        the address of the store's pages, and empty if the store has none.
        """
        ...

    def end_run(
        self, run: str, status: Status, *, end_ms: int, tags: Mapping[str, str | None] | None = None
    ) -> None:
        """Set tags and the status; RUNNING reopens the run. end_ms: milliseconds since 1970."""
        ...

    def runs(self, parent: str | None, key: str | None = None) -> list[Run]:
        """Return the cells of a sweep (if a parent is given) or all sweeps, latest first.

        key: only runs with this key. Cells that are logged as a group are included, as if
        each had its own run.
        """
        ...

    def steps(self, run: str, key: str) -> set[int]:
        """Return the steps at which the run has a value of the metric."""
        ...

    def running(self, parent: str) -> list[str]:
        """Return the ids of the runs of a sweep (cells and groups) that have not ended."""
        ...

    def finished(self) -> dict[str, Run]:
        """Return cell id -> run for the finished cells of all sweeps of the experiment."""
        ...

    def download_artifact(self, run: str, artifact: str, folder: Path) -> Path:
        """Return a local copy of an artifact. Raises FileNotFoundError if it cannot be loaded."""
        ...


class OutageError(RuntimeError):
    """The store does not answer, or cannot write at the moment; it may recover."""


class StoreError(RuntimeError):
    """The store cannot be opened; the message is one line for the user."""
