"""From settings to the ordered cells of a sweep, each with a stable id. Pure."""

import hashlib
import itertools
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from models import corpus
from models.contexts import SCHEDULES as CONTEXT_SCHEDULES
from models.contexts import Contexts
from models.recipe import GPT_STREAM, Recipe
from models.schedules import LARGEST_POOL, RULES, Schedule
from models.source import WITHOUT_S0, Source
from models.streams import STREAM, canonical
from sweep.checks import ConfigError
from sweep.config import AXES, DEFAULTS, Settings
from sweep.grid_gpt import (
    check_tokens,
    needs_text,
    recipe,
    recipe_from_params,
    recipe_params,
    unused_by_model,
)

LARGEST_CELL = 4 * 2**30
"""Most memory, in bytes, that one cell may need."""
TRAINS_ON_N = ("matched", "accumulate_subsample")
"""Schedules with real samples whose n is the size of the whole training set."""
LARGEST_SWEEP = 200_000
"""Most cells of one sweep."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One point of the grid: everything its numbers depend on."""

    model: str
    schedule: Schedule
    source: Source
    """The initial law; for a GPT the frequencies of the tokens in its text."""
    generations: int
    replicates: int
    seed: int
    contexts: Contexts | None = None
    """None: one context."""
    recipe: Recipe | None = None
    """None: the statistical model."""

    @cached_property
    def id(self) -> str:
        """12 hex digits of a hash of the cell and of the version of its random stream."""
        stream = STREAM if self.recipe is None else f"gpt {GPT_STREAM}"
        text = json.dumps([stream, canonical(self)], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    @property
    def name(self) -> str:
        """Readable, as in `partial n=10 N=100 S0=0.1`."""
        axes = [(axis, getattr(self.schedule, axis)) for axis in ("n", "N", "K")]
        S0 = self.source.concentration
        short = float(f"{S0:.6g}")
        exact = short if short == S0 or self.source.S0 is None else float(f"{S0:.12g}")
        if self.recipe is None:
            axes.append(("S0", exact))
        else:
            axes.append(("temperature", f"{self.recipe.sampling.temperature:g}"))
        shown = [f"{axis}={value}" for axis, value in axes if value is not None]
        if self.schedule.reuse:
            shown.append("kept")
        if self.contexts is not None:
            shown.append(f"l={self.contexts.length}")
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
            "reuse": self.schedule.reuse,
            "S0": self.source.concentration,
            "s": self.source.s,
            "support": self.source.support,
            "family": self.source.family,
            "source_seed": self.source.seed,
            "counts": self.source.counts and " ".join(map(str, self.source.counts)),
            "context_length": self.contexts and self.contexts.length,
            "context_draw": self.contexts and self.contexts.draw,
            "unseen": self.contexts and self.contexts.unseen,
            "generations": self.generations,
            "replicates": self.replicates,
            "seed": self.seed,
            "cell": self.id,
        }
        if self.recipe is not None:
            values |= recipe_params(self.recipe)
        return {key: str(value) for key, value in values.items() if value is not None}

    @property
    def axes(self) -> dict[str, float]:
        """The axes as numbers: stored as metrics too, since params sort as text."""
        values = {axis: getattr(self.schedule, axis) for axis in ("n", "N", "K")}
        values["S0"] = self.source.concentration
        if self.recipe is not None:
            values["temperature"] = self.recipe.sampling.temperature
        return {axis: float(v) for axis, v in values.items() if v is not None}


def cell_from_params(params: Mapping[str, str]) -> Cell:
    """The cell that `Cell.params` describes; its id is computed anew."""

    def whole(key: str) -> int | None:
        return int(params[key]) if key in params else None

    return Cell(
        model=params["model"],
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
        contexts=Contexts(
            length=int(params["context_length"]),
            draw=params["context_draw"],
            unseen=params["unseen"],
        )
        if "context_length" in params
        else None,
        recipe=recipe_from_params(params) if params["model"] == "gpt" else None,
    )


