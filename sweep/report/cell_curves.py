"""Cells with their curves and laws, fetched from the store to be drawn."""

import tempfile
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sweep.cells.cell import Cell
from sweep.cells.outcome import Curves, Theory
from sweep.report.cell_runs import CellRun
from sweep.results import arrays
from sweep.results.theory import DEVIATION_WORK, theory_of
from sweep.tracking.base import Tracker

LITTLE_WORK = DEVIATION_WORK // 10
"""Most work for the exact deviation of a cell that is drawn in the charts alone."""


@dataclass(frozen=True, kw_only=True)
class CellCurves:
    """One cell to be drawn."""

    title: str
    cell: Cell
    curves: Curves
    theory: Theory


def load(
    tracker: Tracker,
    entries: Sequence[CellRun],
    titles: Sequence[str],
    names: Collection[str],
    work: Mapping[int, int],
) -> dict[int, CellCurves]:
    """The panels of the entries that `work` names; one whose file is missing is left out.

    names: the stored curves wanted. work: place in `entries` -> most work for its exact deviation.
    """
    found = {}
    for i in sorted(work):
        row, cell = entries[i].run, entries[i].cell
        with tempfile.TemporaryDirectory() as scratch:
            try:
                curves = arrays.load(
                    tracker.download_artifact(row.id, row.curves, Path(scratch)), names
                )
            except FileNotFoundError:
                continue  # the table still has the cell
        found[i] = CellCurves(
            title=titles[i], cell=cell, curves=curves, theory=theory_of(cell, deviation=work[i])
        )
    return found
