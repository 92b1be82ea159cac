"""One sweep from its store to its finished cells: every round that its search asks for."""

import contextlib
import getpass
import os
import sys
import tempfile
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sweep.cells.axes import AXES
from sweep.cells.cell import Cell
from sweep.cells.outcome import Curves
from sweep.config.schema import Settings
from sweep.config.validate import ConfigError
from sweep.grid import cost
from sweep.launch.session import Session, opened
from sweep.results import arrays
from sweep.results.dataset import datasets_of
from sweep.search.base import Load, Search
from sweep.storage.clock import now_ms
from sweep.tracking import provenance
from sweep.tracking.base import Point, Run, RunSpec, Store, StoreError, Tracker

LONGEST = 4000
"""Characters of a tag or param of the sweep's run; MLflow silently cuts at 6,000 to 8,000."""
HERE_SECONDS = 3.0
"""Rounds estimated to be shorter run in this process, since dispatch would take as long."""


@dataclass(frozen=True, kw_only=True)
class Finished:
    """A sweep whose cells have all ended; the run of the sweep is still open."""

    tracker: Tracker
    parent: Run
    """The run of the sweep."""
    runs: list[Run]
    """The runs of its cells."""
    cells: int
    """Number of cells."""
    new: int
    """Number of cells that were run now; the others had been finished earlier."""
    messages: list[str]
    """Lines of the search, for the terminal."""


def check(settings: Settings) -> None:
    """Raise ConfigError for resources that this machine lacks; a trial would wait forever."""
    cluster = settings.cluster
    device = settings.model_section.device_name
    if device == "cuda" and cluster.kind != "ray":
        from sweep.models.gpt.device import choose

        try:
            choose("auto", "cuda")
        except ValueError as error:
            raise ConfigError(f"model.{error}") from None
    workers = cluster.workers_per_trial
    if cluster.kind == "inline" and workers > 1 and device != "cpu":
        from sweep.models.gpt.device import gpus

        if 0 < gpus() < workers:
            raise ConfigError(
                f"cluster.workers_per_trial: got {workers}; allowed: up to {gpus()}, the GPUs of "
                "this machine, or any number on its cores with model.device=cpu"
            )
    usable = cluster.num_cpus or os.cpu_count() or 1
    if cluster.kind == "local" and cluster.cpus > usable:
        raise ConfigError(
            f"{cluster.asks_for_cpus}; allowed: 1 to {usable}, the cores that Ray may use here"
        )
    if cluster.storage and not settings.dry_run and not cluster.storage.is_dir():
        raise ConfigError(
            f"cluster.storage: got {cluster.storage}, which is not a folder on this machine; "
            "allowed: a folder that every node sees, including this one"
        )


@contextlib.contextmanager
def open_store(settings: Settings) -> Iterator[Store]:
    """Probe the store; a memory store is deleted when the context ends.

    Raises ConfigError if it cannot be opened.
    """
    if settings.tracking.kind == "memory":
        with tempfile.TemporaryDirectory(prefix="sweep-") as folder:
            yield Store(
                kind="memory",
                uri=str(Path(folder) / "runs"),
                experiment=settings.tracking.experiment,
                state=Path(folder) / "state",
            )
        return
    from sweep.tracking import mlflow_tracker
    from sweep.tracking.uri import absolute, state_folder

    assert settings.tracking.uri is not None
    try:
        uri = absolute(settings.tracking.uri)
        mlflow_tracker.probe(uri)
    except StoreError as error:
        raise ConfigError(str(error)) from None
    yield Store(
        kind="mlflow",
        uri=uri,
        experiment=settings.tracking.experiment,
        state=state_folder(uri, settings.cluster.storage or Path()),
    )


@contextlib.contextmanager
def execute(
    settings: Settings,
    search: Search[Any],
    store: Store,
    *,
    command: str,
    commit: str,
    text: str | None = None,
) -> Iterator[Finished]:
    """Run the cells that the search asks for, until it is finished or a cell fails.

    Finished cells are taken from the store; the sweep is locked in the context.
    text: the corpus, if the cells need one.

    Raises InterruptedSweepError on Ctrl-C, ConfigError if the sweep is already running or the
    store refuses it, and OutageError if the store does not answer and results wait on disk.
    """
    first = search.ask({})
    key = search.sweep_id(settings.name)
    spec = sweep_run_spec(settings, first, key, command, commit)
    params = params_of(settings)
    if search.one_round:
        params["cells"] = str(len(first))
    with opened(settings, store, spec, one_round=search.one_round, text=text) as session:
        tracker, parent = session.tracker, session.parent
        tracker.log(parent, [], start_ms=0, params=params)
        rounds = _run_rounds(search, session)
        session.release()
        if not search.one_round:
            progress = "the search is finished; computing the theory"
            print(progress, file=sys.stderr, flush=True)
        _save(search, rounds.results, session)
        yield Finished(
            tracker=tracker,
            parent=session.sweep_run(),
            runs=rounds.runs,
            cells=len(rounds.cells),
            new=rounds.new,
            messages=search.messages(rounds.results),
        )


