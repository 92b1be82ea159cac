"""Theory for a cell: curves and numbers to compare with its simulation."""

from sweep.cells.cell import Cell
from sweep.cells.outcome import Theory

DEVIATION_WORK = 4 * 10**9
"""Most multiplications for the exact deviation of a cell: about two seconds."""


def theory_of(cell: Cell, *, deviation: int = DEVIATION_WORK) -> Theory:
    """Compute everything that theory says about a cell, without inapplicable or vacuous results.

    deviation: most multiplications for the exact deviation, which is expensive; 0 omits it.
    """
    return cell.kind.theory(cell, deviation=deviation)