def expand(settings: Settings, text: str | None = None) -> tuple[list[Cell], list[str]]:
    """The cells, in the order of the axes as given, and notices for the user.

    An axis that a schedule does not use is dropped for it, and cells that are
    then equal appear once. text: the corpus, where `needs_text`; may be left out
    if it is the embedded one. Raises ConfigError for values that do not fit
    together.
    """
    if needs_text(settings) and text is None:
        assert settings.corpus.path is None, "the text has to be read first"
        text = corpus.embedded()
    cells: dict[Cell, None] = {}
    for name in settings.grid.schedule:
        points = _points(settings, name)
        reuses = settings.grid.reuse if name == "recent" else (False,)
        if len(cells) + len(points) * len(reuses) > LARGEST_SWEEP:
            raise ConfigError(f"grid: got over {LARGEST_SWEEP} cells; allowed: up to that many")
        for reuse in reuses:
            for point in points:
                S0, temperature = point.pop("S0", None), point.pop("temperature", None)
                try:
                    schedule = Schedule(name=name, reuse=reuse or None, **point)
                except ValueError as error:
                    raise ConfigError(f"grid.{error}") from None
                cell = Cell(
                    model=settings.model,
                    schedule=schedule,
                    source=_source(settings, S0, text),
                    generations=settings.generations,
                    replicates=settings.replicates,
                    seed=settings.seed,
                    contexts=_contexts(settings, schedule),
                    recipe=recipe(settings, text, temperature),
                )
                point |= {"S0": S0, "temperature": temperature}
                check_size(cell)
                cells[cell] = None
    return list(cells), _notices(settings, list(cells))


def sweep_id(name: str, cells: list[Cell]) -> str:
    """12 hex digits of a hash of the experiment's name and its cells, in whatever order."""
    text = json.dumps([name, sorted(cell.id for cell in cells)])
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def memory(cell: Cell) -> int:
    """Bytes that running the cell needs: the curves of all runs, and the models of one.

    Runs are simulated in blocks; a block of many small ones needs little.
    """
    curves = 2 * 8 * 8 * cell.replicates * cell.generations
    if cell.recipe is not None:  # besides its network, which is the device's matter
        laws = 4 * cell.recipe.measure.contexts * cell.source.s
        laws *= cell.replicates * cell.generations
        return curves + 4 * laws + 4 * cell.schedule.largest_pool(cell.generations)
    if cell.contexts is not None:
        law = 8 * cell.contexts.count(cell.source.s) * cell.source.s
        return curves + 12 * law * cell.replicates + law * (cell.generations + 1)
    # eight curves as recorded, and once more while they are stored; the loop at work:
    # words and pool (`models.kernel.SPLIT` samples a token), ends of slots, some laws
    schedule, support = cell.schedule, cell.source.support
    alive = min(support, schedule.largest_total(cell.generations))
    most = max(schedule.n or 0, schedule.N or 0)
    words = 16 * min(support, most) + 16 * min(most, 24 * support)
    scratch = 8 * schedule.reach(cell.generations) * alive + 40 * alive + 80 * support
    return curves + models_memory(cell) + words + scratch


def models_memory(cell: Cell) -> int:
    """Bytes of the models that one run holds, and once more while a step copies them."""
    schedule, support = cell.schedule, cell.source.support
    alive = min(support, schedule.largest_total(cell.generations))
    window = (schedule.K or 0) if schedule.rule.keeps == "window" else 0
    return 2 * (12 * schedule.reach(cell.generations) * alive + 8 * (window + 2) * support)


def _points(settings: Settings, name: str) -> list[dict[str, Any]]:
    """Values of the axes that the schedule uses, one dict a cell, in order."""
    grid = settings.grid
    axes = [axis for axis in AXES if axis in RULES[name].axes]
    if settings.gpt is not None:
        axes.append("temperature")
    elif settings.source.family not in WITHOUT_S0 or grid.S0 is not None:
        axes.append("S0")
    moved = [axis for axis in grid.zip if axis in axes]
    groups: list[list[dict[str, Any]]] = []
    if grid.alpha is not None:
        groups.append(_shares(settings, name))
        axes = [axis for axis in axes if axis not in ("n", "N")]
    for axis in axes:
        if axis in moved[1:]:
            continue
        together = moved if axis in moved else [axis]
        columns = [getattr(grid, a) or DEFAULTS[a] for a in together]
        groups.append([dict(zip(together, row, strict=True)) for row in zip(*columns, strict=True)])
    size = math.prod(len(group) for group in groups)
    if size > LARGEST_SWEEP:
        raise ConfigError(f"grid: got {size} cells; allowed: up to {LARGEST_SWEEP}")
    return [
        {axis: value for part in parts for axis, value in part.items()}
        for parts in itertools.product(*groups)
    ]


