"""How far a cell is: what is told between its start and its end."""

from dataclasses import dataclass

from sweep.summary import Curves


@dataclass(frozen=True, kw_only=True)
class Advance:
    """A cell at work."""

    cell: str
    """Its id."""
    what: str
    """What it is doing, for people."""
    share: float
    """How much of the cell is done, in [0, 1]."""
    curves: Curves | None = None
    """All generations so far, when one has ended."""
    notes: tuple[str, ...] = ()
    """What the record of the run should say, such as a checkpoint that was refused."""
