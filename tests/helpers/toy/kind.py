"""A model that loses a share of its diversity in each generation: 1 - sigma decays."""

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from sweep.cells.cell import Cell, Kind
from sweep.cells.outcome import CellProgress, Curves, Theory
from sweep.cells.workspace import Workspace
from sweep.config.schema import Settings
from sweep.kinds.base import Defaults
from sweep.models.schedules import Schedule


@dataclass(frozen=True, kw_only=True)
class Toy(Defaults):
    model: ClassVar[str] = "toy"
    stream: ClassVar[int | str] = "toy 1"
    trains_network: ClassVar[bool] = False

    rate: float

    @property
    def hashed(self) -> Mapping[str, Any]:
        return {"rate": self.rate}

    @property
    def axes(self) -> Mapping[str, float]:
        return {"rate": self.rate}

    params = axes

    def words(self, cell: Cell) -> Sequence[tuple[str, str]]:
        return [("rate", f"rate={self.rate:g}")]

    def seconds(self, cell: Cell) -> float:
        return 1e-3

    def memory(self, cell: Cell) -> int:
        return 0

    def theory(self, cell: Cell, *, deviation: int) -> Theory:
        m = np.arange(1, cell.generations + 1)
        kept = (1 - self.rate) ** m * (1 - cell.source.concentration)
        return Theory(curves={"sigma/exact": np.asarray(1 - kept, np.float64)})

    def run(self, cell: Cell, workspace: Workspace) -> Generator[CellProgress, None, Curves]:
        yield CellProgress(cell=cell.id, what="generation 1", share=0.5)
        sigma = self.theory(cell, deviation=0).curves["sigma/exact"]
        noise = np.random.default_rng(cell.seed).normal(0, 1e-3, (cell.replicates, len(sigma)))
        names = ("p_max", "deviation", "deviation_p0", "support", "entropy", "js_p0", "tail")
        never = np.zeros(cell.replicates, np.int64)
        flat = dict.fromkeys((*names, "collapsed"), 0 * noise)
        return flat | {"sigma": sigma + noise, "collapse_time": never, "absorption_time": never}

    def dataset(self, cell: Cell) -> tuple[str, str, Mapping[str, Any]]:
        return "toy", cell.source.family, {}


def from_settings(
    settings: Settings, schedule: Schedule, text: str | None, axes: Mapping[str, Any]
) -> Kind:
    return Toy(rate=axes.get("rate", 0.5))


def from_params(params: Mapping[str, str]) -> Kind:
    return Toy(rate=float(params["rate"]))
