"""From a composed config to checked, frozen settings.

Whatever is wrong is refused here, before anything starts, with one line: the
field, what it got, what is allowed. Not covered: what depends on two axes of
one cell (`sweep.grid`) or on the outside world (`sweep.run`).
"""

import difflib
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from models.contexts import DRAWS, UNSEEN
from models.schedules import LARGEST_SAMPLE, RULES
from models.source import FAMILIES

AXES = ("n", "N", "K", "S0")
DEFAULTS: dict[str, tuple[float, ...]] = {"n": (10,), "N": (100,), "K": (2,), "S0": (0.1,)}
"""What an axis is when nobody gives it and a schedule needs it."""

FIGURES = ("curves", "initial", "windows", "collapse_time", "schedules", "simplex")
"""curves: sigma over deviation, a column a cell. initial: with p(0) above them.
windows: with the law of T below them. collapse_time: mean T against n, a column an
initial law. schedules: all cells on the same axes. simplex: the laws of all contexts,
where s = 3."""


class ConfigError(ValueError):
    """The config is refused; the message is one line for the user."""


@dataclass(frozen=True, kw_only=True)
class Grid:
    """The axes of the sweep: values in the order given, without repeats.

    None: not given; `DEFAULTS` then holds for the schedules that use the axis.
    """

    schedule: tuple[str, ...]
    n: tuple[int, ...] | None
    N: tuple[int, ...] | None
    K: tuple[int, ...] | None
    S0: tuple[float, ...] | None
    reuse: tuple[bool, ...]
    """recent only: whether a model's samples are drawn once and kept in the window."""
    zip: tuple[str, ...]
    """Axes that move together, value by value, instead of forming a product."""
    alpha: tuple[float, ...] | None
    """Share of synthetic samples, n / (N + n), at a fixed `total`; replaces n and N."""
    total: tuple[int, ...] | None
    """N + n, with `alpha`."""


@dataclass(frozen=True, kw_only=True)
class SourceSettings:
    """The initial law, but for S0, which is an axis of the grid."""

    family: str
    s: int
    support: int
    seed: int
    """Which draw; dirichlet only."""


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """Where trials run."""

    kind: str
    """local (Ray on this machine) or inline (this process)."""
    num_cpus: int | None
    """Cores that Ray may use; None: all."""
    cpus_per_trial: int
    max_failures: int
    """How often a pack whose worker died is started again."""


