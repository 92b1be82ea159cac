"""`dry_run=true`: which cells a sweep has, what they cost, and which are finished."""

import textwrap
from collections.abc import Mapping, Sequence

from sweep.cells import thinning
from sweep.cells.cell import Cell, sweep_id
from sweep.config.schema import Settings
from sweep.config.validate import ConfigError
from sweep.grid import cost
from sweep.tracking.base import Store, StoreError
from sweep.tracking.connect import connect


def plan(settings: Settings, cells: Sequence[Cell], address: Store) -> str:
    """The plan as text. Nothing is created or run.

    A cell is done, or done by another sweep whose result will be taken, partial
    (begun, and gone on with), to do, or stale: done by a version of the program
    that gave other bits.
    """
    states = {} if settings.force else _states(settings, cells, address)
    shown = thinning.shown(len(cells))
    width = max(len(cells[i].name) for i in shown)
    lines = [
        textwrap.fill(settings.purpose, 80),
        f"{'cell':<{width}}  {'id':<12}  {'state':<7}  core seconds",
    ]
    for i in shown:
        cell = cells[i]
        state = states.get(cell.id, "to do")
        lines.append(f"{cell.name:<{width}}  {cell.id}  {state:<7}  {cost.seconds(cell):12.2f}")
    if len(shown) < len(cells):
        lines.append(f"{len(shown)} of {len(cells)} cells shown")
    todo = [cell for cell in cells if states.get(cell.id) not in ("done", "there")]
    seconds = sum(cost.seconds(cell) for cell in todo)
    lines.append(f"{len(todo)} of {len(cells)} cells to do, about {seconds:.1f} core seconds")
    told = set(states.values())
    for state, meaning in MEANINGS.items():
        if state in told:
            lines.append(f"{state}: {meaning}")
    return "\n".join(lines)


MEANINGS = {
    "there": "finished by another sweep of this experiment, and taken from it",
    "partial": "begun, and gone on with",
    "stale": "finished by a version of this program that gave other bits: run anew",
}


def _states(settings: Settings, cells: Sequence[Cell], address: Store) -> dict[str, str]:
    """What the store knows of the cells."""
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
    for parent in tracker.runs(None, sweep_id(settings.name, list(cells)))[:1]:
        for row in tracker.runs(parent.id):
            if row.status != "FAILED":
                states[row.key] = "done" if row.status == "FINISHED" else "partial"
        for path in (address.state / "spool" / parent.id).glob("*"):
            if states.get(path.name) != "done":
                states[path.name] = "partial"
    return states


def _without_id(params: Mapping[str, str]) -> frozenset[tuple[str, str]]:
    return frozenset((key, value) for key, value in params.items() if key != "cell")
