"""From settings to the ordered cells of a sweep, each with a stable id. Pure."""

import hashlib
import itertools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from models.schedules import RULES, Schedule
from models.source import Source
from models.streams import STREAM, canonical
from sweep.config import DEFAULTS, ConfigError, Settings

LARGEST_CELL = 4 * 2**30
"""Most memory, in bytes, that one cell may need."""
LARGEST_SWEEP = 200_000
"""Most cells of one sweep."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One point of the grid: everything its numbers depend on."""

    model: str
    schedule: Schedule
    source: Source
    generations: int
    replicates: int
    seed: int

    @cached_property
    def id(self) -> str:
        """12 hex digits of a hash of the cell and of the version of its random stream."""
        text = json.dumps([STREAM, canonical(self)], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    @property
    def name(self) -> str:
        """Readable, as in `partial n=10 N=100 S0=0.1`."""
        axes = [(axis, getattr(self.schedule, axis)) for axis in ("n", "N", "K")]
        axes.append(("S0", float(f"{self.source.concentration:.6g}")))
        shown = [f"{axis}={value}" for axis, value in axes if value is not None]
        return " ".join([self.schedule.name, *shown])

    @property
    def params(self) -> dict[str, str]:
        """What the tracker stores; unused axes are absent."""
        values: dict[str, Any] = {
            "model": self.model,
            "schedule": self.schedule.name,
            "n": self.schedule.n,
            "N": self.schedule.N,
            "K": self.schedule.K,
            "S0": self.source.concentration,
            "s": self.source.s,
            "support": self.source.support,
            "family": self.source.family,
            "source_seed": self.source.seed,
            "generations": self.generations,
            "replicates": self.replicates,
            "seed": self.seed,
            "cell": self.id,
        }
        return {key: str(value) for key, value in values.items() if value is not None}

    @property
    def axes(self) -> dict[str, float]:
        """The axes as numbers: stored as metrics too, since params sort as text."""
        values = {axis: getattr(self.schedule, axis) for axis in ("n", "N", "K")}
        values["S0"] = self.source.concentration
        return {axis: float(v) for axis, v in values.items() if v is not None}


def cell_from_params(params: Mapping[str, str]) -> Cell:
    """The cell that `Cell.params` describes; its id is computed anew."""

    def whole(key: str) -> int | None:
        return int(params[key]) if key in params else None

    uniform = params["family"] == "uniform"
    return Cell(
        model=params["model"],
        schedule=Schedule(name=params["schedule"], n=whole("n"), N=whole("N"), K=whole("K")),
        source=Source(
            family=params["family"],
            s=int(params["s"]),
            support=int(params["support"]),
            S0=None if uniform else float(params["S0"]),
            seed=whole("source_seed"),
        ),
        generations=int(params["generations"]),
        replicates=int(params["replicates"]),
        seed=int(params["seed"]),
    )


def expand(settings: Settings) -> tuple[list[Cell], list[str]]:
    """The cells, in the order of the axes as given, and notices for the user.

    An axis that a schedule does not use is dropped for it, and cells that are
    then equal appear once. Raises ConfigError for values that do not fit
    together.
    """
    grid = settings.grid
    sources = _sources(settings)
    cells: dict[Cell, None] = {}
    size = len(sources) * sum(_combinations(settings, name) for name in grid.schedule)
    if size > LARGEST_SWEEP:
        raise ConfigError(f"grid: got {size} cells; allowed: up to {LARGEST_SWEEP}")
    for name in dict.fromkeys(grid.schedule):
        rule = RULES[name]
        values = [_axis(settings, axis) if axis in rule.axes else (None,) for axis in "nNK"]
        for n, N, K in itertools.product(*values):
            try:
                schedule = Schedule(name=name, n=n, N=N, K=K)
            except ValueError as error:
                raise ConfigError(f"grid.{error}") from None
            for source in sources:
                cell = Cell(
                    model=settings.model,
                    schedule=schedule,
                    source=source,
                    generations=settings.generations,
                    replicates=settings.replicates,
                    seed=settings.seed,
                )
                _check_memory(cell)
                cells[cell] = None
    return list(cells), _notices(settings)


def sweep_id(name: str, cells: list[Cell]) -> str:
    """12 hex digits of a hash of the experiment's name and its cells in order."""
    text = json.dumps([name, [cell.id for cell in cells]])
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def memory(cell: Cell) -> int:
    """Bytes that running the cell needs: the curves, and the models still drawn from."""
    models = cell.schedule.reach(cell.generations)
    alive = min(cell.source.support, cell.schedule.largest_total(cell.generations))
    state = cell.replicates * (12 * models * alive + 16 * cell.source.support)
    window = (cell.schedule.K or 0) if cell.schedule.rule.keeps == "window" else 0
    state += cell.replicates * 8 * window * cell.source.support
    pools = 4 * (models + 4) * cell.schedule.largest_pool(cell.generations)
    # eight curves as recorded, and once more while they are stored
    return 2 * 8 * 8 * cell.replicates * cell.generations + 2 * state + pools


def _combinations(settings: Settings, name: str) -> int:
    size = 1
    for axis in RULES[name].axes:
        size *= len(_axis(settings, axis))
    return size


def _axis(settings: Settings, axis: str) -> tuple[Any, ...]:
    given = getattr(settings.grid, axis)
    return DEFAULTS[axis] if given is None else given


def _sources(settings: Settings) -> list[Source]:
    fields = settings.source
    parameterless = fields.family == "uniform"
    values = settings.grid.S0 if parameterless else _axis(settings, "S0")
    sources: dict[Source, None] = {}
    for S0 in values or (None,):
        try:
            source = Source(
                family=fields.family,
                s=fields.s,
                support=fields.support,
                S0=S0,
                seed=fields.seed if fields.family == "dirichlet" else None,
            )
            source.probabilities()
        except (ValueError, ArithmeticError) as error:
            section = "grid" if str(error).startswith("S0") else "source"
            raise ConfigError(f"{section}.{error}") from None
        if parameterless:
            source = Source(family=fields.family, s=fields.s, support=fields.support)
        sources[source] = None
    return list(sources)


def _check_memory(cell: Cell) -> None:
    if memory(cell) > LARGEST_CELL:
        raise ConfigError(
            f"replicates: got {cell.replicates} with generations={cell.generations}: "
            f"the cell `{cell.name}` needs {memory(cell) / 2**30:.1f} GiB; allowed: up to "
            f"{LARGEST_CELL // 2**30} GiB; use fewer replicates or generations"
        )


def _notices(settings: Settings) -> list[str]:
    """One line for each axis that was given and that some schedule does not use."""
    notices = []
    for axis in "nNK":
        without = [s for s in dict.fromkeys(settings.grid.schedule) if axis not in RULES[s].axes]
        if getattr(settings.grid, axis) is not None and without:
            notices.append(f"grid.{axis} is not used by {', '.join(without)}: dropped there")
    if settings.source.seed != 0 and settings.source.family != "dirichlet":
        notices.append(f"source.seed is not used by family {settings.source.family}: dropped")
    return notices
