"""The part of the config that a GPT has alone: network, training, sampling, measurement, text."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from models.gpt.config import (
    DECAYS,
    PRECISIONS,
    SAMPLERS,
    STARTS,
    TRUTHS,
    Measure,
    Network,
    Sampling,
    Training,
)
from models.schedules import LARGEST_SAMPLE
from sweep.config import validate
from sweep.config.validate import ConfigError

DEVICES = ("auto", "cpu", "cuda")
LONGEST_DOCUMENT = 8
"""Documents, where nobody says how long they are, are this many contexts long."""


@dataclass(frozen=True, kw_only=True)
class Corpus:
    """The real text, and what p(0) is made of it."""

    name: str
    path: str | None
    """A UTF-8 file; None: the embedded text."""
    url: str | None
    """Where to get the file if it is not there."""
    sha256: str | None
    """What it must hash to."""
    truth: str
    """One of `models.gpt.config.TRUTHS`."""
    order: int
    """Of the Markov source."""


@dataclass(frozen=True, kw_only=True)
class Gpt:
    """Settings of model=gpt; the temperature of `sampling` is an axis of the grid."""

    network: Network
    training: Training
    sampling: Sampling
    measure: Measure
    device: str
    """One of `DEVICES`; auto: the GPU if there is one."""
    compile: bool | None
    """Whether networks are compiled before training; None: on a GPU."""


def _names(section: type, without: tuple[str, ...] = ()) -> tuple[str, ...]:
    return tuple(f.name for f in fields(section) if f.name not in without)


GPT_KEYS: dict[str, tuple[str, ...]] = {
    "model": ("name", "network", "training", "sampling", "measure", "device", "compile"),
    "model.network": _names(Network),
    "model.training": _names(Training),
    "model.sampling": _names(Sampling, ("temperature",)),
    "model.measure": _names(Measure),
}
"""Keys of a GPT's config, by section."""
CORPUS_KEYS = _names(Corpus)


def parse_corpus(corpus: Mapping[str, Any]) -> Corpus:
    """Check the section `corpus`. Raises ConfigError."""

    def optional(key: str) -> str | None:
        return None if corpus[key] is None else validate.text(corpus[key], f"corpus.{key}")

    return Corpus(
        name=validate.text(corpus["name"], "corpus.name"),
        path=optional("path"),
        url=optional("url"),
        sha256=optional("sha256"),
        truth=validate.choice(corpus["truth"], "corpus.truth", TRUTHS),
        order=validate.whole(corpus["order"], "corpus.order", 1, 8),
    )


def parse_gpt(model: Mapping[str, Any]) -> Gpt:
    """Check the section `model` of a GPT. Raises ConfigError."""
    network = _network(model["network"])
    return Gpt(
        network=network,
        training=_training(model["training"]),
        sampling=_sampling(model["sampling"], network.context),
        measure=_measure(model["measure"], network.context),
        device=validate.choice(model["device"], "model.device", DEVICES),
        compile=None
        if model["compile"] is None
        else validate.flag(model["compile"], "model.compile"),
    )


def _network(section: Mapping[str, Any]) -> Network:
    at = "model.network"
    network = Network(
        context=validate.whole(section["context"], f"{at}.context", 2, 65_536),
        embedding=validate.whole(section["embedding"], f"{at}.embedding", 1, 65_536),
        layers=validate.whole(section["layers"], f"{at}.layers", 1, 1000),
        heads=validate.whole(section["heads"], f"{at}.heads", 1, 1000),
        dropout=_below_one(section["dropout"], f"{at}.dropout"),
        bias=validate.flag(section["bias"], f"{at}.bias"),
        tied=validate.flag(section["tied"], f"{at}.tied"),
    )
    if network.embedding % network.heads:
        raise ConfigError(
            f"{at}.embedding: got {network.embedding} with {network.heads} heads; "
            "allowed: a multiple of model.network.heads"
        )
    return network


