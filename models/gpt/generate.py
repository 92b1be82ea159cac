"""Text from a network: many documents at once, keys and values cached.

    B    documents of one block, written together
    L    tokens of the longest document
    C    context

A cache with learned positions cannot slide. Three samplers exceed the context:

    hop      when the window is full, its last half is read again: each token
             sees at least half a context
    restart  documents are no longer than the context + 1, so it is never full
    sliding  the last C tokens are read again for every token: exact and slow

A document begins with a token of the `start` distribution, that of first tokens
in the training corpus. Each block draws from its own stream, so writing can be
cut between blocks and resumed.
"""

import functools
from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..corpus import Tokens
from ..seeding import derive
from .config import Sampling
from .device import Device, autocast
from .model import GPT


def blocks(documents: int, sampling: Sampling) -> int:
    """The number of blocks of so many documents."""
    return -(-documents // sampling.streams)


def generate(
    model: GPT,
    sampling: Sampling,
    lengths: NDArray[np.int64],
    start: NDArray[np.float64],
    *,
    seed: int,
    device: Device,
    first: int = 0,
) -> Iterator[Tokens]:
    """Yield the documents of block `first` and later, concatenated, one block at a time.

    lengths: (D,) tokens of each document; start: (s,) distribution of first tokens.
    """
    model.eval()
    for k in range(first, blocks(len(lengths), sampling)):
        size = lengths[k * sampling.streams : (k + 1) * sampling.streams]
        L = int(size.max())
        rng = np.random.Generator(np.random.Philox(key=derive(seed, "block", k)))
        u = torch.from_numpy(rng.random((len(size), L))).to(device.name)
        start_probs = torch.from_numpy(np.tile(start, (len(size), 1))).float().to(device.name)
        tokens = torch.empty(len(size), L, dtype=torch.long, device=device.name)
        tokens[:, 0] = _invert(start_probs, u[:, 0])
        with torch.inference_mode(), autocast(device):
            _continue(model, sampling, tokens, u, device)
        inside = np.arange(L) < size[:, None]
        yield tokens.cpu().numpy().astype(np.uint8)[inside]


def _continue(model: GPT, sampling: Sampling, tokens: Tensor, u: Tensor, device: Device) -> None:
    """Fill (B, L) documents after their first token, by inversion of u (B, L)."""
    B, L = tokens.shape
    C = model.network.context
    cache = model.cache(B, torch.bfloat16 if device.bfloat16 else torch.float32)
    for i in range(1, L):
        if sampling.sampler == "sliding":
            logits = model(tokens[:, max(0, i - C) : i])[:, -1]
        elif cache.length == C:
            cache.length = 0
            logits = model(tokens[:, i - max(1, C // 2) : i], cache)[:, -1]
        else:
            logits = model(tokens[:, i - 1 : i], cache)[:, -1]
        tokens[:, i] = _invert(_distribution(logits.float(), sampling), u[:, i])


def _distribution(logits: Tensor, sampling: Sampling) -> Tensor:
    """(B, s) logits -> (B, s) probabilities at the temperature, 0 but for the top_k tokens."""
    logits = logits / sampling.temperature
    if sampling.top_k is not None and sampling.top_k < logits.shape[1]:
        least = logits.topk(sampling.top_k, dim=1).values[:, -1:]
        logits = logits.masked_fill(logits < least, -torch.inf)
    return logits.softmax(dim=1)


def _invert(probs: Tensor, u: Tensor) -> Tensor:
    """(B,) tokens: the first whose cumulative probability exceeds u in [0, 1).

    Sums are in float64, where u times the last sum stays below it, so no token of
    probability 0 is drawn; and by a product, since `cumsum` on a GPU has no fixed order.
    """
    cumulative = probs.double() @ _below(probs.shape[1], probs.device)
    return (cumulative <= u[:, None] * cumulative[:, -1:]).sum(dim=1)


@functools.cache
def _below(s: int, device: torch.device) -> Tensor:
    """(s, s) ones on and above the diagonal, zeros below: a product with it is a cumulative sum."""
    return torch.ones(s, s, dtype=torch.float64, device=device).triu_()
