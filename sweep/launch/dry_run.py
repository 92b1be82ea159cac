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


def plan(settings: Settings, search: Search[Any], address: Store) -> str:
    """The plan as text. Nothing is created or run.

    A cell is done, or there (another sweep has finished it, and its result will be
    taken), partial (begun, and to be resumed), to do, or stale: done by a version of
    the program that gave other bits.
    """
    states = {}
    if search.one_round and not settings.force:
        states = _states(search.ask({}), search.sweep_id(settings.name), address)
    return f"{textwrap.fill(settings.purpose, 80)}\n{search.plan(states)}"


def _states(cells: Sequence[Cell], sweep: str, address: Store) -> dict[str, str]:
    """Cell id -> what the store holds of it; sweep: id of theirs."""
    if not address.exists():
        return {}
    try:
        tracker = connect(address)
    except StoreError as error:
        raise ConfigError(str(error)) from None
    finished = tracker.finished()
    old = {_without_id(row.params) for row in finished.values()}
    states = {c.id: "stale" for c in cells if _without_id(c.params) in old}
    states |= {cell.id: "there" for cell in cells if cell.id in finished}
    for parent in tracker.runs(None, sweep)[:1]:
        for row in tracker.runs(parent.id):
            if row.status != "FAILED":
                states[row.key] = "done" if row.status == "FINISHED" else "partial"
        for path in (address.state / "spool" / parent.id).glob("*"):
            if states.get(path.name) != "done":
                states[path.name] = "partial"
    return states


def _without_id(params: Mapping[str, str]) -> frozenset[tuple[str, str]]:
    return frozenset((key, value) for key, value in params.items() if key != "cell")
