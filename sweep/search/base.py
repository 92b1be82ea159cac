"""What a search is: it chooses the cells of a sweep, round by round."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Protocol

from sweep.cells.cell import Cell
from sweep.cells.outcome import Curves
from sweep.tracking.base import Run


class Search(Protocol):
    """What chooses cells. `Any` is whatever a search keeps of a finished cell."""

    @property
    def key(self) -> str:
        """What the search is, as text: the same text, the same cells."""
        ...

    def ask(self, results: Mapping[str, Any]) -> list[Cell]:
        """The cells to run now, given the results by cell id; none: the search is over."""
        ...

    def value(self, cell: Cell, row: Run, load: "Load") -> Any:
        """The result of a finished cell."""
        ...

    def state(self, results: Mapping[str, Any]) -> str:
        """How far it is, in words."""
        ...

    def plan(self) -> str:
        """What it will do, and what that can cost, for people."""
        ...

    def words(self, results: Mapping[str, Any]) -> list[str]:
        """Lines for the terminal, beside its table."""
        ...

    def save(self, results: Mapping[str, Any], folder: Path) -> tuple[Path, dict[str, float]]:
        """Write what is known to a file of the sweep's run, and metrics of that run."""
        ...


class Load(Protocol):
    def __call__(self, names: Collection[str]) -> Curves:
        """Those curves of a cell."""
        ...
