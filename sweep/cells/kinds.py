"""The kinds of models by the name that `model=` takes; nothing imports them, they are loaded.

A kind is a package with modules of these names, each for the room that asks for it:

    config    SECTION, its keys in the group `model`, a `sweep.config.model.ModelSection`
    kind      `from_settings` and `from_params`, which make a `sweep.cells.cell.Kind`
    display   how tables, figures and pages show its cells, see `sweep.report.display`

To add a kind is to write its package and to add a line here.
"""

import importlib
from collections.abc import Mapping
from typing import Any

from models.schedules import Schedule
from models.source import WITHOUT_S0, Source
from sweep.cells.cell import Cell, Kind

KINDS: dict[str, str] = {
    "statistical": "sweep.kinds.statistical",
    "gpt": "sweep.kinds.gpt",
}
"""Name -> package."""


def part(model: str, module: str) -> Any:
    """A module of the package of a kind."""
    return importlib.import_module(f"{KINDS[model]}.{module}")


def cell_from_params(params: Mapping[str, str]) -> Cell:
    """The cell that `Cell.params` describes; its id is computed again."""

    def whole(key: str) -> int | None:
        return int(params[key]) if key in params else None

    kind: Kind = part(params["model"], "kind").from_params(params)
    return Cell(
        kind=kind,
        schedule=Schedule(
            name=params["schedule"],
            n=whole("n"),
            N=whole("N"),
            K=whole("K"),
            reuse=True if "reuse" in params else None,
        ),
        source=Source(
            family=params["family"],
            s=int(params["s"]),
            support=int(params["support"]),
            S0=None if params["family"] in WITHOUT_S0 else float(params["S0"]),
            seed=whole("source_seed"),
            counts=tuple(map(int, params["counts"].split())) if "counts" in params else None,
        ),
        generations=int(params["generations"]),
        replicates=int(params["replicates"]),
        seed=int(params["seed"]),
    )
