"""What a GPT cell is made of: network, training, sampling, measurement, text. No torch here.

Every field that the paper leaves open is here, with its likeliest value in
conf/model/gpt.yaml. Lengths are in tokens (characters).
"""

from dataclasses import dataclass

SAMPLERS = ("hop", "restart", "sliding")
"""How text longer than the context is written, see `models.gpt.generate`."""
STARTS = ("scratch", "last")
"""What training starts from: new weights, or those of the last generation."""
DECAYS = ("cosine", "constant")
PRECISIONS = ("auto", "float32", "bfloat16")
TRUTHS = ("markov", "trained")
"""What p(0) is: the Markov source of the text, with known laws, or a network trained on it."""
GPT_STREAM = 1
"""Raised whenever the same recipe gives other bits: stored results of old ones are not reused."""


@dataclass(frozen=True, kw_only=True)
class Network:
    """A decoder-only transformer: pre-norm, GELU, learned positions."""

    context: int
    """Tokens that a prediction can see."""
    embedding: int
    """Width d; a multiple of heads."""
    layers: int
    heads: int
    dropout: float
    """Share of activations dropped in training, in [0, 1)."""
    bias: bool
    """Whether linear layers and norms have one."""
    tied: bool
    """Whether the output layer is the token embedding, transposed."""


@dataclass(frozen=True, kw_only=True)
class Training:
    """How a network is fitted to a corpus."""

    steps: int | None
    """Optimiser steps of one generation; None: `epochs` says it."""
    epochs: float | None
    """Passes over the corpus, so that a growing one gets more steps; None: `steps` says it."""
    batch: int
    """Windows of context + 1 tokens in one step."""
    learning_rate: float
    final_learning_rate: float
    """Where the cosine ends."""
    decay: str
    """One of `DECAYS`."""
    warmup: int
    """Steps of linear rise."""
    weight_decay: float
    """On matrices, not on norms and biases."""
    beta1: float
    beta2: float
    clip: float
    """Largest norm of the gradient; 0: none."""
    start: str
    """One of `STARTS`."""
    real_share: float | None
    """Share of the windows that come from real data, where there are both; None: as many as
    there are, which is nearly their share of the tokens."""
    precision: str
    """One of `PRECISIONS`; auto is bfloat16 on a GPU and float32 on a CPU."""
    evaluations: int
    """Measurements of the validation loss within one generation."""
    shards: int | None = None
    """Parts that a batch is cut into, each with dropout of its own, so that as many processes
    can share a step; part of the result, which the processes are not. None: one."""

    def length(self, tokens: int, context: int) -> int:
        """Optimiser steps on a corpus of so many tokens."""
        if self.steps is not None:
            return self.steps
        assert self.epochs is not None
        return max(1, round(self.epochs * tokens / (self.batch * context)))


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """How a network writes its text; p(0) always does so at temperature 1, without top_k."""

    sampler: str
    """One of `SAMPLERS`."""
    temperature: float
    """Divides the logits; below 1 it manufactures collapse."""
    top_k: int | None
    """Only the k likeliest tokens; None: all."""
    document: int
    """Tokens of one document; restart: context + 1."""
    streams: int
    """Documents written at once. Part of the result: it decides how sums are rounded."""


@dataclass(frozen=True, kw_only=True)
class Measure:
    """How a model is judged."""

    contexts: int
    """Contexts, drawn once from p(0), on which next-token laws are compared."""
    validation: int
    """Tokens of held-out real text."""
    tokens: int
    """Tokens that each model writes to be judged by."""
    retrain: bool
    """Whether to train p(1) twice, to know what another seed alone does to the deviation."""
    stop_below: float | None = None
    """Share of different 8-grams in a model's own text below which it has plainly collapsed. A
    cell ends with the generation in which all its runs have; None: never before its horizon."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Everything a GPT cell depends on, but for schedule, text counts, horizon and seed."""

    corpus: str
    """Name of the text."""
    digest: str
    """SHA-256 of the text, 64 hex digits."""
    truth: str
    """One of `TRUTHS`."""
    order: int | None
    """Order of the Markov source; None where p(0) is a trained network."""
    network: Network
    training: Training
    sampling: Sampling
    measure: Measure
