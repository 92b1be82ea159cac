"""From a composed config to checked, frozen settings.

Errors are refused here, before anything starts, with one line: the field, what it
got, what is allowed. Rules over two axes of a cell are checked in `sweep.grid`, and those
that depend on the machine in `sweep.launch.execute`.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import (
    Field,
    PlainValidator,
    ValidationInfo,
    create_model,
    field_validator,
    model_validator,
)

from sweep.cells import kinds
from sweep.cells.axes import AXES, Axis
from sweep.config.cluster import Cluster
from sweep.config.model import Corpus, ModelSection
from sweep.config.search import SEARCHES, Optuna, Threshold
from sweep.config.section import KeyTree, Section, check_keys, checked, key_tree, paths
from sweep.config.validate import (
    FLAG,
    TEXT,
    Choice,
    ConfigError,
    Flag,
    Matching,
    OrNull,
    Real,
    ScalarOrList,
    Text,
    Whole,
)
from sweep.models.schedules import LARGEST_SAMPLE, RULES
from sweep.models.source import FAMILIES

FIGURES = (
    "curves", "initial", "windows", "collapse_time", "schedules", "simplex", "gpt", "threshold",
)  # fmt: skip
"""curves: sigma over deviation, a column per cell. initial: curves with p(0) above them.
windows: curves with the distribution of T below them. collapse_time: mean T against n, a column
per initial distribution. schedules: all cells on the same axes. simplex: the distributions of all
contexts, where s = 3. gpt: deviation of all cells, and validation losses; for GPT cells only.
threshold: the answers of search=threshold."""
DETAILS = ("auto", "cell", "group")
"""What is logged: a run per cell, or a run per group of cells; auto: a run per cell up to
`sweep.cells.groups.MANY_CELLS` cells."""

SIZE = Whole(1, LARGEST_SAMPLE)
SEED = Whole(0, 2**63)
SHARE = Real(5e-324, 1 - 2**-53, "above 0 and below 1")


def _axis(axis: Axis) -> Any:
    """Define the field of an axis: a scalar or a list of values in its range, or null."""
    value = (
        Whole(int(axis.low), int(axis.high))
        if axis.whole
        else Real(axis.low, axis.high, axis.allowed)
    )
    return (Annotated[tuple[Any, ...], ScalarOrList(value, repeats=True)] | None, ...)


class GridBase(Section):
    """The keys of a grid, except its axes."""

    schedule: Annotated[tuple[str, ...], ScalarOrList(Choice(RULES))]
    zip: Annotated[tuple[str, ...], OrNull(ScalarOrList(Choice(AXES)), ())]
    """Axes that vary together, value by value, instead of forming a product."""
    reuse: Annotated[tuple[bool, ...], ScalarOrList(FLAG)]
    """recent only: whether a model's samples are drawn once and kept in the window."""
    alpha: Annotated[tuple[float, ...], ScalarOrList(SHARE)] | None
    """Share of synthetic samples, n / (N + n), at a fixed `total`; replaces n and N."""
    total: Annotated[tuple[int, ...], ScalarOrList(SIZE)] | None
    """N + n, with `alpha`."""

    def values(self, axis: str) -> tuple[Any, ...] | None:
        """Return the values of an axis in the order given, without repeats unless zipped.

        None: not given; cells that use the axis then take its default.
        """
        values: tuple[Any, ...] | None = getattr(self, axis)
        return values

    @field_validator(*AXES, check_fields=False)
    @classmethod
    def _without_repeats(cls, values: tuple[Any, ...] | None, info: ValidationInfo) -> Any:
        if values is None or info.field_name in info.data.get("zip", ()):
            return values
        return tuple(dict.fromkeys(values))

    @model_validator(mode="after")
    def _go_together(self) -> "GridBase":
        lengths = {axis: len(self.values(axis) or ()) for axis in self.zip}
        if len(set(lengths.values())) > 1 or 0 in lengths.values():
            shown = ", ".join(f"{axis} has {length}" for axis, length in lengths.items())
            raise ConfigError(f"zip: {shown} values; allowed: lists of one length")
        if (self.alpha is None) != (self.total is None):
            missing = "total" if self.total is None else "alpha"
            raise ConfigError(f"{missing}: is missing; grid.alpha and grid.total go together")
        if self.alpha is not None and (self.values("n") or self.values("N")):
            axis = "n" if self.values("n") else "N"
            raise ConfigError(
                f"{axis}: got {list(self.values(axis) or ())} together with grid.alpha; allowed: "
                f"one of them, since alpha and total give n and N; write grid.{axis}=null"
            )
        for total in self.total or ():
            for alpha in self.alpha or ():
                if not 1 <= round(alpha * total) < total:
                    raise ConfigError(
                        f"alpha: got {alpha:g} of a total of {total}; allowed: at least one "
                        "synthetic and one real sample"
                    )
        return self