def _shares(settings: Settings, name: str) -> list[dict[str, Any]]:
    """n and N at each share and total; a schedule without one of them takes the whole total."""
    found: list[dict[str, Any]] = []
    for total, alpha in itertools.product(settings.grid.total or (), settings.grid.alpha or ()):
        n = round(alpha * total)
        both = {"n": total if name in TRAINS_ON_N else n, "N": total - n}
        used = [axis for axis in ("n", "N") if axis in RULES[name].axes]
        found.append(both if len(used) == 2 else {used[0]: total})
    return found


def _contexts(settings: Settings, schedule: Schedule) -> Contexts | None:
    """The checked contexts, if there are any."""
    if settings.context_length == 0:
        return None
    if schedule.name not in CONTEXT_SCHEDULES:
        raise ConfigError(
            f"grid.schedule: got {schedule.name!r} with model.context_length="
            f"{settings.context_length}; allowed with contexts: {', '.join(CONTEXT_SCHEDULES)}"
        )
    contexts = Contexts(
        length=settings.context_length, draw=settings.context_draw, unseen=settings.unseen
    )
    try:
        contexts.count(settings.source.s)
    except ValueError as error:
        raise ConfigError(f"model.{error}") from None
    return contexts


def _source(settings: Settings, S0: float | None, text: str | None) -> Source:
    """The checked initial law."""
    fields = settings.source
    try:
        if text is not None:
            counts = corpus.counts_of(text)
            size = len(counts)
            source = Source(family="text", s=size, support=size, S0=S0, counts=counts)
            return replace(source, S0=None)
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
    return replace(source, S0=None) if fields.family == "uniform" else source


def check_size(cell: Cell) -> None:
    """Raise ConfigError for a cell that is too large to run."""
    if cell.recipe is not None:
        check_tokens(cell.schedule, cell.recipe.network.context)
    largest = cell.schedule.largest_pool(cell.generations)
    if largest > LARGEST_POOL:
        raise ConfigError(
            f"generations: got {cell.generations}: the cell `{cell.name}` gathers {largest:.3g} "
            f"samples; allowed: up to {LARGEST_POOL}; use fewer generations or samples"
        )
    if memory(cell) > LARGEST_CELL:
        raise ConfigError(
            f"replicates: got {cell.replicates} with generations={cell.generations}: "
            f"the cell `{cell.name}` needs {memory(cell) / 2**30:.1f} GiB; allowed: up to "
            f"{LARGEST_CELL // 2**30} GiB; use fewer replicates or generations"
        )


def _notices(settings: Settings, cells: list[Cell]) -> list[str]:
    """One line for each axis that was given and that some schedule does not use."""
    grid, notices = settings.grid, []
    for axis in ("n", "N", "K"):
        without = [s for s in grid.schedule if axis not in RULES[s].axes]
        if getattr(grid, axis) is not None and without:
            notices.append(f"grid.{axis} is not used by {', '.join(without)}: dropped there")
    if any(
        c.schedule.name == "recent" and not c.schedule.reuse and c.schedule.K not in (None, 1)
        and c.schedule.total(1) == 1
        for c in cells
    ):  # fmt: skip
        notices.append(
            "recent: floor(n/K) = 1 for some cells, so generation 1 is one sample and T = 1; "
            "with K > 1 a collapse is not final, see absorption_time"
        )
    without = [s for s in grid.schedule if s != "recent"]
    if any(grid.reuse) and without:
        notices.append(f"grid.reuse is not used by {', '.join(without)}: dropped there")
    notices += unused_by_model(settings)
    if settings.source.seed != 0 and settings.source.family != "dirichlet":
        notices.append(f"source.seed is not used by family {settings.source.family}: dropped")
    return notices
