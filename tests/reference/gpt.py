"""The network written out once more, in NumPy and in words of its own: slow and literal."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def logits(weights: dict[str, NDArray[Any]], tokens: list[int], heads: int) -> Floats:
    """(T, s) logits after each of T tokens, one position and one head at a time."""
    w = {name: np.asarray(value, np.float64) for name, value in weights.items()}
    layers = 1 + max(int(name.split(".")[1]) for name in w if name.startswith("blocks."))
    x = [w["tokens.weight"][t] + w["positions.weight"][i] for i, t in enumerate(tokens)]
    width = len(x[0]) // heads
    for layer in range(layers):
        at = f"blocks.{layer}."
        normed = [_norm(v, w, at + "attention_norm") for v in x]
        qkv = [_linear(v, w, at + "attention") for v in normed]
        d = len(x[0])
        for i in range(len(x)):
            mixed = np.zeros(d)
            for h in range(heads):
                own = slice(h * width, (h + 1) * width)
                scores = np.array(
                    [qkv[i][:d][own] @ qkv[j][d : 2 * d][own] / math.sqrt(width)
                     for j in range(i + 1)]
                )  # fmt: skip
                share = np.exp(scores - scores.max())
                share /= share.sum()
                mixed[own] = sum(a * qkv[j][2 * d :][own] for j, a in enumerate(share))
            x[i] = x[i] + _linear(mixed, w, at + "attention_out")
        for i in range(len(x)):
            hidden = _linear(_norm(x[i], w, at + "mlp_norm"), w, at + "mlp")
            bent = np.array([0.5 * v * (1 + math.erf(v / math.sqrt(2))) for v in hidden])
            x[i] = x[i] + _linear(bent, w, at + "mlp_out")
    out = w.get("out.weight", w["tokens.weight"])
    return np.array([out @ _norm(v, w, "norm") for v in x])


def _linear(v: Floats, w: dict[str, Floats], name: str) -> Floats:
    return np.asarray(w[f"{name}.weight"] @ v + w.get(f"{name}.bias", 0.0))


def _norm(v: Floats, w: dict[str, Floats], name: str) -> Floats:
    centred = v - v.mean()
    scaled = centred / math.sqrt((centred**2).mean() + 1e-5)
    return np.asarray(scaled * w[f"{name}.weight"] + w.get(f"{name}.bias", 0.0))
