"""From a composed config to checked, frozen settings.

Whatever is wrong is refused here, before anything starts, with one line: the
field, what it got, what is allowed. Not covered: what depends on two axes of
one cell (`sweep.cells.cell`) or on the outside world (`sweep.launch.execute`).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.schedules import LARGEST_SAMPLE, RULES
from models.source import FAMILIES
from models.statistical.contexts import DRAWS, UNSEEN
from sweep.config import validate
from sweep.config.cluster import CLUSTER_KEYS, Cluster, needed, parse_cluster
from sweep.config.gpt import CORPUS_KEYS, GPT_KEYS, Corpus, Gpt, parse_corpus, parse_gpt
from sweep.config.search import (
    SEARCH_KEYS,
    SEARCHES,
    Optuna,
    Threshold,
    parse_optuna,
    parse_threshold,
)
from sweep.config.validate import ConfigError, nearest

AXES = ("n", "N", "K", "S0", "temperature")
DEFAULTS: dict[str, tuple[float, ...]] = {
    "n": (10,), "N": (100,), "K": (2,), "S0": (0.1,), "temperature": (1.0,),
}  # fmt: skip
"""What an axis is when nobody gives it and a schedule needs it."""

FIGURES = (
    "curves", "initial", "windows", "collapse_time", "schedules", "simplex", "gpt", "threshold",
)  # fmt: skip
"""curves: sigma over deviation, a column a cell. initial: with p(0) above them.
windows: with the law of T below them. collapse_time: mean T against n, a column an
initial law. schedules: all cells on the same axes. simplex: the laws of all contexts,
where s = 3. gpt: deviation of all cells, and validation losses; for GPT cells alone.
threshold: the answers of search=threshold."""
DETAILS = ("auto", "cell", "group")
"""How much goes to the store: a run a cell, or a run a group of cells; auto: a run a cell up
to `sweep.cells.groups.MANY_CELLS`."""
MODELS = ("statistical", "gpt")
NO_CONTEXTS = {"context_length": 0, "context_draw": DRAWS[0], "unseen": UNSEEN[0]}
"""For a GPT, whose contexts are its own."""


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
    temperature: tuple[float, ...] | None
    """Of the text that a GPT writes."""
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
class Tracking:
    """Where results are kept."""

    kind: str
    """mlflow, or memory: nothing outlives the command but figures and tables."""
    uri: str | None
    experiment: str
    """Name of the MLflow experiment."""
    detail: str
    """One of `DETAILS`."""
    patience_seconds: float
    """How long finished workers wait for a store that does not answer."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """A whole sweep, checked."""

    name: str
    purpose: str
    model: str
    """One of `MODELS`."""
    gpt: Gpt | None
    """None: the statistical model."""
    corpus: Corpus
    context_length: int
    """l; 0: one context, the model of the theory."""
    context_draw: str
    """How contexts are drawn; see `models.statistical.contexts`."""
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
    search: str
    """grid: every cell of it; else how cells are chosen, one of `SEARCHES`."""
    threshold: Threshold | None
    """For search=threshold."""
    optuna: Optuna | None
    """For search=optuna."""
    cluster: Cluster
    tracking: Tracking
    dry_run: bool
    force: bool
    output: str
    """Folder for figures, tables and reports."""
    figure: str
    """How the sweep is drawn; one of `FIGURES`."""


STATISTICAL_KEYS = ("name", "context_length", "context_draw", "unseen")
KEYS: dict[str, tuple[str, ...]] = {
    "": (
        "name", "purpose", "cost", "figure", "model", "corpus", "grid", "source", "generations",
        "replicates", "seed", "search", "threshold", "optuna", "cluster", "tracking", "dry_run",
        "force", "output",
    ),
    **SEARCH_KEYS,
    **GPT_KEYS,
    "model": tuple(dict.fromkeys((*STATISTICAL_KEYS, *GPT_KEYS["model"]))),
    "corpus": CORPUS_KEYS,
    "grid": ("schedule", *AXES, "reuse", "zip", "alpha", "total"),
    "source": ("family", "s", "support", "seed"),
    "cluster": CLUSTER_KEYS,
    "tracking": ("kind", "uri", "experiment", "detail", "patience_seconds"),
}  # fmt: skip
"""Every key a config may hold, by section; `model` may hold keys of the other model too, so
that an experiment can be run with either."""


def key_paths() -> list[str]:
    """Every key as it is typed on the command line, groups included."""
    return [
        f"{section}.{key}" if section else key for section, keys in KEYS.items() for key in keys
    ]


def parse(config: Mapping[str, Any]) -> Settings:
    """Check a composed config (plain dicts, lists and scalars).

    Raises ConfigError.
    """
    sections = _sections(config)
    model = validate.choice(sections["model"].get("name"), "model.name", MODELS)
    for section, mapping in sections.items():
        for key in mapping:
            if key not in KEYS[section]:
                path = f"{section}.{key}" if section else key
                raise ConfigError(f"{path}: unknown key{nearest(path, key_paths())}")
        for key in _needed(section, mapping, model):
            path = f"{section}.{key}" if section else key
            if key not in mapping:
                raise ConfigError(f"{path}: is missing")
            if mapping[key] == "???":
                raise ConfigError(f"{path}: has to be given, as {path}=VALUE")
    grid, source = sections["grid"], sections["source"]
    gpt = parse_gpt(sections["model"]) if model == "gpt" else None
    cluster = parse_cluster(sections["cluster"], gpt.training.shards or 1 if gpt else None)
    corpus = parse_corpus(sections["corpus"])
    if gpt and corpus.truth == "markov" and corpus.order > gpt.network.context:
        raise ConfigError(
            f"corpus.order: got {corpus.order}; allowed: up to model.network.context, "
            f"{gpt.network.context}"
        )
    other = sections["model"] if model == "statistical" else NO_CONTEXTS
    name = validate.text(config["name"], "name")
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", name):
        raise ConfigError(f"name: got {name!r}; allowed: letters, digits, and . _ - between them")
    search = validate.choice(config["search"], "search", SEARCHES)
    return Settings(
        name=name,
        purpose=validate.text(config["purpose"] or name, "purpose"),
        model=model,
        gpt=gpt,
        corpus=corpus,
        context_length=validate.whole(other["context_length"], "model.context_length", 0, 64),
        context_draw=validate.choice(other["context_draw"], "model.context_draw", DRAWS),
        unseen=validate.choice(other["unseen"], "model.unseen", UNSEEN),
        grid=_grid(grid),
        source=SourceSettings(
            family=validate.choice(source["family"], "source.family", FAMILIES),
            s=validate.whole(source["s"], "source.s", 2, LARGEST_SAMPLE),
            support=validate.whole(source["support"], "source.support", 2, LARGEST_SAMPLE),
            seed=validate.whole(source["seed"], "source.seed", 0, 2**63),
        ),
        generations=validate.whole(config["generations"], "generations", 1, 10**7),
        replicates=validate.whole(config["replicates"], "replicates", 1, 10**7),
        seed=validate.whole(config["seed"], "seed", 0, 2**63),
        search=search,
        threshold=parse_threshold(sections["threshold"]) if search == "threshold" else None,
        optuna=parse_optuna(sections["optuna"], model) if search == "optuna" else None,
        cluster=cluster,
        tracking=_tracking(sections["tracking"], name, cluster.kind),
        dry_run=validate.flag(config["dry_run"], "dry_run"),
        force=validate.flag(config["force"], "force"),
        # A job's working folder goes with the job.
        output=str((cluster.storage or Path()) / validate.text(config["output"], "output")),
        figure=validate.choice(config["figure"], "figure", FIGURES),
    )


def _tracking(tracking: Mapping[str, Any], name: str, cluster: str) -> Tracking:
    kind = validate.choice(tracking["kind"], "tracking.kind", ("mlflow", "memory"))
    uri = None if kind == "memory" else validate.text(tracking["uri"], "tracking.uri")
    if cluster == "ray" and not (uri or "").startswith(("http://", "https://")):
        raise ConfigError(
            f"tracking.uri: got {uri or kind} with cluster=ray; allowed: a server that all nodes "
            "reach: tracking=server tracking.uri=http://HOST:5000"
        )
    return Tracking(
        kind=kind,
        uri=uri,
        experiment=validate.text(tracking["experiment"] or name, "tracking.experiment"),
        detail=validate.choice(tracking["detail"], "tracking.detail", DETAILS),
        patience_seconds=validate.real(
            tracking["patience_seconds"], "tracking.patience_seconds", 0, 1e9, "a number from 0"
        ),
    )


def _grid(grid: Mapping[str, Any]) -> Grid:
    zipped = () if grid["zip"] is None else tuple(validate.values(grid["zip"], "grid.zip"))
    parsed = Grid(
        schedule=tuple(
            dict.fromkeys(
                validate.choice(v, "grid.schedule", RULES)
                for v in validate.values(grid["schedule"], "grid.schedule")
            )
        ),
        n=validate.axis(grid["n"], "grid.n", repeats="n" in zipped),
        N=validate.axis(grid["N"], "grid.N", repeats="N" in zipped),
        K=validate.axis(grid["K"], "grid.K", repeats="K" in zipped),
        S0=validate.fractions(grid["S0"], "grid.S0", "1/support up to", repeats="S0" in zipped),
        temperature=_temperatures(grid["temperature"], repeats="temperature" in zipped),
        reuse=tuple(
            dict.fromkeys(
                validate.flag(v, "grid.reuse") for v in validate.values(grid["reuse"], "grid.reuse")
            )
        ),
        zip=tuple(validate.choice(v, "grid.zip", AXES) for v in zipped),
        alpha=validate.fractions(grid["alpha"], "grid.alpha", "above 0 and up to", repeats=False),
        total=validate.axis(grid["total"], "grid.total", repeats=False),
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


def _temperatures(value: Any, *, repeats: bool) -> tuple[float, ...] | None:
    if value is None:
        return None
    field, allowed = "grid.temperature", "numbers from 0.01 to 100"
    found = [validate.real(v, field, 0.01, 100, allowed) for v in validate.values(value, field)]
    return tuple(found if repeats else dict.fromkeys(found))


def _sections(config: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Every section by its path; those of a GPT only where they are there."""
    found: dict[str, Mapping[str, Any]] = {"": config}
    for section in KEYS:
        parent, _, key = section.rpartition(".")
        if section and (not parent or key in found[parent]):
            found[section] = _mapping(found[parent].get(key), section)
    return found


def _needed(section: str, mapping: Mapping[str, Any], model: str) -> tuple[str, ...]:
    """The keys that a section must hold."""
    if section == "cluster":
        return needed(mapping)
    if not section.startswith("model"):
        return KEYS[section]
    if model == "gpt":
        return GPT_KEYS[section]
    return STATISTICAL_KEYS if section == "model" else ()


def _mapping(value: Any, field: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ConfigError(
            f"{field}: got {value!r}; it is a group of keys: "
            + ", ".join(f"{field}.{key}" for key in KEYS[field])
        )
    return value
