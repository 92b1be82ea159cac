"""Cells with their curves and theory, fetched from the store to be drawn."""

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
"""Most work for the exact deviation of a cell that appears only in the charts."""


@dataclass(frozen=True, kw_only=True)
class CellCurves:
    """A cell to be drawn."""

    title: str
    cell: Cell
    curves: Curves
    theory: Theory


def load(
    tracker: Tracker,
    cell_runs: Sequence[CellRun],
    titles: Sequence[str],
    names: Collection[str],
    work: Mapping[int, int],
) -> dict[int, CellCurves]:
    """The curves of the cells that `work` names, by place; without cells whose file is missing.

    names: the stored curves wanted. work: place in `cell_runs` -> most work for the exact
    deviation of that cell.
    """
    loaded = {}
    for i in sorted(work):
        run, cell = cell_runs[i].run, cell_runs[i].cell
        with tempfile.TemporaryDirectory() as scratch:
            try:
                curves = arrays.load(
                    tracker.download_artifact(run.id, run.curves, Path(scratch)), names
                )
            except FileNotFoundError:
                continue  # the table still has the cell
        loaded[i] = CellCurves(
            title=titles[i], cell=cell, curves=curves, theory=theory_of(cell, deviation=work[i])
        )
    return loaded
