"""The statistical model of one context: `model=statistical`."""

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import xlogy

from sweep.cells.cell import Cell, Kind
from sweep.cells.outcome import CellProgress, Curves, Theory
from sweep.cells.workspace import Workspace
from sweep.config.schema import Settings
from sweep.kinds import source
from sweep.kinds.base import Defaults
from sweep.kinds.contexts.kind import Contexts
from sweep.kinds.statistical import cost, simulate, theory, threshold
from sweep.kinds.statistical.config import StatisticalSection
from sweep.models.schedules import Schedule
from sweep.models.seeding import STREAM


def from_settings(
    settings: Settings, schedule: Schedule, text: str | None, axes: Mapping[str, Any]
) -> Kind:
    """Build the kind from the settings, with or without contexts. Raises ConfigError."""
    section = settings.model_section
    assert isinstance(section, StatisticalSection)
    if section.context_length:
        return Contexts.checked(section, settings.source.s, schedule)
    return Statistical()


def from_params(params: Mapping[str, str]) -> Kind:
    """Rebuild the kind from the params of a run."""
    return Contexts.read(params) if "context_length" in params else Statistical()


@dataclass(frozen=True, kw_only=True)
class Statistical(Defaults):
    """The kind of model of `models.statistical.model`."""

    model: ClassVar[str] = "statistical"
    stream: ClassVar[int | str] = STREAM
    trains_network: ClassVar[bool] = False

    def words(self, cell: Cell) -> Sequence[tuple[str, str]]:
        return [source.word(cell)]

    def memory(self, cell: Cell) -> int:
        return cost.memory(cell)

    def seconds(self, cell: Cell) -> float:
        return cost.seconds(cell)

    def theory_seconds(self, cell: Cell) -> float:
        return cost.theory_seconds(cell)

    def run(self, cell: Cell, workspace: Workspace) -> Generator[CellProgress, None, Curves]:
        return simulate.simulate(cell, workspace.folder, workspace.checkpoint_seconds)

    def theory(self, cell: Cell, *, deviation: int) -> Theory:
        return theory.theory(cell, deviation=deviation)

    def rows(
        self, cell: Cell, curves: Curves, at: NDArray[np.int64]
    ) -> Mapping[str, NDArray[np.float64]]:
        """Compute survival (share of the tokens of p(0) alive) and entropy over that of p(0)."""
        p = cell.source.probabilities()
        return {
            "survival/mean": curves["support"][:, at - 1].mean(0) / (p > 0).sum(),
            "entropy_ratio/mean": curves["entropy"][:, at - 1].mean(0) / -float(xlogy(p, p).sum()),
        }

    def totals(self, cell: Cell, curves: Curves) -> Mapping[str, float]:
        """Compute extinction_time, the first generation that has lost a token of p(0).

        It is absent if some run has lost none by the last generation.
        """
        lost = curves["support"] < (cell.source.probabilities() > 0).sum()
        if not lost.any(axis=1).all():
            return {}
        return {"extinction_time/mean": float(lost.argmax(axis=1).mean() + 1)}

    def dataset(self, cell: Cell) -> tuple[str, str, Mapping[str, Any]]:
        return source.dataset(cell)

    def expectation(self, criterion: str, cell: Cell) -> Callable[[int], float] | None:
        return threshold.expectation(criterion, cell)

    def surely_below(self, criterion: str, cell: Cell, level: float) -> Callable[[int], bool]:
        return threshold.surely_below(criterion, cell, level)

    def closed_forms(
        self, criterion: str, cell: Cell, level: float, cap: int
    ) -> Mapping[str, float]:
        return threshold.closed_forms(criterion, cell, level, cap)
