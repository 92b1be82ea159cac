"""search=grid: asks for every cell of the grid once, whatever the results."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from sweep.cells import thinning
from sweep.cells.cell import Cell, sweep_id
from sweep.config.notice import Notice
from sweep.config.schema import Settings
from sweep.grid import cost
from sweep.grid.expand import expand
from sweep.search.base import Load
from sweep.tracking.base import Run

MEANINGS = {
    "there": "taken from another sweep of this experiment, which finished it",
    "partial": "started, will be resumed",
    "stale": "finished by a version of this program with other bits: will be run again",
}
"""State of a cell -> its meaning, where that is not obvious."""


@dataclass(frozen=True, kw_only=True)
class GridSearch:
    """All cells of a sweep, in one round."""

    cells: Sequence[Cell]
    one_round: ClassVar[bool] = True

    def sweep_id(self, name: str) -> str:
        """Hash the name of the experiment and the cells, in any order."""
        return sweep_id(name, list(self.cells))

    def ask(self, results: Mapping[str, None]) -> list[Cell]:
        """Return the cells without a result."""
        return [cell for cell in self.cells if cell.id not in results]

    def value(self, cell: Cell, run: Run, load: Load) -> None:
        """Return nothing, since no other cell depends on it."""

    def state(self, results: Mapping[str, None]) -> str:
        """Return an empty text, since the count of cells says it."""
        return ""

    def plan(self, states: Mapping[str, str]) -> str:
        """List some or all cells with their states, and the cost of those to do."""
        shown = thinning.shown(len(self.cells))
        width = max(len(self.cells[i].name) for i in shown)
        lines = [f"{'cell':<{width}}  {'id':<12}  {'state':<7}  core seconds"]
        for i in shown:
            cell = self.cells[i]
            state = states.get(cell.id, "to do")
            lines.append(f"{cell.name:<{width}}  {cell.id}  {state:<7}  {cost.seconds(cell):12.2f}")
        if len(shown) < len(self.cells):
            lines.append(f"{len(shown)} of {len(self.cells)} cells shown")
        todo = [cell for cell in self.cells if states.get(cell.id) not in ("done", "there")]
        seconds = sum(cost.seconds(cell) for cell in todo)
        lines.append(
            f"{len(todo)} of {len(self.cells)} cells to do, about {seconds:.1f} core seconds"
        )
        seen = set(states.values())
        lines += [f"{state}: {meaning}" for state, meaning in MEANINGS.items() if state in seen]
        return "\n".join(lines)

    def messages(self, results: Mapping[str, None]) -> list[str]:
        """Return no lines, since the table of the cells says it."""
        return []

    def save(self, results: Mapping[str, None], folder: Path) -> dict[str, float]:
        """Write nothing, since the cells are the answer."""
        return {}


def search(settings: Settings, text: str | None) -> tuple[GridSearch, list[Notice]]:
    """Return the grid of the settings, and notices. Raises ConfigError."""
    cells, notices = expand(settings, text)
    return GridSearch(cells=cells), notices
