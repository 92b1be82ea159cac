"""`dry_run=true`: which cells a sweep has, what they cost, and which are finished."""

from collections.abc import Sequence

from sweep import packing, tables
from sweep.checks import ConfigError
from sweep.config import Settings
from sweep.grid import Cell, sweep_id
from sweep.tracking import Store, StoreError, connect


def plan(settings: Settings, cells: Sequence[Cell], address: Store) -> str:
    """The plan as text. Nothing is created or run."""
    finished: set[str] = set()
    if address.exists():
        try:
            tracker = connect(address)
        except StoreError as error:
            raise ConfigError(str(error)) from None
        for parent in tracker.read(None, sweep_id(settings.name, list(cells)))[:1]:
            finished = {row.key for row in tracker.read(parent.run) if row.status == "FINISHED"}
    if settings.force:
        finished = set()
    shown = tables.shown(len(cells))
    width = max(len(cells[i].name) for i in shown)
    lines = [settings.purpose, f"{'cell':<{width}}  {'id':<12}  {'state':<5}  core seconds"]
    for i in shown:
        cell = cells[i]
        state = "done" if cell.id in finished else "to do"
        lines.append(f"{cell.name:<{width}}  {cell.id}  {state:<5}  {packing.seconds(cell):12.2f}")
    if len(shown) < len(cells):
        lines.append(f"{len(shown)} of {len(cells)} cells shown")
    todo = [cell for cell in cells if cell.id not in finished]
    seconds = sum(packing.seconds(cell) for cell in todo)
    lines.append(f"{len(todo)} of {len(cells)} cells to do, about {seconds:.1f} core seconds")
    return "\n".join(lines)
