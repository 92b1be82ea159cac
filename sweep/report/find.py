"""The sweeps of a tracking store, and how users select among them."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from sweep.config.validate import ConfigError
from sweep.tracking.base import Run, Store, StoreError, Tracker
from sweep.tracking.connect import connect
from sweep.tracking.uri import redact

MOST_SWEEPS = 8
"""Most sweeps on one page."""

StoredSweep = tuple[Tracker, Run]
"""A tracker, and the run of a sweep that it stores."""
Sweeps = Sequence[StoredSweep]


def sweeps(uri: str, experiment: str = "") -> Sweeps:
    """The sweeps of one MLflow experiment, or of all in the store. Raises StoreError."""
    from sweep.tracking import mlflow_tracker

    store = Store(kind="mlflow", uri=uri, experiment="", state=Path())
    if not store.exists():
        raise StoreError(f"tracking.uri: there is no store at {redact(uri)}")
    mlflow_tracker.probe(uri)
    of_store: list[tuple[Tracker, Run]] = []
    for name in [experiment] if experiment else mlflow_tracker.experiments(uri):
        tracker = connect(replace(store, experiment=name))
        of_store += [(tracker, run) for run in tracker.runs(None)]
    return of_store


def pick(stored: Sweeps, asked: str) -> list[StoredSweep]:
    """The sweeps that the user asked for: names of experiments, or beginnings of ids, with commas.

    An experiment stands for its latest sweep, "all" for all sweeps, and "" for the latest of all.
    If a sweep was run again, its latest run counts. Raises ConfigError.
    """
    latest = {run.key: (tracker, run) for tracker, run in sorted(stored, key=_started)}
    choices = f"this store has: {', '.join(sorted(latest)[:10]) or 'none'}"
    if not latest:
        raise ConfigError(f"sweep: got {asked!r}; {choices}")
    if asked == "":
        return [max(latest.values(), key=_started)]
    if asked == "all":
        if len(latest) > MOST_SWEEPS:
            raise ConfigError(
                f"sweep: all are {len(latest)} here; allowed: up to {MOST_SWEEPS} on a page; "
                "name them, sweep=ID1,ID2, or give tracking.experiment=NAME"
            )
        return list(latest.values())
    picked = []
    for name in dict.fromkeys(asked.split(",")):
        named = [pair for pair in latest.values() if pair[1].tags.get("experiment") == name]
        if named:
            picked.append(max(named, key=_started))
            continue
        matching = [key for key in latest if name and key.startswith(name)]
        if not matching:
            raise ConfigError(f"sweep: got {name!r}; {choices}")
        if len(matching) > 1:
            raise ConfigError(
                f"sweep: got {name!r}, which begins several: {', '.join(sorted(matching)[:10])}; "
                "write more of it"
            )
        picked.append(latest[matching[0]])
    if len(picked) > MOST_SWEEPS:
        raise ConfigError(f"sweep: got {len(picked)} ids; allowed: up to {MOST_SWEEPS} on a page")
    return list({run.key: (tracker, run) for tracker, run in picked}.values())


def choose(asked: str, stored: Sweeps) -> StoredSweep:
    """The sweep that the user asked for, which must be a single one; see `pick`.

    Raises ConfigError.
    """
    picked = pick(stored, asked)
    if len(picked) > 1:
        raise ConfigError(f"sweep: got {asked!r}, which names {len(picked)}; allowed: one")
    return picked[0]


def _started(pair: StoredSweep) -> int:
    return pair[1].start_ms
