"""The protocol of a search: it chooses the cells of a sweep, round by round.

A search is a pure function from the results so far to the cells to run next. Nothing
else decides, so the same command again, or on other machines, asks for the same cells.
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
"""Names -> those curves of a cell."""

Result = TypeVar("Result")
"""What a search keeps of a finished cell."""


class Search(Protocol[Result]):
    """What chooses the cells of a sweep."""

    @property
    def one_round(self) -> bool:
        """Whether the first round holds every cell, whatever the results.

        If so, Ray can start at once and leave after it, cells can be logged in groups,
        and their number is known beforehand.
        """
        ...

    def sweep_id(self, name: str) -> str:
        """12 hex digits for the sweep that this search makes of the experiment `name`.

        Equal ids ask for equal cells, given equal results.
        """
        ...

    def ask(self, results: Mapping[str, Result]) -> list[Cell]:
        """The cells to run now, given the results by cell id; none: the search is over."""
        ...

    def value(self, cell: Cell, row: Run, load: Load) -> Result:
        """The result of a finished cell."""
        ...

    def state(self, results: Mapping[str, Result]) -> str:
        """How far the search is, in words; empty if the count of cells says it."""
        ...

    def plan(self, states: Mapping[str, str]) -> str:
        """What it will do, and what that can cost, for people.

        states: cell id -> done, there, partial or stale, see `sweep.launch.dry_run`; empty
        unless `one_round`.
        """
        ...

    def words(self, results: Mapping[str, Result]) -> list[str]:
        """Lines for the terminal, next to its table."""
        ...

    def save(self, results: Mapping[str, Result], folder: Path) -> dict[str, float]:
        """Write what was learned to files for the sweep's run, and return metrics of that run."""
        ...


def sweep_id_of(name: str, key: str) -> str:
    """The id of a sweep of the experiment `name` whose search is all in the text `key`."""
    return hashlib.sha256(json.dumps([name, key]).encode()).hexdigest()[:12]
