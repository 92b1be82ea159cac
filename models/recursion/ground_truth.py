"""p(0), the ground truth that real data are samples of: a Markov source, or a trained network.

Both give text, next-token distributions and a loss. Real text is written at
temperature 1 even if models write at another, so cells of all temperatures share it.
"""

from collections.abc import Generator
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from ..corpus import Tokens
from ..gpt import evaluate, trainer
from ..gpt.config import Sampling
from ..gpt.dataset import Documents
from ..gpt.device import Device
from ..gpt.model import GPT
from . import markov, resume
from .checkpoint_store import CheckpointStore
from .resume import Progress

Floats = NDArray[np.float64]


class Truth(Protocol):
    """p(0)."""

    def sample(
        self, name: str, lengths: NDArray[np.int64], seed: int, store: CheckpointStore, every: float
    ) -> Generator[Progress, None, Documents]:
        """Real documents of these lengths; name: that of a piece under which they can resume."""
        ...

    def next_token_probs(self, contexts: Tokens) -> Floats:
        """(C, s) next-token distributions after the contexts."""
        ...

    def loss(self, documents: Documents) -> float:
        """The mean of -log p(0)(next token), nats: in expectation no model has a lower loss."""
        ...


@dataclass(frozen=True, kw_only=True)
class MarkovTruth:
    """The Markov source of the text; exact.

    The process is stationary, so after fewer tokens than its order its next-token
    distribution is that of the source of that lower order.
    """

    source: markov.Markov

    def sample(
        self, name: str, lengths: NDArray[np.int64], seed: int, store: CheckpointStore, every: float
    ) -> Generator[Progress, None, Documents]:
        rng = np.random.Generator(np.random.Philox(key=seed))
        tokens = markov.sample(self.source, len(lengths), int(lengths.max()), rng)
        yield Progress(what="draw", share=1.0)
        inside = np.arange(tokens.shape[1]) < lengths[:, None]
        return real(tokens[inside], lengths)

    def next_token_probs(self, contexts: Tokens) -> Floats:
        return markov.next_token_probs(self.source, contexts)

    def loss(self, documents: Documents) -> float:
        """The mean of -log p(0)(next token), nats, over all tokens but first ones.

        Tokens after fewer tokens than the order are predicted by the source of that lower order.
        """
        total, count = 0.0, 0
        for order in range(1, self.source.order + 1):
            source = markov.fit(self.source.tokens, self.source.s, order)
            windows = [
                sliding_window_view(documents.tokens[a : a + length], order + 1)
                for a, length in zip(documents.starts, documents.lengths, strict=True)
                if length > order
            ]
            if order < self.source.order:  # only the prediction after exactly `order` tokens
                windows = [first[:1] for first in windows]
            joined = np.concatenate(windows)
            total += markov.loss(source, joined) * len(joined)
            count += len(joined)
        return total / count


@dataclass(frozen=True, kw_only=True)
class TrainedTruth:
    """A network trained on the text, as in the paper."""

    model: GPT
    start: Floats
    """(s,) distribution of first tokens: that of a random place of the text."""
    sampling: Sampling
    device: Device

    def sample(
        self, name: str, lengths: NDArray[np.int64], seed: int, store: CheckpointStore, every: float
    ) -> Generator[Progress, None, Documents]:
        plain = replace(self.sampling, temperature=1.0, top_k=None)
        tokens, _ = yield from resume.write(
            name, self.model, plain, lengths, self.start,
            seed=seed, device=self.device, store=store, every=every,
        )  # fmt: skip
        return real(tokens, lengths)

    def next_token_probs(self, contexts: Tokens) -> Floats:
        return evaluate.next_token_probs(self.model, contexts, self.device)

    def loss(self, documents: Documents) -> float:
        return trainer.loss(self.model, documents, self.device, evaluate.AT_ONCE)


def real(tokens: Tokens, lengths: NDArray[np.int64]) -> Documents:
    """Documents that are all marked as real."""
    return Documents(tokens=tokens, lengths=lengths, real=np.ones(len(lengths), bool))
