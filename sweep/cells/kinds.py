"""The kinds of models, by the value of `model=`. They are loaded by name, never imported.

The package of a kind has these modules:

    config    SECTION, its keys in the group `model`, a `sweep.config.model.ModelSection`
    kind      `from_settings` and `from_params`, which make a `sweep.cells.cell.Kind`
    display   how tables, figures and pages show its cells, see `sweep.report.display`

To add a kind, write its package and add a line here.
"""

import importlib
from collections.abc import Mapping
from typing import Any

from sweep.cells.axes import AXES
from sweep.cells.cell import Cell, Kind
from sweep.models.schedules import Schedule
from sweep.models.source import WITHOUT_S0, Source

KINDS: dict[str, str] = {
    "statistical": "sweep.kinds.statistical",
    "gpt": "sweep.kinds.gpt",
}
"""Name -> package."""


class UnknownKindError(ValueError):
    """A store has cells of a kind that this version lacks; the message is one line for the user."""


def part(model: str, module: str) -> Any:
    """Import a module of the package of a kind. Raises UnknownKindError."""
    if model not in KINDS:
        raise UnknownKindError(f"model: got {model!r}; this version has: {', '.join(KINDS)}")
    return importlib.import_module(f"{KINDS[model]}.{module}")


def cell_from_params(params: Mapping[str, str]) -> Cell:
    """Rebuild the cell that `Cell.params` describes; its id is recomputed.

    Raises UnknownKindError, and KeyError or ValueError for params that describe no cell.
    """

    def whole(key: str) -> int | None:
        return int(params[key]) if key in params else None

    kind: Kind = part(params["model"], "kind").from_params(params)
    return Cell(
        kind=kind,
        schedule=Schedule(
            name=params["schedule"],
            **{name: whole(name) for name, axis in AXES.items() if axis.of == "schedule"},
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
