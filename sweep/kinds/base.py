"""Defaults for the optional parts of `sweep.cells.cell.Kind`."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from sweep.cells.cell import Cell
from sweep.cells.outcome import Curves, Theory


@dataclass(frozen=True, kw_only=True)
class Defaults:
    """Base of a kind without settings, axes, metrics or theory."""

    clocked: ClassVar[tuple[str, ...]] = ()

    @property
    def hashed(self) -> Mapping[str, Any]:
        return {}

    @property
    def axes(self) -> Mapping[str, float]:
        return {}

    @property
    def params(self) -> Mapping[str, Any]:
        return {}

    def words(self, cell: Cell) -> Sequence[tuple[str, str]]:
        return ()

    def check(self, cell: Cell) -> None:
        """Accept any cell."""

    def theory_seconds(self, cell: Cell) -> float:
        return 0.0

    def theory(self, cell: Cell, *, deviation: int) -> Theory:
        return Theory()

    def rows(
        self, cell: Cell, curves: Curves, at: NDArray[np.int64]
    ) -> Mapping[str, NDArray[np.float64]]:
        return {}

    def at_start(self, curves: Curves) -> Mapping[str, float]:
        return {}

    def totals(self, cell: Cell, curves: Curves) -> Mapping[str, float]:
        return {}

    def files(self, curves: Curves, folder: Path) -> list[Path]:
        return []

    def moved(self, values: Mapping[str, float]) -> Self:
        return self

    def expectation(self, criterion: str, cell: Cell) -> Callable[[int], float] | None:
        return None

    def surely_below(self, criterion: str, cell: Cell, level: float) -> Callable[[int], bool]:
        return lambda n: False

    def closed_forms(
        self, criterion: str, cell: Cell, level: float, cap: int
    ) -> Mapping[str, float]:
        return {}
