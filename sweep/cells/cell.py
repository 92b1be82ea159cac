"""A cell, one point of a grid, and the kind of model that it trains.

The two belong together: a cell has a kind, and all that a kind does, it does for
a cell. The kinds themselves lie in `sweep.kinds` and are loaded by `sweep.cells.kinds`.
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

from models.schedules import Schedule
from models.seeding import canonical
from models.source import Source
from sweep.cells.axes import AXES
from sweep.cells.outcome import CellProgress, Curves, Theory
from sweep.cells.workspace import Workspace


class Kind(Protocol):
    """A kind of model, with the settings that the numbers of a cell depend on.

    An implementation is a frozen dataclass: cells are compared, hashed and sent to workers.
    """

    model: ClassVar[str]
    """Key of `sweep.cells.kinds.KINDS`, value of `model=` and of the param `model`."""
    stream: ClassVar[int | str]
    """Version of its random streams, part of every id: raised when equal settings give other
    bits."""
    trains_network: ClassVar[bool]
    """Whether a cell trains a network: it may use a GPU, and is never run in the driver."""

    clocked: ClassVar[tuple[str, ...]]
    """Metrics that depend on the clock: they differ when a cell is computed again."""

    @property
    def hashed(self) -> Mapping[str, Any]:
        """What is hashed into the id besides the fields of the cell."""
        ...

    @property
    def axes(self) -> Mapping[str, float]:
        """Its own axes, those of `AXES` whose `of` is kind."""
        ...

    @property
    def params(self) -> Mapping[str, Any]:
        """Its settings as params of a run, None for those that do not apply."""
        ...

    def words(self, cell: "Cell") -> Sequence[tuple[str, str]]:
        """(key, text) of what it adds to the name of a cell, before and after `reuse`."""
        ...

    def check(self, cell: "Cell") -> None:
        """Raise ConfigError for a cell that makes no sense."""
        ...

    def memory(self, cell: "Cell") -> int:
        """Bytes that running the cell needs, besides the curves of all runs."""
        ...

    def seconds(self, cell: "Cell") -> float:
        """Estimated seconds to compute the cell on one core."""
        ...

    def theory_seconds(self, cell: "Cell") -> float:
        """Estimated seconds that `theory` takes on one core."""
        ...

    def run(self, cell: "Cell", workspace: Workspace) -> Generator[CellProgress, None, Curves]:
        """Compute the curves of a cell, resumable from what the workspace holds."""
        ...

    def theory(self, cell: "Cell", *, deviation: int) -> Theory:
        """Everything that theory says of the cell.

        deviation: most multiplications for the exact deviation; 0 leaves it out.
        """
        ...

    def rows(
        self, cell: "Cell", curves: Curves, at: NDArray[np.int64]
    ) -> Mapping[str, NDArray[np.float64]]:
        """Metrics of its own at the generations `at`, shape (len(at),)."""
        ...

    def at_start(self, curves: Curves) -> Mapping[str, float]:
        """Metrics of p(0), sent at step 0."""
        ...

    def totals(self, cell: "Cell", curves: Curves) -> Mapping[str, float]:
        """Metrics of its own of a whole cell."""
        ...

    def files(self, curves: Curves, folder: Path) -> list[Path]:
        """Write the artifacts of its own below the folder."""
        ...

    def dataset(self, cell: "Cell") -> tuple[str, str, Mapping[str, Any]]:
        """What the cell learns first: a name, a text that identifies it, and facts."""
        ...

    def moved(self, values: Mapping[str, float]) -> "Kind":
        """The same kind with other values of the continuous settings that it has."""
        ...

    def expectation(self, criterion: str, cell: "Cell") -> Callable[[int], float] | None:
        """n -> the expected criterion of a threshold search; None where theory does not know it.

        What is returned raises ValueError for an n that would take too much work.
        """
        ...

    def surely_below(self, criterion: str, cell: "Cell", level: float) -> Callable[[int], bool]:
        """n -> whether a bound says that the criterion is below the level."""
        ...

    def closed_forms(
        self, criterion: str, cell: "Cell", level: float, cap: int
    ) -> Mapping[str, float]:
        """The largest harmless n in closed form: `normal` and `paper`, where they apply."""
        ...


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One point of the grid: everything its numbers depend on."""

    kind: Kind
    schedule: Schedule
    source: Source
    """The initial distribution; for a GPT the frequencies of the tokens in its text."""
    generations: int
    replicates: int
    seed: int

    @cached_property
    def id(self) -> str:
        """12 hex digits of a hash of the cell and of the version of its random stream."""
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
        """(key, text) of each part of the name."""
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
        """Readable, as in `partial n=10 N=100 S0=0.1`."""
        return self.name_without()

    def name_without(self, *keys: str) -> str:
        """The name without the parts of these keys."""
        return " ".join(text for key, text in self.words if key not in keys)

    @property
    def params(self) -> dict[str, str]:
        """What the tracker stores; unused axes are absent."""
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
        """The axes as numbers: stored as metrics too, since params sort as text."""
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
    """12 hex digits of a hash of the experiment's name and its cells, in whatever order."""
    text = json.dumps([name, sorted(cell.id for cell in cells)])
    return hashlib.sha256(text.encode()).hexdigest()[:12]
