"""The protocol of a search: it chooses the cells of a sweep, round by round.

A search is a pure function from the results so far to the cells to run next. Nothing else
counts, so the same command asks for the same cells again, also on other machines.
"""

import hashlib
import json
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Protocol, TypeVar

from sweep.cells.cell import Cell
from sweep.cells.outcome import Curves
from sweep.tracking.base import Run

Load = Callable[[Collection[str]], Curves]
"""Names of curves -> those curves of a cell."""

Result = TypeVar("Result")
"""What a search extracts from a finished cell."""


class Search(Protocol[Result]):
    """Chooses the cells of a sweep."""

    @property
    def one_round(self) -> bool:
        """Whether the first round has every cell, whatever the results.

        If so, Ray can start at once and stop after the round, cells can be logged in groups,
        and their number is fixed in advance.
        """
        ...

    def sweep_id(self, name: str) -> str:
        """Return 12 hex digits for the sweep of the experiment `name` with this search.

        Sweeps with equal ids ask for equal cells, given equal results.
        """
        ...

    def ask(self, results: Mapping[str, Result]) -> list[Cell]:
        """Return the cells to run now, given the results by cell id; none: it is finished."""
        ...

    def value(self, cell: Cell, run: Run, load: Load) -> Result:
        """Extract the result of a finished cell."""
        ...

    def state(self, results: Mapping[str, Result]) -> str:
        """Describe how far the search is; empty if the count of cells says it."""
        ...

    def plan(self, states: Mapping[str, str]) -> str:
        """Describe what it will run, and the estimated cost.

        states: cell id -> done, there, partial or stale, see `sweep.launch.dry_run`; empty
        unless `one_round`.
        """
        ...

    def messages(self, results: Mapping[str, Result]) -> list[str]:
        """Return lines for the terminal, printed after the table."""
        ...

    def save(self, results: Mapping[str, Result], folder: Path) -> dict[str, float]:
        """Write the outcome to files for the sweep's run, and return metrics of that run."""
        ...


def sweep_id_of(name: str, key: str) -> str:
    """Return the id of a sweep of the experiment `name` with a search that `key` determines."""
    return hashlib.sha256(json.dumps([name, key]).encode()).hexdigest()[:12]
