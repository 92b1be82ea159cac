"""One GPT cell, and the names of pieces that it shares with other cells.

A name is a hash of what a piece depends on and of nothing else: p(0), real data
and p(1) depend on neither the schedule nor on n where possible, so cells share
them; a longer horizon or more replicates repeat the shorter run.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import corpus
from ..gpt import dataset
from ..gpt.config import GPT_STREAM, Recipe
from ..gpt.data_parallel import DataParallelGroup
from ..gpt.device import Device
from ..schedules import Schedule
from ..seeding import derive


@dataclass(frozen=True, kw_only=True)
class Setting:
    """A GPT cell, and where and how it runs."""

    schedule: Schedule
    recipe: Recipe
    text: str
    """The text whose digest the recipe has."""
    replicates: int
    seed: int
    device: Device
    every: float = 60.0
    """Seconds between two checkpoints within a training or writing."""
    team: DataParallelGroup | None = None
    """The processes that train a network together; None: only this one."""

    @property
    def letters(self) -> str:
        return corpus.alphabet(self.text)

    @property
    def s(self) -> int:
        return len(self.letters)

    @property
    def aligned(self) -> bool:
        """Whether a document is one window."""
        return self.recipe.sampling.sampler == "restart"

    def lengths(self, n: int) -> NDArray[np.int64]:
        """(D,) lengths of the documents of n tokens."""
        return dataset.lengths(n, self.recipe.sampling.document, aligned=self.aligned)

    @property
    def root(self) -> int:
        """The key of p(0) and of everything drawn from it: a hash of what p(0) depends on."""
        recipe, sampling = self.recipe, self.recipe.sampling
        parts: list[Any] = [GPT_STREAM, self.seed, recipe.digest, recipe.truth]
        if recipe.truth == "markov":
            return derive(*parts, recipe.order)
        written = sampling.sampler, sampling.document, sampling.streams
        return derive(*parts, recipe.network, recipe.training, *written)

    @property
    def reference_key(self) -> int:
        """The key of the contexts and text on which models are measured."""
        measure, sampling = self.recipe.measure, self.recipe.sampling
        parts = measure.contexts, measure.validation, self.recipe.network.context
        return derive(self.root, *parts, sampling.sampler, sampling.document, sampling.streams)

    def first(self, r: int) -> int:
        """The key of p(1) of a replicate."""
        schedule, recipe, sampling = self.schedule, self.recipe, self.recipe.sampling
        chosen = schedule.total(1) if schedule.rule.subsample else None
        return derive(
            self.root, recipe.network, recipe.training, recipe.measure.validation,
            sampling.sampler, sampling.document, sampling.streams, r, schedule.gathered(1), chosen,
        )  # fmt: skip

    def first_name(self, r: int, *, again: bool = False) -> str:
        """The name of the piece of p(1); again: that of p(1)'s distributions for another seed."""
        kind = f"retrained-{self.reference_key:016x}" if again else "first"
        return f"{kind}-{self.first(r):016x}"