def _training(section: Mapping[str, Any]) -> Training:
    at = "model.training"

    def positive(key: str) -> float:
        return validate.real(section[key], f"{at}.{key}", 1e-12, 1e6, "a number above 0")

    def not_negative(key: str) -> float:
        return validate.real(section[key], f"{at}.{key}", 0, 1e6, "a number from 0")

    # One is stored as none, as it was before there was the key.
    shards = (
        None
        if section["shards"] is None
        else validate.whole(section["shards"], f"{at}.shards", 1, 1024)
    )
    steps = section["steps"]
    if (steps is None) == (section["epochs"] is None):
        raise ConfigError(
            f"{at}.steps: got {steps} with epochs={section['epochs']}; allowed: one of them, "
            "the other null"
        )
    training = Training(
        steps=None if steps is None else validate.whole(steps, f"{at}.steps", 1, 10**8),
        epochs=None if steps is not None else positive("epochs"),
        batch=validate.whole(section["batch"], f"{at}.batch", 1, 65_536),
        learning_rate=positive("learning_rate"),
        final_learning_rate=not_negative("final_learning_rate"),
        decay=validate.choice(section["decay"], f"{at}.decay", DECAYS),
        warmup=validate.whole(section["warmup"], f"{at}.warmup", 0, 10**8),
        weight_decay=not_negative("weight_decay"),
        beta1=_below_one(section["beta1"], f"{at}.beta1"),
        beta2=_below_one(section["beta2"], f"{at}.beta2"),
        clip=not_negative("clip"),
        start=validate.choice(section["start"], f"{at}.start", STARTS),
        real_share=None
        if section["real_share"] is None
        else validate.real(section["real_share"], f"{at}.real_share", 0, 1, "a number from 0 to 1"),
        precision=validate.choice(section["precision"], f"{at}.precision", PRECISIONS),
        evaluations=validate.whole(section["evaluations"], f"{at}.evaluations", 1, 10_000),
        shards=None if shards == 1 else shards,
    )
    if training.batch % (training.shards or 1):
        raise ConfigError(
            f"{at}.shards: got {training.shards} with batch={training.batch}; "
            "allowed: a divisor of model.training.batch"
        )
    for key in ("warmup", "evaluations"):
        if training.steps is not None and getattr(training, key) > training.steps:
            raise ConfigError(
                f"{at}.{key}: got {getattr(training, key)} with steps={training.steps}; "
                "allowed: up to model.training.steps"
            )
    return training


def _sampling(section: Mapping[str, Any], context: int) -> Sampling:
    at = "model.sampling"
    sampler = validate.choice(section["sampler"], f"{at}.sampler", SAMPLERS)
    length = section["document"]
    if length is None:
        length = context + 1 if sampler == "restart" else LONGEST_DOCUMENT * context
    document = validate.whole(length, f"{at}.document", context + 1, LARGEST_SAMPLE)
    if sampler == "restart" and document != context + 1:
        raise ConfigError(
            f"{at}.document: got {document} with sampler=restart; allowed: {context + 1}, "
            "which is model.network.context + 1, or null"
        )
    return Sampling(
        sampler=sampler,
        temperature=1.0,
        top_k=None
        if section["top_k"] is None
        else validate.whole(section["top_k"], f"{at}.top_k", 1, 256),
        document=document,
        streams=validate.whole(section["streams"], f"{at}.streams", 1, 65_536),
    )


def _measure(section: Mapping[str, Any], context: int) -> Measure:
    at = "model.measure"
    least = context + 1
    return Measure(
        contexts=validate.whole(section["contexts"], f"{at}.contexts", 2, 10**6),
        validation=validate.whole(section["validation"], f"{at}.validation", least, 10**8),
        tokens=validate.whole(section["tokens"], f"{at}.tokens", least, 10**8),
        retrain=validate.flag(section["retrain"], f"{at}.retrain"),
        stop_below=None
        if section["stop_below"] is None
        else validate.real(section["stop_below"], f"{at}.stop_below", 0, 1, "a share from 0 to 1"),
    )


def _below_one(value: Any, field: str) -> float:
    return validate.real(value, field, 0, 1 - 1e-9, "a number from 0, below 1")
