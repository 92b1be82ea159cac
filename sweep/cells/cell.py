"""A cell (one point of a grid) and the protocol of the kind of model that it trains.

The two are in one module because each needs the other: a cell has a kind, and a kind
does everything for a cell. The kinds are in `sweep.kinds`; `sweep.cells.kinds` loads them.
"""

import hashlib
import json
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from sweep.cells.axes import AXES
from sweep.cells.outcome import CellProgress, Curves, Theory
from sweep.cells.workspace import Workspace
from sweep.models.schedules import Schedule
from sweep.models.seeding import canonical
from sweep.models.source import Source


class Kind(Protocol):
    """A kind of model, with the settings that determine the numbers of a cell.

    Implementations are frozen dataclasses: cells are compared, hashed and sent to workers.

        M    generations of a cell
        R    replicates of a cell
    """

    model: ClassVar[str]
    """Key of `sweep.cells.kinds.KINDS`, value of `model=` and of the param `model`."""
    stream: ClassVar[int | str]
    """Version of its random streams, part of every id: increased when equal settings give
    different bits."""
    trains_network: ClassVar[bool]
    """Whether cells train a network: they may use a GPU, and never run in the driver."""

    clocked: ClassVar[tuple[str, ...]]
    """Metrics that depend on the clock, and so differ when a cell is computed again."""

    @property
    def hashed(self) -> Mapping[str, Any]:
        """Field name -> value to hash into the id, in addition to the fields of the cell."""
        ...

    @property
    def axes(self) -> Mapping[str, float]:
        """Axis -> value, for the entries of `AXES` with `of` = kind."""
        ...

    @property
    def params(self) -> Mapping[str, Any]:
        """Its settings as params of a run; None for those that do not apply."""
        ...

    def words(self, cell: "Cell") -> Sequence[tuple[str, str]]:
        """Return (key, text) of what it adds to a name: axes before `reuse`, the rest after."""
        ...

    def check(self, cell: "Cell") -> None:
        """Raise ConfigError for an invalid cell."""
        ...

    def memory(self, cell: "Cell") -> int:
        """Estimate the bytes that running the cell needs, in addition to the curves of all runs."""
        ...

    def seconds(self, cell: "Cell") -> float:
        """Estimate the seconds to compute the cell on one core."""
        ...

    def theory_seconds(self, cell: "Cell") -> float:
        """Estimate the seconds that `theory` takes on one core."""
        ...

    def run(self, cell: "Cell", workspace: Workspace) -> Generator[CellProgress, None, Curves]:
        """Compute the curves of a cell, and resume from the checkpoints in the workspace."""
        ...

    def theory(self, cell: "Cell", *, deviation: int) -> Theory:
        """Compute everything that theory says about the cell.

        deviation: most multiplications for the exact deviation; 0 omits it.
        """
        ...

    def rows(
        self, cell: "Cell", curves: Curves, at: NDArray[np.int64]
    ) -> Mapping[str, NDArray[np.float64]]:
        """Compute the metrics of this kind at the generations `at`: name -> shape (len(at),)."""
        ...

    def at_start(self, curves: Curves) -> Mapping[str, float]:
        """Compute the metrics of p(0), which are sent at step 0."""
        ...

    def totals(self, cell: "Cell", curves: Curves) -> Mapping[str, float]:
        """Compute the metrics of this kind for the whole cell."""
        ...

    def files(self, curves: Curves, folder: Path) -> list[Path]:
        """Write the artifacts of this kind below the folder, and return their paths."""
        ...

    def dataset(self, cell: "Cell") -> tuple[str, str, Mapping[str, Any]]:
        """Describe p(0): a name, a text that identifies it (a hash), and facts about it."""
        ...

    def moved(self, values: Mapping[str, float]) -> "Kind":
        """Return the same kind with new values for those continuous settings that it has."""
        ...

    def expectation(self, criterion: str, cell: "Cell") -> Callable[[int], float] | None:
        """Return n -> expected criterion of a threshold search; None where theory has no formula.

        The returned function raises ValueError for an n that would take too much work.
        """
        ...

    def surely_below(self, criterion: str, cell: "Cell", level: float) -> Callable[[int], bool]:
        """Return n -> whether a bound proves that the criterion is below the level."""
        ...

    def closed_forms(
        self, criterion: str, cell: "Cell", level: float, cap: int
    ) -> Mapping[str, float]:
        """Return closed forms of the largest harmless n: `normal` and `paper`, where they apply."""
        ...


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One point of the grid: everything that determines its numbers."""

    kind: Kind
    schedule: Schedule
    source: Source
    """The initial distribution p(0); for a GPT the token frequencies of its text."""
    generations: int
    replicates: int
    seed: int

    @cached_property
    def id(self) -> str:
        """12 hex digits of the SHA-256 of the cell and the version of its random streams."""
        content = {
            "model": self.kind.model,
            "schedule": canonical(self.schedule),
            "source": canonical(self.source),
            "generations": self.generations,
            "replicates": self.replicates,
            "seed": self.seed,
            **{key: canonical(value) for key, value in self.kind.hashed.items()},
        }
        text = json.dumps([self.kind.stream, content], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    @property
    def words(self) -> tuple[tuple[str, str], ...]:
        """(key, text) for each part of the name."""
        values = [
            (axis.name, f"{axis.name}={getattr(self.schedule, axis.name)}")
            for axis in AXES.values()
            if axis.of == "schedule" and getattr(self.schedule, axis.name) is not None
        ]
        kept = [("reuse", "kept")] if self.schedule.reuse else []
        added = list(self.kind.words(self))
        axes = [word for word in added if word[0] in AXES]
        rest = [word for word in added if word[0] not in AXES]
        return (("schedule", self.schedule.name), *values, *axes, *kept, *rest)

    @property
    def name(self) -> str:
        """Readable name, such as `partial n=10 N=100 S0=0.1`."""
        return self.name_without()

    def name_without(self, *keys: str) -> str:
        """Return the name without the parts that have these keys."""
        return " ".join(text for key, text in self.words if key not in keys)

    @property
    def params(self) -> dict[str, str]:
        """Params of its run; unused axes are absent."""
        source = self.source
        values: dict[str, Any] = {
            "model": self.kind.model,
            "schedule": self.schedule.name,
            **{a: getattr(self.schedule, a) for a in AXES if AXES[a].of == "schedule"},
            "reuse": self.schedule.reuse,
            "S0": source.concentration,
            "s": source.s,
            "support": source.support,
            "family": source.family,
            "source_seed": source.seed,
            "counts": source.counts and " ".join(map(str, source.counts)),
            "generations": self.generations,
            "replicates": self.replicates,
            "seed": self.seed,
            "cell": self.id,
            **self.kind.params,
        }
        return {key: str(value) for key, value in values.items() if value is not None}

    @property
    def axes(self) -> dict[str, float]:
        """Axis -> number; stored as metrics too, since trackers sort params as text."""
        values: dict[str, float | None] = {
            axis.name: getattr(self.schedule, axis.name)
            if axis.of == "schedule"
            else self.source.concentration
            if axis.of == "source"
            else self.kind.axes.get(axis.name)
            for axis in AXES.values()
        }
        return {axis: float(value) for axis, value in values.items() if value is not None}


def sweep_id(name: str, cells: list[Cell]) -> str:
    """Return 12 hex digits of the SHA-256 of an experiment's name and its cells, in any order."""
    text = json.dumps([name, sorted(cell.id for cell in cells)])
    return hashlib.sha256(text.encode()).hexdigest()[:12]
