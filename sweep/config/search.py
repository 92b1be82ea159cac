"""How the cells of a sweep are chosen: a whole grid, or round by round by a search."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import PlainValidator, ValidationInfo, model_validator

from sweep.config.section import Section
from sweep.config.validate import Check, Choice, ConfigError, Flag, Real, ScalarOrList, Text, Whole
from sweep.models.schedules import LARGEST_SAMPLE

SEARCHES = ("grid", "threshold", "optuna")
SHARE = Real(1e-6, 1 - 1e-6, "a number between 0 and 1")
LARGEST_LEVEL = {"deviation": 2.0, "collapsed": 1.0, "sigma": 1e6, "loss": 1e3}
"""Criterion, which must stay below the level at generation m -> the largest meaningful level:
the deviation from p(1); the share of runs that have collapsed; sigma over S0; for a GPT, the
increase of the validation loss since generation 1, nats."""
CONTINUOUS = {
    "S0": (1e-6, 1 - 1e-9),
    "temperature": (0.01, 100.0),
    "learning_rate": (1e-9, 10.0),
}
"""Axis that search=optuna can vary -> its widest range."""


def _levels(value: Any, info: ValidationInfo) -> Any:
    top = LARGEST_LEVEL[info.data.get("criterion", "sigma")]
    return ScalarOrList(Real(1e-9, top, f"numbers above 0 and up to {top:g}"))(value)


def _resolution(value: Any) -> Any:
    zero = value == 0 and not isinstance(value, bool)
    return 0.0 if zero else Real(0.001, 10, "0, or a number from 0.001 to 10")(value)


class Threshold(Section):
    """search=threshold: the largest harmless n, for each level, m, support and cell of the grid."""

    criterion: Annotated[str, Choice(LARGEST_LEVEL)]
    """One of `LARGEST_LEVEL`."""
    level: Annotated[tuple[float, ...], PlainValidator(_levels)]
    m: Annotated[tuple[int, ...], ScalarOrList(Whole(1, 10**7))] | None
    """Generations at which the criterion is evaluated; None: the horizon."""
    support: Annotated[tuple[int, ...], ScalarOrList(Whole(2, LARGEST_SAMPLE))] | None
    """Supports of p(0); None: source.support."""
    start: Annotated[int, Whole(1, LARGEST_SAMPLE)] | None
    """The smallest n; None: the smallest possible."""
    cap: Annotated[int, Whole(1, LARGEST_SAMPLE)] | None
    """The largest n; None: ten times N, or 1000 without N."""
    confidence: Annotated[float, SHARE]
    """Confidence of each answer."""
    zone: Annotated[float, SHARE]
    """Relative indifference zone: below the level means below (1 - zone) times the level."""
    budget: Annotated[int, Whole(1, 10**12)] | None
    """Most replicates per answer; None: a tenth of those that every n up to the cap would take."""
    at_once: Annotated[int, Whole(1, 64)]
    """Probes per answer and round."""
    resolution: Annotated[float, Check(_resolution)]
    """An answer is precise enough when its ends are within this share of each other."""
    re_entry: Flag
    """Whether to search beyond n* for an n that is harmless again."""

    @model_validator(mode="after")
    def _possible(self) -> "Threshold":
        if self.start is not None and self.cap is not None and self.start > self.cap:
            raise ConfigError(f"start: got {self.start}; allowed: up to threshold.cap, {self.cap}")
        return self


class Range(Section):
    """A continuous axis."""

    low: float
    high: float
    log: bool
    """Whether values are spread evenly in the logarithm."""


def _axes(axes: Any) -> tuple[tuple[str, Range], ...]:
    if not isinstance(axes, Mapping) or not axes:
        raise ValueError(
            f"got {axes!r}; allowed: ranges of {', '.join(CONTINUOUS)}, as "
            "'optuna.axes={S0:[0.05,0.5]}'"
        )
    names = map(Choice(CONTINUOUS), sorted(axes, key=str))
    return tuple((name, _range(name, axes[name])) for name in names)


def _range(name: str, ends: Any) -> Range:
    low, high = CONTINUOUS[name]
    within = Real(low, high, f"[low, high] within {low:g} to {high:g}")
    values = ScalarOrList(within, repeats=True).at(name, ends)
    if len(values) != 2 or values[0] >= values[1]:
        raise ConfigError(f"{name}: got {ends!r}; allowed: [low, high] with low below high")
    return Range(low=values[0], high=values[1], log=name == "learning_rate")


class Optuna(Section):
    """search=optuna: the best point of continuous axes, by Optuna's TPE sampler."""

    axes: Annotated[tuple[tuple[str, Range], ...], Check(_axes)]
    """Axis, one of `CONTINUOUS`, and its range."""
    metric: Text
    """The metric to optimize, by its value at the last generation."""
    direction: Annotated[str, Choice(("minimize", "maximize"))]
    trials: Annotated[int, Whole(1, 10**5)]
    at_once: Annotated[int, Whole(1, 1024)]
    """Trials per round; trials of the same round are chosen independently."""
