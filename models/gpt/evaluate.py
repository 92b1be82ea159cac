"""Measures of a model: next-token distributions on fixed contexts, and text that it writes.

    C    contexts
    s    vocabulary

Shared metrics have the names of `models.statistical.model.CURVES` and are means over
contexts; distributions are those of the network at temperature 1, whatever the
temperature at which it writes.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import xlogy

from ..corpus import Tokens
from .dataset import Documents
from .device import Device
from .model import GPT

Floats = NDArray[np.float64]
GRAMS = (1, 2, 3, 4, 8)
"""Lengths k for which distinct k-grams are counted."""
AT_ONCE = 512
"""Number of contexts read together."""


def next_token_probs(model: GPT, contexts: Tokens, device: Device) -> Floats:
    """(C, s) next-token distributions after contexts (C, length), from float32 logits."""
    model.eval()
    probs = []
    with torch.inference_mode():
        for k in range(0, len(contexts), AT_ONCE):
            x = torch.from_numpy(contexts[k : k + AT_ONCE]).to(device.name).long()
            probs.append(model(x)[:, -1].double().softmax(dim=1).cpu().numpy())
    return np.concatenate(probs)


def compare(p: Floats, first: Floats, truth: Floats) -> dict[str, float]:
    """Means over contexts of the measures of p, also against p(1) (`first`) and p(0) (`truth`).

    p, first, truth: (C, s) distributions. deviation/se_contexts is the standard error
    of the deviation over contexts.
    """
    deviation = np.abs(p - first).sum(axis=1)
    middle = (p + truth) / 2
    divergence = (_relative(p, middle) + _relative(truth, middle)) / 2
    rare = truth < 1 / np.maximum((truth > 0).sum(axis=1, keepdims=True), 1)
    return {
        "sigma": float((p**2).sum(axis=1).mean()),
        "p_max": float(p.max(axis=1).mean()),
        "deviation": float(deviation.mean()),
        "deviation/se_contexts": float(deviation.std() / np.sqrt(len(deviation))),
        "deviation_p0": float(np.abs(p - truth).sum(axis=1).mean()),
        "entropy": float(-xlogy(p, p).sum(axis=1).mean()),
        "js_p0": float(divergence.mean()),
        "tail": float((p * rare).sum(axis=1).mean()),
    }


def text(documents: Documents) -> dict[str, float]:
    """Shares of distinct k-grams, distinct_n/k, and the number of distinct tokens, support."""
    found = {"support": float(len(np.unique(documents.tokens)))}
    for k in GRAMS:
        grams = [
            np.lib.stride_tricks.sliding_window_view(documents.tokens[a : a + size], k)
            for a, size in zip(documents.starts, documents.lengths, strict=True)
            if size >= k
        ]
        if grams:
            all_grams = np.concatenate(grams)
            found[f"distinct_n/{k}"] = len(np.unique(all_grams, axis=0)) / len(all_grams)
    return found


def _relative(p: Floats, q: Floats) -> Floats:
    """(C,) relative entropies of p with respect to q, nats; q is positive where p is."""
    return np.asarray((xlogy(p, p) - xlogy(p, np.where(q > 0, q, 1.0))).sum(axis=1))
