"""The settings of a GPT cell: network, training, sampling, measurement, text; without torch.

Everything that the paper leaves open is a field, with its likeliest value in
conf/model/gpt.yaml. Lengths are in tokens (characters).
"""

from dataclasses import dataclass

SAMPLERS = ("hop", "restart", "sliding")
"""How text longer than the context is written; see `models.gpt.generate`."""
STARTS = ("scratch", "last")
"""Initial weights of a training: new ones, or those of the last generation."""
DECAYS = ("cosine", "constant")
PRECISIONS = ("auto", "float32", "bfloat16")
TRUTHS = ("markov", "trained")
"""p(0): the Markov source of the text, with known distributions, or a network trained on it."""
GPT_STREAM = 1
"""Increased whenever the same recipe gives other bits, so that stored results are not reused."""


@dataclass(frozen=True, kw_only=True)
class Network:
    """A decoder-only transformer: pre-norm, GELU, learned positions."""

    context: int
    """Most tokens that a prediction can see."""
    embedding: int
    """Width d, a multiple of `heads`."""
    layers: int
    heads: int
    dropout: float
    """Share of activations dropped in training, in [0, 1)."""
    bias: bool
    """Whether linear layers and norms have a bias."""
    tied: bool
    """Whether the output layer is the token embedding, transposed."""


@dataclass(frozen=True, kw_only=True)
class Training:
    """How a network is fitted to a corpus."""

    steps: int | None
    """Optimiser steps of one generation; None: `epochs` determines them."""
    epochs: float | None
    """Passes over the corpus, so that a growing one gets more steps; None: `steps` is used."""
    batch: int
    """Windows of context + 1 tokens in one step."""
    learning_rate: float
    final_learning_rate: float
    """The rate at the end of the cosine."""
    decay: str
    """One of `DECAYS`."""
    warmup: int
    """Steps of the linear rise."""
    weight_decay: float
    """Weight decay of matrices; norms and biases have none."""
    beta1: float
    beta2: float
    clip: float
    """Largest norm of the gradient; 0: none."""
    start: str
    """One of `STARTS`."""
    real_share: float | None
    """Share of the windows that come from real data, where there are both kinds; None: their
    share among all windows, which is nearly that of the tokens."""
    precision: str
    """One of `PRECISIONS`; auto is bfloat16 on a GPU and float32 on a CPU."""
    evaluations: int
    """Evaluations of the validation loss within one generation."""
    shards: int | None = None
    """Parts that a batch is cut into, each with its own dropout, so that as many processes can
    share a step. The bits depend on them, not on the number of processes. None: one."""

    def length(self, tokens: int, context: int) -> int:
        """Optimiser steps on a corpus of so many tokens."""
        if self.steps is not None:
            return self.steps
        assert self.epochs is not None
        return max(1, round(self.epochs * tokens / (self.batch * context)))


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """How a network writes text; p(0) always writes at temperature 1, without top_k."""

    sampler: str
    """One of `SAMPLERS`."""
    temperature: float
    """Divisor of the logits; below 1 it causes collapse."""
    top_k: int | None
    """Number of likeliest tokens that are drawn from; None: all."""
    document: int
    """Tokens of one document; restart: context + 1."""
    streams: int
    """Documents written at once. The bits depend on it: it changes how sums are rounded."""


@dataclass(frozen=True, kw_only=True)
class Measure:
    """How a model is evaluated."""

    contexts: int
    """Number of contexts, drawn once from p(0), on which next-token distributions are compared."""
    validation: int
    """Tokens of held-out real text."""
    tokens: int
    """Tokens that each model writes for its evaluation."""
    retrain: bool
    """Whether to train p(1) twice, to measure the deviation that another seed alone causes."""
    stop_below: float | None = None
    """Share of distinct 8-grams in a model's text below which it counts as collapsed. A cell
    ends with the generation in which all its runs have collapsed; None: at its horizon."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Everything a GPT cell depends on, except schedule, text counts, horizon and seed."""

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