@dataclass(frozen=True, kw_only=True)
class Tracking:
    """Where results are kept."""

    kind: str
    """mlflow, or memory: nothing outlives the command but figures and tables."""
    uri: str | None
    experiment: str
    """Name of the MLflow experiment."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """A whole sweep, checked."""

    name: str
    purpose: str
    model: str
    context_length: int
    """l; 0: one context, the model of the theory."""
    context_draw: str
    """How contexts are drawn; see `models.contexts`."""
    unseen: str
    """What a context gets that no sample falls on."""
    grid: Grid
    source: SourceSettings
    generations: int
    """Horizon M."""
    replicates: int
    """Independent runs of each cell."""
    seed: int
    """Root of all randomness."""
    cluster: Cluster
    tracking: Tracking
    dry_run: bool
    force: bool
    output: str
    """Folder for figures, tables and reports."""
    figure: str
    """How the sweep is drawn; one of `FIGURES`."""


KEYS: dict[str, tuple[str, ...]] = {
    "": (
        "name", "purpose", "cost", "figure", "model", "grid", "source", "generations", "replicates",
        "seed", "cluster", "tracking", "dry_run", "force", "output",
    ),
    "model": ("name", "context_length", "context_draw", "unseen"),
    "grid": ("schedule", *AXES, "reuse", "zip", "alpha", "total"),
    "source": ("family", "s", "support", "seed"),
    "cluster": ("kind", "num_cpus", "cpus_per_trial", "max_failures"),
    "tracking": ("kind", "uri", "experiment"),
}  # fmt: skip
"""Every key a config may hold, by section."""


def nearest(word: str, allowed: Iterable[str]) -> str:
    """`; did you mean X?` if a name is close, else nothing."""
    found = difflib.get_close_matches(word, list(allowed), n=1, cutoff=0.5)
    return f"; did you mean {found[0]}?" if found else ""


def key_paths() -> list[str]:
    """Every key as it is typed on the command line, groups included."""
    return [
        f"{section}.{key}" if section else key for section, keys in KEYS.items() for key in keys
    ]


def parse(config: Mapping[str, Any]) -> Settings:
    """Check a composed config (plain dicts, lists and scalars).

    Raises ConfigError.
    """
    sections: dict[str, Mapping[str, Any]] = {"": config}
    for section in KEYS:
        if section:
            sections[section] = _mapping(config.get(section), section)
    for section, mapping in sections.items():
        for key in mapping:
            if key not in KEYS[section]:
                path = f"{section}.{key}" if section else key
                raise ConfigError(f"{path}: unknown key{nearest(path, key_paths())}")
        for key in KEYS[section]:
            path = f"{section}.{key}" if section else key
            if key not in mapping:
                raise ConfigError(f"{path}: is missing")
            if mapping[key] == "???":
                raise ConfigError(f"{path}: has to be given, as {path}=VALUE")
    grid, source, cluster, tracking = (
        sections[k] for k in ("grid", "source", "cluster", "tracking")
    )
    name = _text(config["name"], "name")
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", name):
        raise ConfigError(f"name: got {name!r}; allowed: letters, digits, and . _ - between them")
    kind = _choice(tracking["kind"], "tracking.kind", ("mlflow", "memory"))
    return Settings(
        name=name,
        purpose=_text(config["purpose"] or name, "purpose"),
        model=_choice(sections["model"]["name"], "model.name", ("statistical",)),
        context_length=_whole(sections["model"]["context_length"], "model.context_length", 0, 64),
        context_draw=_choice(sections["model"]["context_draw"], "model.context_draw", DRAWS),
        unseen=_choice(sections["model"]["unseen"], "model.unseen", UNSEEN),
        grid=_grid(grid),
        source=SourceSettings(
            family=_choice(source["family"], "source.family", FAMILIES),
            s=_whole(source["s"], "source.s", 2, LARGEST_SAMPLE),
            support=_whole(source["support"], "source.support", 2, LARGEST_SAMPLE),
            seed=_whole(source["seed"], "source.seed", 0, 2**63),
        ),
        generations=_whole(config["generations"], "generations", 1, 10**7),
        replicates=_whole(config["replicates"], "replicates", 1, 10**7),
        seed=_whole(config["seed"], "seed", 0, 2**63),
        cluster=Cluster(
            kind=_choice(cluster["kind"], "cluster.kind", ("local", "inline")),
            num_cpus=None
            if cluster["num_cpus"] is None
            else _whole(cluster["num_cpus"], "cluster.num_cpus", 1, 4096),
            cpus_per_trial=_whole(cluster["cpus_per_trial"], "cluster.cpus_per_trial", 1, 4096),
            max_failures=_whole(cluster["max_failures"], "cluster.max_failures", 0, 1000),
        ),
        tracking=Tracking(
            kind=kind,
            uri=None if kind == "memory" else _text(tracking["uri"], "tracking.uri"),
            experiment=_text(tracking["experiment"] or name, "tracking.experiment"),
        ),
        dry_run=_flag(config["dry_run"], "dry_run"),
        force=_flag(config["force"], "force"),
        output=_text(config["output"], "output"),
        figure=_choice(config["figure"], "figure", FIGURES),
    )


def _grid(grid: Mapping[str, Any]) -> Grid:
    zipped = () if grid["zip"] is None else tuple(_values(grid["zip"], "grid.zip"))
    parsed = Grid(
        schedule=tuple(
            dict.fromkeys(
                _choice(v, "grid.schedule", RULES)
                for v in _values(grid["schedule"], "grid.schedule")
            )
        ),
        n=_axis(grid["n"], "grid.n", repeats="n" in zipped),
        N=_axis(grid["N"], "grid.N", repeats="N" in zipped),
        K=_axis(grid["K"], "grid.K", repeats="K" in zipped),
        S0=_fractions(grid["S0"], "grid.S0", "1/support up to", repeats="S0" in zipped),
        reuse=tuple(
            dict.fromkeys(_flag(v, "grid.reuse") for v in _values(grid["reuse"], "grid.reuse"))
        ),
        zip=tuple(_choice(v, "grid.zip", AXES) for v in zipped),
        alpha=_fractions(grid["alpha"], "grid.alpha", "above 0 and up to", repeats=False),
        total=_axis(grid["total"], "grid.total", repeats=False),
    )
    lengths = {axis: len(getattr(parsed, axis) or ()) for axis in parsed.zip}
    if len(set(lengths.values())) > 1 or 0 in lengths.values():
        shown = ", ".join(f"{axis} has {length}" for axis, length in lengths.items())
        raise ConfigError(f"grid.zip: {shown} values; allowed: lists of one length")
    if (parsed.alpha is None) != (parsed.total is None):
        missing = "total" if parsed.total is None else "alpha"
        raise ConfigError(f"grid.{missing}: is missing; grid.alpha and grid.total go together")
    if parsed.alpha is not None and (parsed.n or parsed.N):
        given = "n" if parsed.n else "N"
        raise ConfigError(
            f"grid.{given}: got {list(getattr(parsed, given))} beside grid.alpha; allowed: one "
            f"of them, since alpha and total give n and N; write grid.{given}=null"
        )
    for total in parsed.total or ():
        for alpha in parsed.alpha or ():
            if not 1 <= round(alpha * total) < total:
                raise ConfigError(
                    f"grid.alpha: got {alpha:g} of a total of {total}; allowed: at least one "
                    "synthetic and one real sample"
                )
    return parsed


def _mapping(value: Any, field: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ConfigError(
            f"{field}: got {value!r}; it is a group of keys: "
            + ", ".join(f"{field}.{key}" for key in KEYS[field])
        )
    return value


def _text(value: Any, field: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ConfigError(f"{field}: got {value!r}; allowed: text")
    return value


def _flag(value: Any, field: str) -> bool:
    if not isinstance(value, bool):
        raise ConfigError(f"{field}: got {value!r}; allowed: true or false")
    return value


def _choice(value: Any, field: str, allowed: Iterable[str]) -> str:
    names = list(allowed)
    if value not in names:
        raise ConfigError(
            f"{field}: got {value!r}; allowed: {', '.join(names)}{nearest(str(value), names)}"
        )
    return str(value)


def _number(value: Any, field: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ConfigError(f"{field}: got {value!r}; allowed: a number")
    if isinstance(value, float) and not math.isfinite(value):
        raise ConfigError(f"{field}: got {value}; allowed: a finite number")
    return value


def _whole(value: Any, field: str, low: int, high: int) -> int:
    allowed = f"allowed: whole numbers from {low} to {high}"
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ConfigError(f"{field}: got {value!r}; {allowed}")
    number = _number(value, field)
    if not low <= number <= high or number != int(number):
        raise ConfigError(f"{field}: got {str(value)[:40]}; {allowed}")
    return int(number)


def _values(value: Any, field: str) -> list[Any]:
    """A scalar or a list as a list; empty and nested lists are refused."""
    values = list(value) if isinstance(value, list | tuple) else [value]
    if not values:
        raise ConfigError(f"{field}: got an empty list; allowed: at least one value")
    for one in values:
        if isinstance(one, list | tuple | Mapping):
            raise ConfigError(f"{field}: got {value!r}; allowed: a value or a flat list of values")
    return values


def _axis(value: Any, field: str, *, repeats: bool) -> tuple[int, ...] | None:
    if value is None:
        return None
    values = [_whole(v, field, 1, LARGEST_SAMPLE) for v in _values(value, field)]
    return tuple(values if repeats else dict.fromkeys(values))


def _fractions(value: Any, field: str, low: str, *, repeats: bool) -> tuple[float, ...] | None:
    if value is None:
        return None
    numbers = [float(_number(v, field)) for v in _values(value, field)]
    for number in numbers:
        if not 0 < number < 1:
            raise ConfigError(f"{field}: got {number:g}; allowed: {low}, not including, 1")
    return tuple(numbers if repeats else dict.fromkeys(numbers))
