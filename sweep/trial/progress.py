"""How far a cell is: what is told between its start and its end."""

from dataclasses import dataclass
from typing import NamedTuple

from sweep.results.arrays import Curves


class Stage(NamedTuple):
    """How far a cell at work is; what of an `CellProgress` comes back to the driver."""

    share: float
    found: float
    what: str


@dataclass(frozen=True, kw_only=True)
class CellProgress:
    """A cell at work."""

    cell: str
    """Its id."""
    what: str
    """What it is doing, for people."""
    share: float
    """How much of the cell is done, in [0, 1]."""
    found: float = 0.0
    """How much of it was there when this process began, or was made by another."""
    curves: Curves | None = None
    """All generations so far, when one has ended."""
    notes: tuple[str, ...] = ()
    """What the record of the run should say, such as a checkpoint that was refused."""

    @property
    def stage(self) -> Stage:
        return Stage(share=self.share, found=self.found, what=self.what)
