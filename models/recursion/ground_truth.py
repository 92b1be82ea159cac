"""p(0), the ground truth that real data are samples of: a Markov source, or a trained network.

Both give text, next-token laws and a loss. Real text is written at temperature
1 whatever the models after it do, so that cells of all temperatures share it.
"""

from collections.abc import Generator
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from models.corpus import Tokens
from models.gpt import evaluate, trainer
from models.gpt.config import Sampling
from models.gpt.dataset import Documents
from models.gpt.device import Device
from models.gpt.model import GPT
from models.recursion import markov, resume
from models.recursion.checkpoint_store import CheckpointStore
from models.recursion.resume import Progress

Floats = NDArray[np.float64]


class Truth(Protocol):
    def sample(
        self, name: str, lengths: NDArray[np.int64], seed: int, shelf: CheckpointStore, every: float
    ) -> Generator[Progress, None, Documents]:
        """Real documents of these lengths."""
        ...

    def next_token_probs(self, contexts: Tokens) -> Floats:
        """(C, s) next-token laws."""
        ...

    def loss(self, documents: Documents) -> float:
        """Mean of -log p(0)(next token), nats: no model can be expected to do better."""
        ...


@dataclass(frozen=True, kw_only=True)
class MarkovTruth:
    """The Markov source of the text; exact.

    The process is stationary, so after fewer tokens than its order its law is
    that of the source of that lower order.
    """

    source: markov.Markov

    def sample(
        self, name: str, lengths: NDArray[np.int64], seed: int, shelf: CheckpointStore, every: float
    ) -> Generator[Progress, None, Documents]:
        rng = np.random.Generator(np.random.Philox(key=seed))
        found = markov.sample(self.source, len(lengths), int(lengths.max()), rng)
        yield Progress(what="draw", share=1.0)
        inside = np.arange(found.shape[1]) < lengths[:, None]
        return real(found[inside], lengths)

    def next_token_probs(self, contexts: Tokens) -> Floats:
        return markov.next_token_probs(self.source, contexts)

    def loss(self, documents: Documents) -> float:
        """Over predictions with a full context of the source's order."""
        total, count = 0.0, 0
        for order in range(1, self.source.order + 1):
            source = markov.fit(self.source.tokens, self.source.s, order)
            windows = [
                sliding_window_view(documents.tokens[a : a + length], order + 1)
                for a, length in zip(documents.starts, documents.lengths, strict=True)
                if length > order
            ]
            if order < self.source.order:  # only where no more tokens are known
                windows = [first[:1] for first in windows]
            found = np.concatenate(windows)
            total += markov.loss(source, found) * len(found)
            count += len(found)
        return total / count


@dataclass(frozen=True, kw_only=True)
class TrainedTruth:
    """A network trained on the text, as in the paper."""

    model: GPT
    start: Floats
    """(s,) law of first tokens: that of a random place of the text."""
    sampling: Sampling
    device: Device

    def sample(
        self, name: str, lengths: NDArray[np.int64], seed: int, shelf: CheckpointStore, every: float
    ) -> Generator[Progress, None, Documents]:
        plain = replace(self.sampling, temperature=1.0, top_k=None)
        tokens, _ = yield from resume.write(
            name, self.model, plain, lengths, self.start,
            seed=seed, device=self.device, shelf=shelf, every=every,
        )  # fmt: skip
        return real(tokens, lengths)

    def next_token_probs(self, contexts: Tokens) -> Floats:
        return evaluate.next_token_probs(self.model, contexts, self.device)

    def loss(self, documents: Documents) -> float:
        return trainer.loss(self.model, documents, self.device, evaluate.AT_ONCE)


def real(tokens: Tokens, lengths: NDArray[np.int64]) -> Documents:
    """Documents that are all real."""
    return Documents(tokens=tokens, lengths=lengths, real=np.ones(len(lengths), bool))
