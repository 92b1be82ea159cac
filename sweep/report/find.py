"""The sweeps of a tracking store, and which of them somebody means."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from sweep.config.validate import ConfigError
from sweep.tracking.base import Run, Store, StoreError, Tracker
from sweep.tracking.connect import connect
from sweep.tracking.uri import redact

MOST_SWEEPS = 8
"""Sweeps of one page."""

Found = tuple[Tracker, Run]
"""The run of a sweep, and the tracker that knows it."""
Sweeps = Sequence[Found]


def sweeps(uri: str, experiment: str = "") -> Sweeps:
    """The sweeps of a store, of one MLflow experiment or of all. Raises StoreError."""
    from sweep.tracking import mlflow_tracker

    store = Store(kind="mlflow", uri=uri, experiment="", state=Path())
    if not store.exists():
        raise StoreError(f"tracking.uri: there is no store at {redact(uri)}")
    mlflow_tracker.probe(uri)
    found: list[tuple[Tracker, Run]] = []
    for name in [experiment] if experiment else mlflow_tracker.experiments(uri):
        tracker = connect(replace(store, experiment=name))
        found += [(tracker, row) for row in tracker.runs(None)]
    return found


def pick(found: Sweeps, asked: str) -> list[Found]:
    """The sweeps that names of experiments, or beginnings of ids, between commas name.

    Of an experiment it is the latest; all are all, and nothing is the latest of all.
    Of a sweep that was run anew, the latest run. Raises ConfigError.
    """
    latest = {row.key: (tracker, row) for tracker, row in sorted(found, key=_started)}
    known = f"this store has: {', '.join(sorted(latest)[:10]) or 'none'}"
    if not latest:
        raise ConfigError(f"sweep: got {asked!r}; {known}")
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
            raise ConfigError(f"sweep: got {name!r}; {known}")
        if len(matching) > 1:
            raise ConfigError(
                f"sweep: got {name!r}, which begins several: {', '.join(sorted(matching)[:10])}; "
                "write more of it"
            )
        picked.append(latest[matching[0]])
    if len(picked) > MOST_SWEEPS:
        raise ConfigError(f"sweep: got {len(picked)} ids; allowed: up to {MOST_SWEEPS} on a page")
    return list({row.key: (tracker, row) for tracker, row in picked}.values())


def choose(asked: str, found: Sweeps) -> Found:
    """The one sweep that is named; see `pick`. Raises ConfigError."""
    picked = pick(found, asked)
    if len(picked) > 1:
        raise ConfigError(f"sweep: got {asked!r}, which names {len(picked)}; allowed: one")
    return picked[0]


def _started(pair: Found) -> int:
    return pair[1].start_ms
