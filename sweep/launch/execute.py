"""The story of one sweep: open the store, run what is not finished, report."""

import contextlib
import getpass
import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sweep.cells.cell import Cell, sweep_id
from sweep.config.schema import Settings
from sweep.config.validate import ConfigError
from sweep.launch.session import opened
from sweep.results.dataset import datasets_of
from sweep.storage.clock import now_ms
from sweep.tracking import provenance
from sweep.tracking.base import Run, RunSpec, Store, StoreError, Tracker

LONGEST = 4000
"""Characters of a tag or param of the sweep's run; MLflow cuts at 6,000 to 8,000, unsaid."""


@dataclass(frozen=True, kw_only=True)
class Finished:
    """A sweep whose cells have all ended; its own run is still open."""

    tracker: Tracker
    parent: Run
    """The run of the sweep."""
    rows: list[Run]
    """The runs of its cells."""
    new: int
    """How many cells were run now; the others had been finished before."""
    words: list[str] = field(default_factory=list)
    """What a search has to say."""


def check(settings: Settings) -> None:
    """Refuse what this machine cannot give; a trial would wait for ever. Raises ConfigError."""
    cluster = settings.cluster
    if settings.gpt is not None and settings.gpt.device == "cuda" and cluster.kind != "ray":
        from models.gpt.device import choose

        try:
            choose("auto", "cuda")
        except ValueError as error:
            raise ConfigError(f"model.{error}") from None
    together = cluster.workers_per_trial
    if cluster.kind == "inline" and together > 1 and settings.gpt and settings.gpt.device != "cpu":
        from models.gpt.device import gpus

        if 0 < gpus() < together:
            raise ConfigError(
                f"cluster.workers_per_trial: got {together}; allowed: up to {gpus()}, the GPUs of "
                "this machine, or any number on its cores with model.device=cpu"
            )
    usable = cluster.num_cpus or os.cpu_count() or 1
    if cluster.kind == "local" and cluster.cpus > usable:
        raise ConfigError(
            f"{cluster.asks_for_cpus}; allowed: 1 to {usable}, the cores that Ray may use here"
        )
    if cluster.storage and not settings.dry_run and not cluster.storage.is_dir():
        raise ConfigError(
            f"cluster.storage: got {cluster.storage}, which is no folder here; allowed: a folder "
            "that every node sees, this one too"
        )


@contextlib.contextmanager
def store(settings: Settings) -> Iterator[Store]:
    """The address of the store, probed; a memory store goes when the context ends.

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
    cells: Sequence[Cell],
    address: Store,
    *,
    command: str,
    commit: str,
    text: str | None = None,
) -> Iterator[Finished]:
    """Run every cell that is not finished in the store; the sweep is locked in the context.

    text: the corpus, if the cells need one.

    Raises InterruptedSweepError on Ctrl-C, ConfigError if the sweep is running already or
    the store refuses it, and OutageError if the store has gone and results wait on disk.
    """
    identifier = sweep_id(settings.name, list(cells))
    identity = sweep_run_spec(settings, cells, identifier, command, commit)
    with opened(settings, address, identity, text=text) as session:
        session.tracker.log(
            session.parent, [], start_ms=0, params=params_of(settings) | {"cells": str(len(cells))}
        )
        rows, new = session.run(cells)
        session.release()
        yield Finished(tracker=session.tracker, parent=session.own(), rows=rows, new=new)


def sweep_run_spec(
    settings: Settings, cells: Sequence[Cell], key: str, command: str, commit: str
) -> RunSpec:
    """The run of a sweep with that key; cells: what it learns from is recorded with it."""
    tags = {
        "mlflow.note.content": settings.purpose,  # until there is a report
        "purpose": settings.purpose,
        "experiment": settings.name,
        "figure": settings.figure,
        "environment": provenance.describe(
            *(["ray"] if settings.cluster.kind != "inline" else []),
            *(["torch"] if settings.gpt is not None else []),
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
    """The axes as text; a long one is cut, config.yaml has it whole."""
    grid = settings.grid
    axes = {
        "schedule": grid.schedule, "n": grid.n, "N": grid.N, "K": grid.K, "S0": grid.S0,
        "zip": grid.zip, "alpha": grid.alpha, "total": grid.total,
    }  # fmt: skip
    shown = {key: ", ".join(map(str, values)) for key, values in axes.items() if values}
    shown = {k: v if len(v) <= LONGEST else v[:LONGEST] + " .." for k, v in shown.items()}
    return shown
