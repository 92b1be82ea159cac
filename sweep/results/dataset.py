"""What a cell learns first, as a data set of MLflow: the initial law, or the text. Pure."""

from collections.abc import Sequence

from sweep.cells.cell import Cell
from sweep.tracking.base import DatasetInfo

MOST = 50
"""Data sets that the run of a sweep lists; each cell has its own."""


def dataset_of(cell: Cell) -> DatasetInfo:
    """p(0) of a cell; the digest is of all that determines it."""
    name, digest, facts = cell.kind.dataset(cell)
    shown = {key: str(value) for key, value in facts.items() if value is not None}
    return DatasetInfo(name=name, digest=digest[:12], facts=shown)


def datasets_of(cells: Sequence[Cell]) -> list[DatasetInfo]:
    """Those of a sweep, each once, and at most `MOST`."""
    first: dict[object, Cell] = {}
    for cell in cells:
        first.setdefault((cell.source, cell.kind), cell)
    by_digest = {data.digest: data for data in map(dataset_of, first.values())}
    return list(by_digest.values())[:MOST]
