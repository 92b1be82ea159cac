"""The answer of a threshold search to one problem, and its form in threshold.json."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, NamedTuple, Self

from sweep.models.theory.threshold import Crossing
from sweep.search.bracketing import Bracket
from sweep.tracking.base import StoreError

FILE = "threshold.json"
"""Artifact of the run of a sweep: a list with an object per answer."""
AXES = ("N", "K", "S0", "support", "m", "level")
"""Numbers that distinguish answers."""


class ProbeResult(NamedTuple):
    """The criterion at one n, over R runs."""

    n: int
    R: int
    mean: float
    sd: float
    """Standard deviation over runs."""
    low: float
    """Lower bound on the expectation, as the search uses it; `high` is the upper one."""
    high: float


class ExactValue(NamedTuple):
    """The expected criterion at one n."""

    n: int
    value: float


@dataclass(frozen=True, kw_only=True)
class ThresholdTheory:
    """Theory of n*; None where there is none."""

    exact: Crossing | None = None
    exact_missing: str | None = None
    """Why there is no `exact`, if it would only have been too expensive."""
    exact_values: tuple[ExactValue, ...] | None = None
    """Values at the n of the probes, except where they would be too expensive."""
    normal: float | None = None
    """n* in closed form under normal counts, at most the cap."""
    paper: float | None = None
    """The n up to which eq. (11) of Seddik et al. 2024 guarantees the level; vacuous below 1."""

    def to_json(self) -> dict[str, Any]:
        """Return the fields that are not None."""
        return {key: value for key, value in asdict(self).items() if value is not None}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Invert `to_json`; other keys are ignored."""
        exact, values = data.get("exact"), data.get("exact_values")
        return cls(
            exact=None if exact is None else Crossing(**exact),
            exact_missing=data.get("exact_missing"),
            exact_values=None if values is None else tuple(ExactValue(*v) for v in values),
            normal=data.get("normal"),
            paper=data.get("paper"),
        )


@dataclass(frozen=True, kw_only=True)
class ThresholdResult:
    """n* of one problem, from runs and from theory."""

    name: str
    """Readable name, without the level."""
    model: str
    """statistical or gpt."""
    schedule: str
    criterion: str
    """What stays below the level, a key of `sweep.config.search.LARGEST_LEVEL`."""
    level: float
    m: int
    """The generation at which the criterion is evaluated."""
    N: int | None
    K: int | None
    S0: float
    """Sum of squares of p(0)."""
    s: int
    """Number of tokens."""
    support: int
    first: int
    """The smallest possible n."""
    cap: int
    """The largest n of the search."""
    confidence: float
    zone: float
    """Relative indifference zone, see `sweep.search.bracketing`."""
    bracket: Bracket
    """n* from runs."""
    grid_replicates: int
    """Runs that probes of every n up to the cap would take."""
    probes: tuple[ProbeResult, ...]
    """Sorted by n, then R."""
    theory: ThresholdTheory

    @property
    def axes(self) -> dict[str, float]:
        """Return those of `AXES` that the schedule has."""
        values = {axis: getattr(self, axis) for axis in AXES}
        return {axis: value for axis, value in values.items() if value is not None}

    @property
    def any_below(self) -> bool:
        """Whether some n is surely below the level."""
        return self.bracket.low >= self.first

    @property
    def has_lower_end(self) -> bool:
        """Whether runs bound n* from below; not if the first n exceeds 1 and is not below."""
        return self.any_below or self.first == 1

    @property
    def exact_n(self) -> int | None:
        """Return n* from theory, unless it is the cap or lies below the first n."""
        exact = self.theory.exact
        if exact is None or exact.capped or exact.n < self.first:
            return None
        return exact.n

    def to_json(self) -> dict[str, Any]:
        """Convert to an object of threshold.json."""
        plain = {key: getattr(self, key) for key in PLAIN}
        return {
            **plain,
            "found": asdict(self.bracket),
            "grid_replicates": self.grid_replicates,
            "probes": self.probes,
            **self.theory.to_json(),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Invert `to_json`, also for files of earlier versions. Raises KeyError."""
        bracket = dict(data["found"])
        if bracket["re_entry"] is not None:
            bracket["re_entry"] = tuple(bracket["re_entry"])
        return cls(
            **{key: data[key] for key in PLAIN},
            bracket=Bracket(**bracket),
            grid_replicates=data["grid_replicates"],
            probes=tuple(ProbeResult(*probe) for probe in data["probes"]),
            theory=ThresholdTheory.from_json(data),
        )


_NESTED = ("bracket", "grid_replicates", "probes", "theory")
PLAIN = tuple(field.name for field in fields(ThresholdResult) if field.name not in _NESTED)


def write(results: Iterable[ThresholdResult], path: Path) -> None:
    """Write a threshold.json."""
    path.write_text(json.dumps([result.to_json() for result in results], indent=1))


def read(path: Path) -> list[ThresholdResult]:
    """Read the results in a threshold.json. Raises StoreError if it has no such results."""
    try:
        return [ThresholdResult.from_json(data) for data in json.loads(path.read_text())]
    except (KeyError, TypeError, ValueError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise StoreError(f"sweep: its threshold.json cannot be read ({reason})") from None
