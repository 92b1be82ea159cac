"""p(0) of a cell as a data set for MLflow: the initial distribution, or the text. Pure."""

from collections.abc import Sequence

from sweep.cells.cell import Cell
from sweep.tracking.base import DatasetInfo

MOST = 50
"""Most data sets listed in the run of a sweep; each cell lists its own too."""


def dataset_of(cell: Cell) -> DatasetInfo:
    """Describe p(0) of a cell; the digest covers everything that determines it."""
    name, digest, facts = cell.kind.dataset(cell)
    shown = {key: str(value) for key, value in facts.items() if value is not None}
    return DatasetInfo(name=name, digest=digest[:12], facts=shown)


def datasets_of(cells: Sequence[Cell]) -> list[DatasetInfo]:
    """Return the distinct data sets of a sweep, at most `MOST`."""
    first: dict[object, Cell] = {}
    for cell in cells:
        first.setdefault((cell.source, cell.kind), cell)
    by_digest = {data.digest: data for data in map(dataset_of, first.values())}
    return list(by_digest.values())[:MOST]
