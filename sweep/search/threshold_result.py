"""The answer of a threshold search to one problem, and its form in threshold.json."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, NamedTuple, Self

from models.theory.threshold import Crossing
from sweep.search.bracketing import Bracket

FILE = "threshold.json"
"""Artifact of the run of a sweep: a list with an object for each answer."""
AXES = ("N", "K", "S0", "support", "m", "level")
"""The numbers by which answers are distinguished."""


class ProbeResult(NamedTuple):
    """The criterion at one n, over R runs."""

    n: int
    R: int
    mean: float
    sd: float
    """Over runs."""
    low: float
    """Bounds on the expectation, as the search takes them."""
    high: float


class ExactValue(NamedTuple):
    """The expected criterion at one n."""

    n: int
    value: float


@dataclass(frozen=True, kw_only=True)
class ThresholdTheory:
    """What theory says of n*; None where it says nothing."""

    exact: Crossing | None = None
    exact_missing: str | None = None
    """Why there is no `exact`, where only the work was too much."""
    exact_values: tuple[ExactValue, ...] | None = None
    """At the n of the probes, but for those that would take too much work."""
    normal: float | None = None
    """n* in closed form if counts were normal, at most the cap."""
    paper: float | None = None
    """The n up to which eq. (11) of Seddik et al. 2024 promises the level; vacuous below 1."""

    def to_json(self) -> dict[str, Any]:
        """The parts that are known."""
        return {key: value for key, value in asdict(self).items() if value is not None}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The inverse of `to_json`; other keys are ignored."""
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
    """What runs and theory say of n* of one problem."""

    name: str
    """Readable, without the level."""
    model: str
    """statistical or gpt."""
    schedule: str
    criterion: str
    """What stays below the level, one of `sweep.config.search.CRITERIA`."""
    level: float
    m: int
    """The generation looked at."""
    N: int | None
    K: int | None
    S0: float
    """Sum of squares of p(0)."""
    s: int
    """Tokens."""
    support: int
    first: int
    """The smallest n that was possible."""
    cap: int
    """The largest n that was asked for."""
    confidence: float
    zone: float
    """Relative indifference, see `sweep.search.bracketing`."""
    bracket: Bracket
    """n* from runs."""
    grid_replicates: int
    """Runs that probes of every n up to the cap would have taken."""
    probes: tuple[ProbeResult, ...]
    """In order of n, then R."""
    theory: ThresholdTheory

    @property
    def axes(self) -> dict[str, float]:
        """Those of `AXES` that the schedule has."""
        values = {axis: getattr(self, axis) for axis in AXES}
        return {axis: value for axis, value in values.items() if value is not None}

    @property
    def any_below(self) -> bool:
        """Whether some n is known to be below the level."""
        return self.bracket.low >= self.first

    @property
    def low_known(self) -> bool:
        """Whether n* is known from below; if the first n exceeds 1 and is not below, it is not."""
        return self.any_below or self.first == 1

    @property
    def exact_n(self) -> int | None:
        """n* from theory, unless that is the cap or lies below the first n."""
        exact = self.theory.exact
        known = exact is not None and not exact.capped and exact.n >= self.first
        return exact.n if exact is not None and known else None

    def to_json(self) -> dict[str, Any]:
        """As an object of threshold.json."""
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
        """The inverse of `to_json`, also for files of earlier versions. Raises KeyError."""
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
    """The results in a threshold.json."""
    return [ThresholdResult.from_json(data) for data in json.loads(path.read_text())]
