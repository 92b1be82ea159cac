"""`dry_run=true`: what a sweep will run, what that costs, and which cells are finished."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from sweep.cells.cell import Cell
from sweep.config.schema import Settings
from sweep.config.validate import ConfigError
from sweep.search.base import Search
from sweep.tracking.base import Store, StoreError
from sweep.tracking.connect import connect


def plan(settings: Settings, search: Search[Any], store: Store) -> str:
    """Return the plan as text. Nothing is created or run.

    A cell is done, there (finished by another sweep, whose result will be taken), partial
    (started, will be resumed), to do, or stale (finished by a version of the program with
    other bits).
    """
    states = {}
    if search.one_round and not settings.force:
        states = _states(search.ask({}), search.sweep_id(settings.name), store)
    return f"{textwrap.fill(settings.purpose, 80)}\n{search.plan(states)}"


def _states(cells: Sequence[Cell], sweep: str, store: Store) -> dict[str, str]:
    """Map cell ids to the state of each cell in the store; sweep: id of their sweep."""
    if not store.exists():
        return {}
    try:
        tracker = connect(store)
    except StoreError as error:
        raise ConfigError(str(error)) from None
    finished = tracker.finished()
    outdated = {_without_id(run.params) for run in finished.values()}
    states = {c.id: "stale" for c in cells if _without_id(c.params) in outdated}
    states |= {cell.id: "there" for cell in cells if cell.id in finished}
    for parent in tracker.runs(None, sweep)[:1]:
        for run in tracker.runs(parent.id):
            if run.status != "FAILED":
                states[run.key] = "done" if run.status == "FINISHED" else "partial"
        for path in (store.state / "spool" / parent.id).glob("*"):
            if states.get(path.name) != "done":
                states[path.name] = "partial"
    return states


def _without_id(params: Mapping[str, str]) -> frozenset[tuple[str, str]]:
    return frozenset((key, value) for key, value in params.items() if key != "cell")
