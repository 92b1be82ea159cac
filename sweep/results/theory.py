"""What theory says of a cell: the curves and numbers drawn over its simulation."""

from sweep.cells.cell import Cell
from sweep.cells.outcome import Theory

DEVIATION_WORK = 4 * 10**9
"""Most multiplications for a cell's exact deviation: about two seconds."""


def theory_of(cell: Cell, *, deviation: int = DEVIATION_WORK) -> Theory:
    """Everything that theory knows about a cell; inapplicable laws and vacuous bounds are absent.

    deviation: most multiplications for its exact deviation, which is expensive; 0 leaves it out.
    """
    return cell.kind.theory(cell, deviation=deviation)