if TYPE_CHECKING:
    Grid = GridBase
else:
    Grid = create_model(
        "Grid", __base__=GridBase, **{name: _axis(axis) for name, axis in AXES.items()}
    )
    """The fields of `GridBase`, and one for each axis."""


class SourceSettings(Section):
    """The initial distribution, except S0, which is an axis of the grid."""

    family: Annotated[str, Choice(FAMILIES)]
    s: Annotated[int, Whole(2, LARGEST_SAMPLE)]
    support: Annotated[int, Whole(2, LARGEST_SAMPLE)]
    seed: Annotated[int, SEED]
    """Which draw of the distribution; dirichlet only."""


def _uri(value: Any, info: ValidationInfo) -> str | None:
    return None if info.data.get("kind") == "memory" else TEXT(value)


class Tracking(Section):
    """Where results are kept."""

    kind: Annotated[str, Choice(("mlflow", "memory"))]
    """mlflow, or memory: only figures and tables outlive the command."""
    uri: Annotated[str | None, PlainValidator(_uri)]
    """Address of the store; None for memory."""
    experiment: Annotated[str, OrNull(TEXT, "")]
    """Name of the MLflow experiment; null in the config stands for the sweep's name."""
    detail: Annotated[str, Choice(DETAILS)]
    """One of `DETAILS`."""
    patience_seconds: Annotated[float, Real(0, 1e9, "a number from 0")]
    """How long finished workers wait for a store that does not answer."""


class Settings(Section):
    """The checked config of a sweep."""

    name: Annotated[
        str, Matching("[A-Za-z0-9][A-Za-z0-9_.-]*", "letters, digits, and . _ - between them")
    ]
    purpose: Annotated[str, OrNull(TEXT, "")]
    cost: Any
    """A remark for readers of the config."""
    figure: Annotated[str, Choice(FIGURES)]
    """How the sweep is drawn; one of `FIGURES`."""
    model_section: ModelSection = Field(alias="model")
    corpus: Corpus
    grid: Grid
    source: SourceSettings
    generations: Annotated[int, Whole(1, 10**7)]
    """Horizon M."""
    replicates: Annotated[int, Whole(1, 10**7)]
    """Independent runs of each cell."""
    seed: Annotated[int, SEED]
    """Root of all randomness."""
    search: Annotated[str, Choice(SEARCHES)]
    """How cells are chosen, one of `SEARCHES`; grid: all cells of the grid."""
    threshold: Threshold | None
    """For search=threshold."""
    optuna: Optuna | None
    """For search=optuna."""
    cluster: Cluster
    tracking: Tracking
    dry_run: Flag
    force: Flag
    output: Text
    """Folder for figures, tables and reports."""

    @property
    def model(self) -> str:
        """One of `sweep.cells.kinds.KINDS`."""
        return self.model_section.name

    @model_validator(mode="after")
    def _complete(self) -> "Settings":
        """Check sections against each other, and fill in values that one takes from another."""
        self.model_section.check_corpus(self.corpus)
        for axis, _ in self.optuna.axes if self.optuna else ():
            field = f"optuna.axes with model={self.model}"
            Choice(self.model_section.continuous).at(field, axis)
        tracking, cluster = self.tracking, self.cluster.with_workers(self.model_section.shards)
        uri = tracking.uri or tracking.kind
        if cluster.kind == "ray" and not uri.startswith(("http://", "https://")):
            raise ConfigError(
                f"tracking.uri: got {uri} with cluster=ray; allowed: a server that all nodes "
                "reach: tracking=server tracking.uri=http://HOST:5000"
            )
        return self.model_copy(
            update={
                "purpose": self.purpose or self.name,
                "cluster": cluster,
                "tracking": tracking.model_copy(
                    update={"experiment": tracking.experiment or self.name}
                ),
                # The working folder of a job is deleted with the job.
                "output": str((cluster.storage or Path()) / self.output),
            }
        )


def model_sections() -> dict[str, type[ModelSection]]:
    """Kind of model -> its keys in the group `model`."""
    return {name: kinds.part(name, "config").SECTION for name in kinds.KINDS}


def keys() -> KeyTree:
    """Every key that a config may have; `model` may have keys of any kind of model."""
    return key_tree(Settings) | {"model": key_tree(*model_sections().values())}


def key_paths() -> list[str]:
    """List every key as it is typed on the command line, groups included."""
    return list(paths(keys()))


def parse(config: Mapping[str, Any]) -> Settings:
    """Check a composed config (plain dicts, lists and scalars).

    Raises ConfigError.
    """
    check_keys(config, keys(), key_paths())
    section = config.get("model", {})
    models = model_sections()
    model = models[Choice(models).at("model.name", section.get("name"))]
    # The sections of other searches are not checked.
    unused = {name: None for name in SEARCHES[1:] if name != config.get("search")}
    return checked(Settings, {**config, **unused, "model": checked(model, section, "model")})
