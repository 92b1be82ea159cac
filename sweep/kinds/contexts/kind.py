"""The statistical model with s^l contexts: `model=statistical model.context_length=l`."""

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from sweep.cells.cell import Cell
from sweep.cells.outcome import CellProgress, Curves, Theory
from sweep.cells.workspace import Workspace
from sweep.config.validate import ConfigError
from sweep.kinds import source
from sweep.kinds.base import Defaults
from sweep.kinds.statistical.config import StatisticalSection
from sweep.models.schedules import Schedule
from sweep.models.seeding import STREAM
from sweep.models.statistical import contexts
from sweep.models.theory import moments
from sweep.results.arrays import joined


@dataclass(frozen=True, kw_only=True)
class Contexts(Defaults):
    """The kind of model of `models.statistical.contexts`."""

    model: ClassVar[str] = "statistical"
    stream: ClassVar[int | str] = STREAM
    trains_network: ClassVar[bool] = False

    contexts: contexts.Contexts

    @classmethod
    def checked(cls, section: StatisticalSection, s: int, schedule: Schedule) -> Self:
        """Build it from its section of the config, for a vocabulary of s tokens.

        Raises ConfigError for a schedule without contexts, or a model that is too large.
        """
        if schedule.name not in contexts.SCHEDULES:
            raise ConfigError(
                f"grid.schedule: got {schedule.name!r} with model.context_length="
                f"{section.context_length}; allowed with contexts: "
                f"{', '.join(contexts.SCHEDULES)}"
            )
        chosen = contexts.Contexts(
            length=section.context_length, draw=section.context_draw, unseen=section.unseen
        )
        try:
            chosen.count(s)
        except ValueError as error:
            raise ConfigError(f"model.{error}") from None
        return cls(contexts=chosen)

    @classmethod
    def read(cls, params: Mapping[str, str]) -> Self:
        """Rebuild it from the params of a run."""
        return cls(
            contexts=contexts.Contexts(
                length=int(params["context_length"]),
                draw=params["context_draw"],
                unseen=params["unseen"],
            )
        )

    @property
    def hashed(self) -> Mapping[str, Any]:
        return {"contexts": self.contexts}

    @property
    def params(self) -> Mapping[str, Any]:
        return {
            "context_length": self.contexts.length,
            "context_draw": self.contexts.draw,
            "unseen": self.contexts.unseen,
        }

    def words(self, cell: Cell) -> Sequence[tuple[str, str]]:
        return [source.word(cell), ("context_length", f"l={self.contexts.length}")]

    def memory(self, cell: Cell) -> int:
        model = 8 * self.contexts.count(cell.source.s) * cell.source.s
        return 12 * model * cell.replicates + model * (cell.generations + 1)

    def seconds(self, cell: Cell) -> float:
        table = self.contexts.count(cell.source.s) * cell.source.s
        as_text = self.contexts.draw == "text"
        samples = cell.schedule.largest_total(cell.generations) * as_text
        return cell.replicates * cell.generations * (2e-4 + 1e-7 * table + 2e-6 * samples)

    def run(self, cell: Cell, workspace: Workspace) -> Generator[CellProgress, None, Curves]:
        """Compute the curves, which are means over contexts.

        For s = 3 the curve `laws` has the distributions of run 0, shape (M + 1, c, 3).
        A cell cannot be resumed: if it is interrupted, it starts again.
        """
        setting = contexts.Setting(
            schedule=cell.schedule,
            source=cell.source,
            contexts=self.contexts,
            replicates=cell.replicates,
            seed=cell.seed,
        )
        state = contexts.init(setting)
        records, simplex = [], [state.p[0]]
        for _ in range(cell.generations):
            state, record = contexts.step(setting, state)
            records.append(record)
            what = f"generation {state.m}/{cell.generations}"
            yield CellProgress(cell=cell.id, what=what, share=state.m / cell.generations)
            if cell.source.s == 3:
                simplex.append(state.p[0])
        curves = joined(records, axis=1)
        dirac = curves.pop("dirac") > 0
        T = np.where(dirac.any(axis=1), dirac.argmax(axis=1) + 1, 0)
        m = np.arange(1, cell.generations + 1)
        curves["collapsed"] = (T[:, None] > 0) & (T[:, None] <= m)
        # With the uniform distribution in unseen contexts, a Dirac generation need not be final.
        curves["collapse_time"], curves["absorption_time"] = T, np.zeros_like(T)
        if cell.source.s == 3:
            curves["laws"] = np.array(simplex)
        return curves

    def theory(self, cell: Cell, *, deviation: int) -> Theory:
        """Compute the exact S_m, for schedule full with uniformly drawn contexts."""
        if cell.schedule.name != "full" or self.contexts.draw != "uniform":
            return Theory()
        sigma = moments.sigma_contexts(
            cell.generations,
            n=cell.schedule.n or 0,
            c=self.contexts.count(cell.source.s),
            s=cell.source.s,
            S0=cell.source.concentration,
            keep_unseen=self.contexts.unseen == "keep",
        )
        return Theory(curves={"sigma/exact": sigma})

    def dataset(self, cell: Cell) -> tuple[str, str, Mapping[str, Any]]:
        return source.dataset(cell)
