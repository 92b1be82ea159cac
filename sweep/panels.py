"""Cells with their curves and laws, fetched from the store to be drawn."""

import tempfile
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sweep import spool
from sweep.grid import Cell
from sweep.laws import DRIFT_WORK, Laws, laws
from sweep.summary import Curves
from sweep.tables import Entry
from sweep.tracking import Tracker

LITTLE_WORK = DRIFT_WORK // 10
"""Most work for the exact deviation of a cell that is drawn in the charts alone."""


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One cell to be drawn."""

    title: str
    cell: Cell
    curves: Curves
    laws: Laws


def load(
    tracker: Tracker,
    entries: Sequence[Entry],
    titles: Sequence[str],
    names: Collection[str],
    work: Mapping[int, int],
) -> dict[int, Panel]:
    """The panels of the entries that `work` names; one whose file is missing is left out.

    names: the stored curves wanted. work: place in `entries` -> most work for its exact deviation.
    """
    found = {}
    for i in sorted(work):
        row, cell = entries[i].row, entries[i].cell
        with tempfile.TemporaryDirectory() as scratch:
            try:
                curves = spool.load(tracker.fetch(row.run, row.curves, Path(scratch)), names)
            except FileNotFoundError:
                continue  # the table still has the cell
        found[i] = Panel(
            title=titles[i], cell=cell, curves=curves, laws=laws(cell, deviation=work[i])
        )
    return found
