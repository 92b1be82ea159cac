"""Short names of cells, which show only how they differ."""

from collections.abc import Sequence

from sweep.cells.cell import Cell


def labels(cells: Sequence[Cell]) -> tuple[list[str], str]:
    """Return short names with only what differs, and a line with what all cells share."""
    words = [[text for _, text in cell.words] for cell in cells]
    shared = [w for w in words[0] if all(w in other for other in words)] if len(cells) > 1 else []
    short = [" ".join(w for w in name if w not in shared) or name[0] for name in words]
    return short, ", ".join(shared)
