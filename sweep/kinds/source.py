"""The initial distribution of cells that have no text: its name, and its data set."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from models.seeding import canonical
from sweep.cells.cell import Cell


def word(cell: Cell) -> tuple[str, str]:
    """S0 in the name of a cell: to six digits, or twelve where more than six were asked for."""
    S0 = cell.source.concentration
    short = float(f"{S0:.6g}")
    exact = short if short == S0 or cell.source.S0 is None else float(f"{S0:.12g}")
    return ("S0", f"S0={exact}")


def dataset(cell: Cell) -> tuple[str, str, Mapping[str, Any]]:
    """The initial distribution of a cell: its name, a hash of all of it, and facts."""
    source = cell.source
    facts = {
        "family": source.family, "s": source.s, "support": source.support,
        "S0": source.concentration, "seed": source.seed,
    }  # fmt: skip
    draw = "" if source.seed is None else f" draw {source.seed}"
    family = "counts of a text" if source.counts else source.family
    text = json.dumps(canonical(source), sort_keys=True)
    digest = hashlib.sha256(text.encode()).hexdigest()
    return f"{family} S0={source.concentration:.6g}{draw}", digest, facts
