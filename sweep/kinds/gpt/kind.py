"""The character GPT: `model=gpt`."""

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from sweep.cells.cell import Cell, Kind
from sweep.cells.outcome import CellProgress, Curves
from sweep.cells.workspace import Workspace
from sweep.config.schema import Settings
from sweep.config.validate import ConfigError
from sweep.kinds.base import Defaults
from sweep.kinds.gpt import cost, params, summary
from sweep.kinds.gpt.config import GptSection
from sweep.models import corpus
from sweep.models.gpt.config import GPT_STREAM, Recipe
from sweep.models.schedules import Schedule


def from_settings(
    settings: Settings, schedule: Schedule, text: str | None, axes: Mapping[str, Any]
) -> Kind:
    """Build the recipe from the settings, with the temperature of the grid."""
    gpt, source = settings.model_section, settings.corpus
    assert isinstance(gpt, GptSection)
    assert text is not None
    sampling = replace(gpt.sampling, temperature=float(axes["temperature"]))
    return Gpt(
        recipe=Recipe(
            corpus=source.name,
            digest=corpus.digest(text),
            truth=source.truth,
            order=source.order if source.truth == "markov" else None,
            network=gpt.network,
            training=gpt.training,
            sampling=sampling,
            measure=gpt.measure,
        )
    )


def from_params(stored: Mapping[str, str]) -> Kind:
    """Rebuild the kind from the params of a run."""
    return Gpt(recipe=params.recipe_from_params(stored))


@dataclass(frozen=True, kw_only=True)
class Gpt(Defaults):
    """The kind of model of `models.recursion.loop`."""

    model: ClassVar[str] = "gpt"
    stream: ClassVar[int | str] = f"gpt {GPT_STREAM}"
    trains_network: ClassVar[bool] = True
    clocked: ClassVar[tuple[str, ...]] = summary.SPEEDS

    recipe: Recipe

    @property
    def hashed(self) -> Mapping[str, Any]:
        return {"recipe": self.recipe}

    @property
    def axes(self) -> Mapping[str, float]:
        return {"temperature": self.recipe.sampling.temperature}

    @property
    def params(self) -> Mapping[str, Any]:
        return params.recipe_params(self.recipe)

    def words(self, cell: Cell) -> Sequence[tuple[str, str]]:
        return [("temperature", f"temperature={self.recipe.sampling.temperature:g}")]

    def check(self, cell: Cell) -> None:
        """Raise ConfigError for samples too short to train on: no window of context + 1 tokens."""
        schedule, context = cell.schedule, self.recipe.network.context
        if schedule.rule.draws is None:
            least = [(schedule.n or 0, "n")]
        else:
            least = [
                (k, "N" if t == 0 and schedule.N is not None else "n")
                for m in (1, 2)
                for t, k in schedule.draws(m).items()
            ]
        if schedule.rule.subsample:
            least.append((schedule.n or 0, "n"))
        tokens, axis = min(least)
        if tokens <= context:
            got = getattr(schedule, axis)
            of = "" if got == tokens else f", of which {tokens} tokens of one model,"
            raise ConfigError(
                f"grid.{axis}: got {got}{of} with model.network.context={context}; allowed: from "
                f"{context + 1} of each model, since n and N count tokens"
            )

    def memory(self, cell: Cell) -> int:
        return cost.memory(cell, self.recipe)

    def seconds(self, cell: Cell) -> float:
        return cost.seconds(cell, self.recipe)

    def run(self, cell: Cell, workspace: Workspace) -> Generator[CellProgress, None, Curves]:
        from sweep.kinds.gpt.run import recurse
        from sweep.models.gpt.data_parallel import DataParallelGroup
        from sweep.models.gpt.device import choose  # imports torch, which other kinds do not need

        precision = self.recipe.training.precision
        place = choose(precision, workspace.device, compiled=workspace.compiled)
        with DataParallelGroup(workspace.workers, place) as group:
            return (
                yield from recurse(
                    cell, self.recipe, workspace.folder, workspace.shared,
                    workspace.checkpoint_seconds, place, group,
                )
            )  # fmt: skip

    def rows(
        self, cell: Cell, curves: Curves, at: NDArray[np.int64]
    ) -> Mapping[str, NDArray[np.float64]]:
        # Speeds are sent after the cell has ended: an interrupted cell measures them again.
        ended = curves["sigma"].shape[1] == cell.generations or summary.stopped(
            self.recipe.measure.stop_below, curves
        )
        rows = {k: row[at - 1] for k, row in summary.rows(curves, speeds=ended).items()}
        if curves["truth/entropy"] > 0:
            entropy = curves["entropy"][:, at - 1].mean(0)
            rows["entropy_ratio/mean"] = entropy / curves["truth/entropy"]
        return rows

    def at_start(self, curves: Curves) -> Mapping[str, float]:
        return summary.at_truth(curves)

    def totals(self, cell: Cell, curves: Curves) -> Mapping[str, float]:
        # Whether each generation is trained like p(1), on other real data with another seed.
        renewed = cell.schedule.name == "real" and self.recipe.training.start == "scratch"
        totals = summary.spread(curves, renewed=renewed)
        if self.recipe.measure.stop_below is not None:
            totals["generations_saved"] = float(cell.generations - curves["sigma"].shape[1])
        return totals

    def files(self, curves: Curves, folder: Path) -> list[Path]:
        return summary.write_samples(curves, folder)

    def dataset(self, cell: Cell) -> tuple[str, str, Mapping[str, Any]]:
        recipe = self.recipe
        order = recipe.order
        p0 = "a trained network" if order is None else f"Markov source of order {order}"
        facts = {
            "corpus": recipe.corpus, "sha256": recipe.digest, "characters": cell.source.s, "p0": p0,
        }  # fmt: skip
        return f"text {recipe.corpus}", recipe.digest, facts

    def moved(self, values: Mapping[str, float]) -> Self:
        recipe = self.recipe
        if "temperature" in values:
            sampling = replace(recipe.sampling, temperature=values["temperature"])
            recipe = replace(recipe, sampling=sampling)
        if "learning_rate" in values:
            rate = values["learning_rate"]
            final = min(recipe.training.final_learning_rate, rate)
            training = replace(recipe.training, learning_rate=rate, final_learning_rate=final)
            recipe = replace(recipe, training=training)
        return replace(self, recipe=recipe)
