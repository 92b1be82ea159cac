"""From settings to the ordered cells of a sweep, each with a stable id. Pure."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from models.gpt.config import GPT_STREAM, Recipe
from models.schedules import Schedule
from models.seeding import STREAM, canonical
from models.source import WITHOUT_S0, Source
from models.statistical.contexts import Contexts
from sweep.cells.gpt import recipe_from_params, recipe_params


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


def sweep_id(name: str, cells: list[Cell]) -> str:
    """12 hex digits of a hash of the experiment's name and its cells, in whatever order."""
    text = json.dumps([name, sorted(cell.id for cell in cells)])
    return hashlib.sha256(text.encode()).hexdigest()[:12]