@dataclass(kw_only=True)
class _Rounds:
    """The outcome of the rounds of a search so far."""

    runs: list[Run] = field(default_factory=list)
    """All runs of the sweep."""
    cells: set[str] = field(default_factory=set)
    """Ids of the cells asked for, and of those that an earlier start has run."""
    new: int = 0
    """Number of cells that were run now."""
    results: dict[str, Any] = field(default_factory=dict)
    """Cell id -> what the search extracts from it."""


def _run_rounds(search: Search[Any], session: Session) -> _Rounds:
    rounds = _Rounds()
    for number in range(1, 10**9):
        asked = search.ask(rounds.results)
        if not asked:
            break
        state = search.state(rounds.results)
        title = f"round {number}, {state}" if state else ""
        rounds.runs, new = session.run(asked, here=_runs_here(search, asked), title=title)
        rounds.new += new
        rounds.cells |= {cell.id for cell in asked} | {run.key for run in rounds.runs}
        finished = {run.key: run for run in rounds.runs if run.status == "FINISHED"}
        for cell in asked:
            if cell.id in finished:
                run = finished[cell.id]
                rounds.results[cell.id] = search.value(cell, run, _loader(session, run))
        if not all(cell.id in finished for cell in asked):
            break  # failed cells would be asked for again
    return rounds


def _runs_here(search: Search[Any], asked: Sequence[Cell]) -> bool:
    """Whether a round runs in this process: it is short, and Ray has not been started for it."""
    if search.one_round or any(cell.kind.trains_network for cell in asked):
        return False
    return sum(map(cost.seconds, asked)) < HERE_SECONDS


def _loader(session: Session, run: Run) -> Load:
    def load(names: Collection[str]) -> Curves:
        with tempfile.TemporaryDirectory() as folder:
            return arrays.load(
                session.tracker.download_artifact(run.id, run.curves, Path(folder)), names
            )

    return load


def _save(search: Search[Any], results: dict[str, Any], session: Session) -> None:
    """Log the files and the metrics of a search to the run of the sweep."""
    with tempfile.TemporaryDirectory() as folder:
        metrics = search.save(results, Path(folder))
        for path in sorted(Path(folder).iterdir()):
            session.tracker.log_artifact(session.parent, path)
    if metrics:
        # MLflow shows the largest of the points of a step, so later results have a later step.
        points = [Point(name, len(results), value) for name, value in metrics.items()]
        start_ms = session.sweep_run().start_ms
        session.tracker.log(session.parent, points, start_ms=start_ms)


def sweep_run_spec(
    settings: Settings, cells: Sequence[Cell], key: str, command: str, commit: str
) -> RunSpec:
    """Describe the run of the sweep with this key, with the datasets of the cells."""
    tags = {
        "mlflow.note.content": settings.purpose,  # until there is a report
        "purpose": settings.purpose,
        "experiment": settings.name,
        "figure": settings.figure,
        "environment": provenance.describe(
            *(["ray"] if settings.cluster.kind != "inline" else []),
            *settings.model_section.packages,
        ),
        "command": command if len(command) <= LONGEST else command[:LONGEST] + " .. (config.yaml)",
    }
    with contextlib.suppress(KeyError, OSError):  # a user id without a name
        tags["mlflow.user"] = getpass.getuser()
    if commit:
        tags["mlflow.source.git.commit"], *changed = commit.split(" ", 1)
        tags["mlflow.source.git.dirty"] = str(bool(changed)).lower()
    return RunSpec(
        key=key,
        kind="sweep",
        name=f"{settings.name} {key[:6]}",
        parent=None,
        start_ms=now_ms(),
        tags=tags,
        data=datasets_of(cells),
    )


def params_of(settings: Settings) -> dict[str, str]:
    """Return the axes as text; a long axis is cut, and complete in config.yaml."""
    grid = settings.grid
    axes = {
        "schedule": grid.schedule, **{axis: grid.values(axis) for axis in AXES}, "zip": grid.zip,
        "alpha": grid.alpha, "total": grid.total,
    }  # fmt: skip
    shown = {key: ", ".join(map(str, values)) for key, values in axes.items() if values}
    shown = {k: v if len(v) <= LONGEST else v[:LONGEST] + " .." for k, v in shown.items()}
    return shown
