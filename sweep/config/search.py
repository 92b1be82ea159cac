"""How the cells of a sweep are chosen: all of a grid, or one round after the other by a search."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from models.schedules import LARGEST_SAMPLE
from sweep.config import validate
from sweep.config.validate import ConfigError

SEARCHES = ("grid", "threshold", "optuna")
CRITERIA = ("deviation", "collapsed", "sigma", "loss")
"""What must stay below the level at generation m: the deviation from p(1); the share of runs
that have collapsed; sigma over S0; for a GPT, by how much the validation loss has grown since
generation 1, nats."""
LARGEST_LEVEL = {"deviation": 2.0, "collapsed": 1.0, "sigma": 1e6, "loss": 1e3}
DIRECTIONS = ("minimize", "maximize")
THRESHOLD_KEYS = (
    "criterion", "level", "m", "support", "start", "cap", "confidence", "zone", "budget",
    "at_once", "resolution", "re_entry",
)  # fmt: skip
OPTUNA_KEYS = ("axes", "metric", "direction", "trials", "at_once")
SEARCH_KEYS = {"threshold": THRESHOLD_KEYS, "optuna": OPTUNA_KEYS}
CONTINUOUS = ("S0", "temperature", "learning_rate")
"""What search=optuna can vary."""


@dataclass(frozen=True, kw_only=True)
class Threshold:
    """search=threshold: the largest harmless n, for each level, m, support, cell of the grid."""

    criterion: str
    """One of `CRITERIA`."""
    level: tuple[float, ...]
    m: tuple[int, ...] | None
    """Generations at which to look; None: the horizon."""
    support: tuple[int, ...] | None
    """Supports of p(0); None: source.support."""
    start: int | None
    """The smallest n; None: the smallest that is possible."""
    cap: int | None
    """The largest n; None: ten times N, or 1000 without N."""
    confidence: float
    """Of each answer."""
    zone: float
    """Relative indifference: below the level means below (1 - zone) of it."""
    budget: int | None
    """Most replicates of each answer; None: a tenth of those of every n up to the cap."""
    at_once: int
    """Probes of one answer in one round."""
    resolution: float
    """An answer is good enough when its ends are within this share of each other."""
    re_entry: bool
    """Whether to look beyond n* for an n that is harmless again."""


@dataclass(frozen=True, kw_only=True)
class Range:
    """A continuous axis."""

    low: float
    high: float
    log: bool
    """True: evenly in the logarithm."""


@dataclass(frozen=True, kw_only=True)
class Optuna:
    """search=optuna: the best point of continuous axes, by Optuna's TPE sampler."""

    axes: tuple[tuple[str, Range], ...]
    """Which of `CONTINUOUS`, and between what."""
    metric: str
    """Its value of the last generation is what counts."""
    direction: str
    trials: int
    at_once: int
    """Trials of a round; those of one round do not know of each other."""


def parse_threshold(config: Mapping[str, Any]) -> Threshold:
    """The checked settings of search=threshold. Raises ConfigError."""
    criterion = validate.choice(config["criterion"], "threshold.criterion", CRITERIA)
    top = LARGEST_LEVEL[criterion]
    levels = [
        validate.real(v, "threshold.level", 1e-9, top, f"numbers above 0 and up to {top:g}")
        for v in validate.values(config["level"], "threshold.level")
    ]
    m = _wholes(config["m"], "threshold.m", 10**7)
    start, cap = (_whole(config[k], f"threshold.{k}", LARGEST_SAMPLE) for k in ("start", "cap"))
    if start is not None and cap is not None and start > cap:
        raise ConfigError(f"threshold.start: got {start}; allowed: up to threshold.cap, {cap}")
    return Threshold(
        criterion=criterion,
        level=tuple(dict.fromkeys(levels)),
        m=m,
        support=_wholes(config["support"], "threshold.support", LARGEST_SAMPLE, least=2),
        start=start,
        cap=cap,
        confidence=_share(config["confidence"], "threshold.confidence"),
        zone=_share(config["zone"], "threshold.zone"),
        budget=_whole(config["budget"], "threshold.budget", 10**12),
        at_once=validate.whole(config["at_once"], "threshold.at_once", 1, 64),
        resolution=_resolution(config["resolution"]),
        re_entry=validate.flag(config["re_entry"], "threshold.re_entry"),
    )


def parse_optuna(config: Mapping[str, Any], model: str) -> Optuna:
    """The checked settings of search=optuna. Raises ConfigError."""
    axes = config["axes"]
    if not isinstance(axes, Mapping) or not axes:
        raise ConfigError(
            f"optuna.axes: got {axes!r}; allowed: ranges of {', '.join(CONTINUOUS)}, as "
            "'optuna.axes={S0:[0.05,0.5]}'"
        )
    usable = ("S0",) if model == "statistical" else ("temperature", "learning_rate")
    return Optuna(
        axes=tuple(
            (validate.choice(name, f"optuna.axes with model={model}", usable), _range(name, ends))
            for name, ends in sorted(axes.items())
        ),
        metric=validate.text(config["metric"], "optuna.metric"),
        direction=validate.choice(config["direction"], "optuna.direction", DIRECTIONS),
        trials=validate.whole(config["trials"], "optuna.trials", 1, 10**5),
        at_once=validate.whole(config["at_once"], "optuna.at_once", 1, 1024),
    )


def _resolution(value: Any) -> float:
    allowed = "0, or a number from 0.001 to 10"
    found = validate.real(value, "threshold.resolution", 0, 10, allowed)
    return validate.real(value, "threshold.resolution", 0.001, 10, allowed) if found else 0.0


def _range(name: str, ends: Any) -> Range:
    field = f"optuna.axes.{name}"
    limits = {"S0": (1e-6, 1 - 1e-9), "temperature": (0.01, 100.0), "learning_rate": (1e-9, 10.0)}
    least, most = limits[name]
    values = [
        validate.real(v, field, least, most, f"[low, high] within {least:g} to {most:g}")
        for v in validate.values(ends, field)
    ]
    if len(values) != 2 or values[0] >= values[1]:
        raise ConfigError(f"{field}: got {ends!r}; allowed: [low, high] with low below high")
    return Range(low=values[0], high=values[1], log=name == "learning_rate")


def _whole(value: Any, field: str, most: int) -> int | None:
    return None if value is None else validate.whole(value, field, 1, most)


def _wholes(value: Any, field: str, most: int, *, least: int = 1) -> tuple[int, ...] | None:
    if value is None:
        return None
    found = [validate.whole(v, field, least, most) for v in validate.values(value, field)]
    return tuple(dict.fromkeys(found))


def _share(value: Any, field: str) -> float:
    return validate.real(value, field, 1e-6, 1 - 1e-6, "a number between 0 and 1")
