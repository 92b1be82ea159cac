"""What a cell learns first, as a data set of MLflow: the initial law, or the text. Pure."""

import hashlib
import json
from collections.abc import Sequence

from models.seeding import canonical
from sweep.cells.cell import Cell
from sweep.tracking.base import DatasetInfo

MOST = 50
"""Data sets that the run of a sweep lists; each cell has its own."""


def dataset_of(cell: Cell) -> DatasetInfo:
    """p(0) of a cell; the digest is of all that determines it."""
    if cell.recipe is None:
        source = cell.source
        facts = {
            "family": source.family, "s": source.s, "support": source.support,
            "S0": source.concentration, "seed": source.seed,
        }  # fmt: skip
        draw = "" if source.seed is None else f" draw {source.seed}"
        kind = "counts of a text" if source.counts else source.family
        name = f"{kind} S0={source.concentration:.6g}{draw}"
        whole = json.dumps(canonical(source), sort_keys=True)
        digest = hashlib.sha256(whole.encode()).hexdigest()
    else:
        recipe = cell.recipe
        name, digest = f"text {recipe.corpus}", recipe.digest
        order = recipe.order
        p0 = "a trained network" if order is None else f"Markov source of order {order}"
        facts = {"corpus": recipe.corpus, "sha256": digest, "characters": cell.source.s, "p0": p0}
    shown = {key: str(value) for key, value in facts.items() if value is not None}
    return DatasetInfo(name=name, digest=digest[:12], facts=shown)


def datasets_of(cells: Sequence[Cell]) -> list[DatasetInfo]:
    """Those of a sweep, each once, and at most `MOST`."""
    first: dict[object, Cell] = {}
    for cell in cells:
        first.setdefault((cell.source, cell.recipe), cell)
    found = {data.digest: data for data in map(dataset_of, first.values())}
    return list(found.values())[:MOST]
