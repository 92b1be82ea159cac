"""The Markov source of a text: a p(0) with exactly known next-token distributions.

    k    order: the next token depends on the last k
    L    length of the text, which is read as a circle

The next token is that of a uniformly random place in the text after the last k
tokens. The process is stationary: any j <= k tokens are as frequent as in the
circle. So a document starts at a uniformly random place, and after fewer than k
tokens the distribution given all of them is as exact as later.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..corpus import Tokens


@dataclass(frozen=True, kw_only=True)
class Markov:
    """Places of the text, sorted by the k tokens before them."""

    tokens: Tokens
    """(L,) the text."""
    s: int
    """Vocabulary size."""
    order: int
    places: NDArray[np.int64]
    """(L,) places, sorted."""
    first: NDArray[np.int64]
    """(L,) for each place, the index in `places` of the first with the same k tokens before."""
    count: NDArray[np.int64]
    """(L,) for each place, the number of places with the same k tokens before."""


def fit(tokens: Tokens, s: int, order: int) -> Markov:
    """The source of a text, shape (L,), tokens 0..s-1."""
    places = np.lexsort([np.roll(tokens, j) for j in range(order, 0, -1)])
    before = np.stack([np.roll(tokens, j)[places] for j in range(1, order + 1)])
    new = np.ones(len(tokens), bool)
    new[1:] = (before[:, 1:] != before[:, :-1]).any(axis=0)
    group = np.cumsum(new) - 1
    starts = np.flatnonzero(new)
    sizes = np.diff(np.append(starts, len(tokens)))
    first, count = np.empty(len(tokens), np.int64), np.empty(len(tokens), np.int64)
    first[places], count[places] = starts[group], sizes[group]
    return Markov(tokens=tokens, s=s, order=order, places=places, first=first, count=count)


def sample(source: Markov, documents: int, length: int, rng: np.random.Generator) -> Tokens:
    """(documents, length) independent samples of the process."""
    L = len(source.tokens)
    tokens = np.empty((documents, length), np.uint8)
    # The first k tokens follow the text from a random place; after them the last k are known.
    at = rng.integers(L, size=documents)
    for i in range(length):
        if i >= source.order:
            u = rng.random(documents)
            at = source.places[source.first[at] + (u * source.count[at]).astype(np.int64)]
        tokens[:, i] = source.tokens[at]
        at = (at + 1) % L
    return tokens


def next_token_probs(source: Markov, contexts: Tokens) -> NDArray[np.float64]:
    """(C, s) next-token distributions after contexts of shape (C, at least k).

    Raises ValueError if the last k tokens of a context do not occur in the text.
    """
    k, L = source.order, len(source.tokens)
    place_of = {
        tuple(int(source.tokens[(place - j) % L]) for j in range(k, 0, -1)): place
        for place in source.places[source.first[source.places] == np.arange(L)]
    }
    probs = np.zeros((len(contexts), source.s))
    for row, context in zip(probs, contexts, strict=True):
        key = tuple(int(t) for t in context[len(context) - k :])
        if key not in place_of:
            raise ValueError(f"context: {key} does not occur in the text")
        place = place_of[key]
        places = source.places[source.first[place] :][: source.count[place]]
        row[:] = np.bincount(source.tokens[places], minlength=source.s) / len(places)
    return probs


def loss(source: Markov, windows: Tokens) -> float:
    """The mean of -log p(last token | the k before it), nats, over windows (W, k + 1)."""
    distinct, which = np.unique(windows[:, :-1], axis=0, return_inverse=True)
    probs = next_token_probs(source, distinct)
    return float(-np.log(probs[which.reshape(-1), windows[:, -1]]).mean())
