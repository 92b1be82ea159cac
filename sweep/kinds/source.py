"""Name and data set of the initial distribution, for kinds that do not train on a text."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from sweep.cells.cell import Cell
from sweep.models.seeding import canonical


def word(cell: Cell) -> tuple[str, str]:
    """Return S0 for a name: with six digits, or twelve if the user gave more than six."""
    S0 = cell.source.concentration
    short = float(f"{S0:.6g}")
    exact = short if short == S0 or cell.source.S0 is None else float(f"{S0:.12g}")
    return ("S0", f"S0={exact}")


def dataset(cell: Cell) -> tuple[str, str, Mapping[str, Any]]:
    """Describe the initial distribution of a cell: its name, SHA-256, and facts."""
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
