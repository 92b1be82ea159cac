"""A corpus as documents, and the windows that a network is trained and evaluated on.

    D    documents
    n    tokens of all documents
    C    context: a window is C + 1 tokens, C predictions

No window crosses from one document into the next.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..corpus import Tokens

MISSING = -1
"""The target where a document is shorter than a window; it adds nothing to a loss."""


@dataclass(frozen=True, kw_only=True)
class Documents:
    """D documents, concatenated."""

    tokens: Tokens
    """(n,)"""
    lengths: NDArray[np.int64]
    """(D,)"""
    real: NDArray[np.bool_]
    """(D,) whether a document comes from p(0)."""

    @property
    def starts(self) -> NDArray[np.int64]:
        """(D,) index of the first token of each document."""
        return np.cumsum(self.lengths) - self.lengths


def lengths(n: int, document: int, *, aligned: bool) -> NDArray[np.int64]:
    """Lengths of the documents that n tokens make.

    aligned: all have `document` tokens, except a shorter last one. Otherwise all have at
    least `document` tokens (a single one has n, if n is smaller), and lengths differ by
    at most one.
    """
    if aligned:
        full, rest = divmod(n, document)
        return np.array([document] * full + [rest] * (rest > 0), np.int64)
    count = max(1, n // document)
    return np.full(count, n // count, np.int64) + (np.arange(count) < n % count)


def joined(parts: Sequence[Documents]) -> Documents:
    """The documents of several corpora, in their order."""
    return Documents(
        tokens=np.concatenate([p.tokens for p in parts]),
        lengths=np.concatenate([p.lengths for p in parts]),
        real=np.concatenate([p.real for p in parts]),
    )


def chosen(documents: Documents, n: int, rng: np.random.Generator) -> Documents:
    """Documents picked without replacement until they have n tokens; the last one is cut."""
    order = rng.permutation(len(documents.lengths))
    ends = np.cumsum(documents.lengths[order])
    picked = order[: int(np.searchsorted(ends, n)) + 1]
    sizes = documents.lengths[picked].copy()
    sizes[-1] -= max(0, int(sizes.sum()) - n)
    starts = documents.starts[picked]
    pieces = [documents.tokens[a : a + k] for a, k in zip(starts, sizes, strict=True)]
    return Documents(tokens=np.concatenate(pieces), lengths=sizes, real=documents.real[picked])


def windows(documents: Documents, context: int, *, aligned: bool) -> NDArray[np.int64]:
    """(D,) number of training windows of each document; an aligned one starts where it does."""
    if aligned:
        return (documents.lengths > 1).astype(np.int64)
    return np.maximum(0, documents.lengths - context)


def chunks(documents: Documents, context: int) -> tuple[Tokens, NDArray[np.int64]]:
    """Every prediction of the documents once: inputs and targets, shape (W, C).

    A document is read in consecutive windows; targets beyond its end are `MISSING`.
    """
    at = np.concatenate(
        [
            a + np.arange(0, max(k - 1, 0), context)
            for a, k in zip(documents.starts, documents.lengths, strict=True)
        ]
    )
    ends = np.repeat(
        documents.starts + documents.lengths, -(-np.maximum(documents.lengths - 1, 0) // context)
    )
    places = at[:, None] + np.arange(context + 1)
    inside = places < ends[:, None]
    tokens = np.where(inside, documents.tokens[np.minimum(places, ends[:, None] - 1)], 0)
    targets = np.where(inside[:, 1:], tokens[:, 1:].astype(np.int64), MISSING)
    return tokens[:, :-1].astype(np.uint8), targets
