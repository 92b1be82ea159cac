"""What a sweep needs of an experiment tracker: a few verbs, and where they lead.

    begin    find or create the run of a sweep or a cell
    log      send metric points, again if need be: a replay adds nothing
    attach   store a file as an artifact
    label    set tags of a run
    end      close a run with a status
    describe, arrange   what the pages of the experiment say and show, if it has any
    read     everything a store holds of a sweep

A tracker is passed in, never looked up. `Store` is its address: plain data that
travels to a worker, where `connect` opens it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple, Protocol

Status = Literal["RUNNING", "FINISHED", "FAILED", "KILLED"]


class Point(NamedTuple):
    """One value of one metric."""

    key: str
    step: int
    value: float


@dataclass(frozen=True, kw_only=True)
class Store:
    """The address of a store, with every path absolute."""

    kind: str
    """mlflow or memory."""
    uri: str
    """MLflow tracking URI; for memory, a folder that goes when the command ends."""
    experiment: str
    """Name of the experiment."""
    state: Path
    """Folder, belonging to this store, for what is computed but not delivered."""

    def exists(self) -> bool:
        """False if there is certainly nothing in it: a SQLite file that is not there."""
        if self.kind == "memory":
            return Path(self.uri).exists()
        return (
            not self.uri.startswith("sqlite:///")
            or Path(self.uri.removeprefix("sqlite:///")).exists()
        )


@dataclass(frozen=True, kw_only=True)
class DatasetInfo:
    """What p(0) is: an initial law, or a text."""

    name: str
    """For people."""
    digest: str
    """12 hex digits, of all that determines it."""
    facts: dict[str, str]
    """What it is made of."""


@dataclass(frozen=True, kw_only=True)
class RunSpec:
    """What a run is; two runs with the same key and parent are the same run."""

    key: str
    """Id of the sweep or the cell."""
    kind: Literal["sweep", "group", "cell"]
    name: str
    """For people."""
    parent: str | None
    """Run id of the sweep a cell belongs to."""
    start_ms: int
    tags: Mapping[str, str] = field(default_factory=dict)
    data: Sequence[DatasetInfo] = ()


class StartedRun(NamedTuple):
    """A run that is open for writing."""

    id: str
    start_ms: int
    """Its own start as the store has it: the times of all its points derive from that."""
    new: bool
    """Whether it was made now, so that nothing is in it yet."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """A run as the store has it."""

    id: str
    key: str
    status: str
    params: dict[str, str]
    metrics: dict[str, float]
    """Last value of each metric."""
    tags: dict[str, str]
    start_ms: int
    curves: str = "curves.npz"
    """Which artifact of the run holds the curves."""


class Tracker(Protocol):
    """Every verb raises OutageError where the store does not answer."""

    def start_run(self, spec: RunSpec, *, always_new: bool = False) -> StartedRun:
        """A new run, or the existing one with this key and parent unless `always_new`."""
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

        start_ms: that of the run, see `StartedRun`, so that a replay adds nothing.
        """
        ...

    def log_artifact(self, run: str, path: Path, folder: str | None = None) -> None: ...

    def set_tags(self, run: str, tags: Mapping[str, str | None]) -> None:
        """Set tags; None removes one."""
        ...

    def describe(self, text: str) -> None:
        """Say in Markdown what the experiment is."""
        ...

    def arrange(self, views: Mapping[str, str]) -> str:
        """Keep views of the experiment, and return the path of the page of runs.

        views: key -> what `sweep.report.mlflow_views` packs.
        The path is relative to the address of the store's pages, and empty if it has none.
        """
        ...

    def end_run(
        self, run: str, status: Status, *, end_ms: int, tags: Mapping[str, str | None] | None = None
    ) -> None:
        """Set tags, and close the run, or open it again with RUNNING."""
        ...

    def runs(self, parent: str | None, key: str | None = None) -> list[Run]:
        """The cells of a sweep (parent given), or the sweeps, latest first; of one key if given.

        Cells that are logged as a group are there like those with a run of their own.
        """
        ...

    def steps(self, run: str, key: str) -> set[int]:
        """The steps at which a run has a value of a metric."""
        ...

    def running(self, parent: str) -> list[str]:
        """Ids of the runs below a sweep's that have not ended."""
        ...

    def finished(self) -> dict[str, Run]:
        """Cell id -> run, of the finished cells of every sweep of the experiment."""
        ...

    def download_artifact(self, run: str, artifact: str, folder: Path) -> Path:
        """A local copy of an artifact; FileNotFoundError if the run has none of that name."""
        ...


class OutageError(RuntimeError):
    """The store does not answer, or cannot write now; later it may."""


class StoreError(RuntimeError):
    """The store cannot be opened; the message is one line for the user."""
