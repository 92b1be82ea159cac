"""The part of the config that a GPT has alone: network, training, sampling, measurement, text.

The dataclasses of `models.gpt.config` have the fields, which are hashed into ids; the
sections here have the same keys with their checks. A new one is a line in each.
"""

from dataclasses import replace
from typing import Annotated, Any

from pydantic import AfterValidator, model_validator

from sweep.config.model import Corpus, ModelSection
from sweep.config.section import BuiltFrom, Section
from sweep.config.validate import Choice, ConfigError, Flag, OrNull, Real, Whole
from sweep.models.gpt import config
from sweep.models.schedules import LARGEST_SAMPLE

DEVICES = ("auto", "cpu", "cuda")
LONGEST_DOCUMENT = 8
"""Documents, where nobody says how long they are, are this many contexts long."""
TOKENS = 10**8
"""Most tokens to validate on or to write."""
BELOW_ONE = Real(0, 1 - 1e-9, "a number from 0, below 1")
FROM_ZERO = Real(0, 1e6, "a number from 0")
POSITIVE = Real(1e-12, 1e6, "a number above 0")


class NetworkSection(Section):
    """Checks of `Network`."""

    context: Annotated[int, Whole(2, 65_536)]
    embedding: Annotated[int, Whole(1, 65_536)]
    layers: Annotated[int, Whole(1, 1000)]
    heads: Annotated[int, Whole(1, 1000)]
    dropout: Annotated[float, BELOW_ONE]
    bias: Flag
    tied: Flag

    @model_validator(mode="after")
    def _divides(self) -> "NetworkSection":
        if self.embedding % self.heads:
            raise ConfigError(
                f"embedding: got {self.embedding} with {self.heads} heads; allowed: a multiple of "
                "model.network.heads"
            )
        return self


class TrainingSection(Section):
    """Checks of `Training`."""

    steps: Annotated[int, Whole(1, 10**8)] | None
    epochs: Annotated[float, POSITIVE] | None
    batch: Annotated[int, Whole(1, 65_536)]
    learning_rate: Annotated[float, POSITIVE]
    final_learning_rate: Annotated[float, FROM_ZERO]
    decay: Annotated[str, Choice(config.DECAYS)]
    warmup: Annotated[int, Whole(0, 10**8)]
    weight_decay: Annotated[float, FROM_ZERO]
    beta1: Annotated[float, BELOW_ONE]
    beta2: Annotated[float, BELOW_ONE]
    clip: Annotated[float, FROM_ZERO]
    start: Annotated[str, Choice(config.STARTS)]
    real_share: Annotated[float, Real(0, 1, "a number from 0 to 1")] | None
    precision: Annotated[str, Choice(config.PRECISIONS)]
    evaluations: Annotated[int, Whole(1, 10_000)]
    # One is stored as none, as it was before there was the key.
    shards: Annotated[
        Annotated[int, Whole(1, 1024)] | None, AfterValidator(lambda k: None if k == 1 else k)
    ]

    @model_validator(mode="after")
    def _fits(self) -> "TrainingSection":
        if (self.steps is None) == (self.epochs is None):
            epochs = self.epochs and f"{self.epochs:g}"
            raise ConfigError(
                f"steps: got {self.steps} with epochs={epochs}; allowed: one of them, the other "
                "null"
            )
        if self.batch % (self.shards or 1):
            raise ConfigError(
                f"shards: got {self.shards} with batch={self.batch}; allowed: a divisor of "
                "model.training.batch"
            )
        for key in ("warmup", "evaluations"):
            if self.steps is not None and getattr(self, key) > self.steps:
                raise ConfigError(
                    f"{key}: got {getattr(self, key)} with steps={self.steps}; allowed: up to "
                    "model.training.steps"
                )
        return self


class SamplingSection(Section):
    """Checks of `Sampling`, whose temperature is an axis of the grid."""

    sampler: Annotated[str, Choice(config.SAMPLERS)]
    top_k: Annotated[int, Whole(1, 256)] | None
    document: Any  # checked by `GptSection`, since the context says how long it can be
    streams: Annotated[int, Whole(1, 65_536)]


class MeasureSection(Section):
    """Checks of `Measure`."""

    contexts: Annotated[int, Whole(2, 10**6)]
    validation: Annotated[int, Whole(3, TOKENS)]
    tokens: Annotated[int, Whole(3, TOKENS)]
    retrain: Flag
    stop_below: Annotated[float, Real(0, 1, "a share from 0 to 1")] | None


class GptSection(ModelSection):
    """Settings of model=gpt."""

    axes = ("temperature",)
    continuous = ("temperature", "learning_rate")
    reads_text = True
    packages = ("torch",)

    network: Annotated[config.Network, BuiltFrom(NetworkSection)]
    training: Annotated[config.Training, BuiltFrom(TrainingSection)]
    sampling: Annotated[config.Sampling, BuiltFrom(SamplingSection, temperature=1.0)]
    measure: Annotated[config.Measure, BuiltFrom(MeasureSection)]
    device: Annotated[str, Choice(DEVICES)]
    """One of `DEVICES`; auto: the GPU if there is one."""
    compile: Flag | None
    """Whether networks are compiled before training; None: on a GPU."""

    @model_validator(mode="after")
    def _within_context(self) -> "GptSection":
        """The same with the length of a document, where none is given."""
        window, restarts = self.network.context + 1, self.sampling.sampler == "restart"
        for key in ("validation", "tokens"):
            Whole(window, TOKENS).at(f"measure.{key}", getattr(self.measure, key))
        usual = window if restarts else LONGEST_DOCUMENT * self.network.context
        length = OrNull(Whole(window, LARGEST_SAMPLE), usual)
        document = length.at("sampling.document", self.sampling.document)
        if restarts and document != window:
            raise ConfigError(
                f"sampling.document: got {document} with sampler=restart; allowed: {window}, "
                "which is model.network.context + 1, or null"
            )
        sampling = replace(self.sampling, document=document)
        return self.model_copy(update={"sampling": sampling})

    @property
    def least_n(self) -> int:
        return self.network.context + 1

    @property
    def shards(self) -> int:
        return self.training.shards or 1

    @property
    def device_name(self) -> str:
        return self.device

    @property
    def compiled(self) -> bool | None:
        return self.compile

    def check_threshold(self, criterion: str) -> None:
        if self.measure.stop_below is not None:
            raise ConfigError(
                "model.measure.stop_below: got a number with search=threshold, which needs every "
                "cell up to generation m; write model.measure.stop_below=null"
            )

    def check_corpus(self, corpus: Corpus) -> None:
        if corpus.truth == "markov" and corpus.order > self.network.context:
            raise ConfigError(
                f"corpus.order: got {corpus.order}; allowed: up to model.network.context, "
                f"{self.network.context}"
            )


SECTION = GptSection
