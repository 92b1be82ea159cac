"""Text from a network: many documents at once, keys and values cached.

    B    documents of one block, written together
    L    tokens of the longest of them
    C    context

A cache with learned positions cannot slide. Three honest ways past the context:

    hop      when the window is full, read its last half anew and go on: each
             token sees at least half a context
    restart  documents are no longer than the context + 1, so it is never full
    sliding  the last C tokens are read anew for every token: exact and slow

A document begins with a token of the `start` law, the law of first tokens in
the training corpus. Block b draws from a stream of its own, so a corpus can be
cut between blocks and gone on with.
"""

import functools
from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.corpus import Tokens
from models.gpt.config import Sampling
from models.gpt.device import Device, autocast
from models.gpt.model import GPT
from models.seeding import derive


def blocks(documents: int, sampling: Sampling) -> int:
    """How many blocks so many documents make."""
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
    """The documents of block `first` and later, flat, one block at a time.

    lengths: (D,) tokens of each document; start: (s,) law of first tokens.
    """
    model.eval()
    for k in range(first, blocks(len(lengths), sampling)):
        size = lengths[k * sampling.streams : (k + 1) * sampling.streams]
        L = int(size.max())
        rng = np.random.Generator(np.random.Philox(key=derive(seed, "block", k)))
        u = torch.from_numpy(rng.random((len(size), L))).to(device.name)
        first_tokens = torch.from_numpy(np.tile(start, (len(size), 1))).float().to(device.name)
        found = torch.empty(len(size), L, dtype=torch.long, device=device.name)
        found[:, 0] = _invert(first_tokens, u[:, 0])
        with torch.inference_mode(), autocast(device):
            _continue(model, sampling, found, u, device)
        inside = np.arange(L) < size[:, None]
        yield found.cpu().numpy().astype(np.uint8)[inside]


def _continue(model: GPT, sampling: Sampling, found: Tensor, u: Tensor, device: Device) -> None:
    """Fill (B, L) documents from their first token on."""
    B, L = found.shape
    C = model.network.context
    cache = model.cache(B, torch.bfloat16 if device.bfloat16 else torch.float32)
    for i in range(1, L):
        if sampling.sampler == "sliding":
            logits = model(found[:, max(0, i - C) : i])[:, -1]
        elif cache.length == C:
            cache.length = 0
            logits = model(found[:, i - max(1, C // 2) : i], cache)[:, -1]
        else:
            logits = model(found[:, i - 1 : i], cache)[:, -1]
        found[:, i] = _invert(_distribution(logits.float(), sampling), u[:, i])


def _distribution(logits: Tensor, sampling: Sampling) -> Tensor:
    """(B, s) logits -> probabilities at the temperature, of the top_k tokens."""
    logits = logits / sampling.temperature
    if sampling.top_k is not None and sampling.top_k < logits.shape[1]:
        least = logits.topk(sampling.top_k, dim=1).values[:, -1:]
        logits = logits.masked_fill(logits < least, -torch.inf)
    return logits.softmax(dim=1)


def _invert(probs: Tensor, u: Tensor) -> Tensor:
    """(B,) tokens: the first whose cumulated probability exceeds u in [0, 1).

    In float64, where u times the last sum stays below it: no token of
    probability 0 is ever drawn. As a product, since `cumsum` on a GPU has no
    fixed order.
    """
    cumulated = probs.double() @ _below(probs.shape[1], probs.device)
    return (cumulated <= u[:, None] * cumulated[:, -1:]).sum(dim=1)


@functools.cache
def _below(s: int, device: torch.device) -> Tensor:
    """(s, s) with 1 on and above the diagonal: what makes a sum of all up to each."""
    return torch.ones(s, s, dtype=torch.float64, device=device).triu_()
