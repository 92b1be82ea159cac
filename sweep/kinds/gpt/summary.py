"""The numbers that are logged of a GPT cell alone, and its text samples.

R, M, C, s    replicates, generations, contexts, vocabulary
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

CURVE_METRICS = {
    "loss/val": "loss/val", "loss/val_best": "loss/val_best", "loss/train": "loss/train",
    "self_perplexity": "self_perplexity/mean", "deviation/se_contexts": "deviation/se_contexts",
}  # fmt: skip
"""Curve -> metric, the mean over replicates; distinct_n/k and speeds besides."""
SPEEDS = ("tokens_per_second/train", "tokens_per_second/sample")
AT_TRUTH = {"sigma", "p_max", "deviation_p0", "entropy", "tail", "js_p0"}
"""Shared metrics that are logged at step 0, of p(0)."""

Curves = dict[str, NDArray[Any]]


def stopped(stop_below: float | None, curves: Mapping[str, NDArray[Any]]) -> bool:
    """Whether every run has plainly collapsed in its last generation; see `Measure.stop_below`.

    distinct_n/8 has shape (R, generations so far).
    """
    return stop_below is not None and bool((curves["distinct_n/8"][:, -1] < stop_below).all())


def rows(curves: Curves, *, speeds: bool) -> dict[str, NDArray[np.float64]]:
    """Metric -> its value at each generation, (M,)."""
    names = CURVE_METRICS | {name: name for name in curves if name.startswith("distinct_n/")}
    if speeds:
        names |= dict(zip(SPEEDS, SPEEDS, strict=True))
    return {metric: curves[name].mean(axis=0) for name, metric in names.items()}


def at_truth(curves: Curves) -> dict[str, float]:
    """Metric -> its value at p(0)."""
    metrics = {f"{name}/mean": float(curves[f"truth/{name}"]) for name in sorted(AT_TRUTH)}
    return metrics | {"loss/val": float(curves["truth/loss/val"])}


def spread(curves: Curves, *, renewed: bool) -> dict[str, float]:
    """What makes p(1) another model: another seed, or other real data as well.

    deviation/retrained      mean L1 distance of p(1) from itself trained with another seed
    spread/retraining        root of the variance of the laws, summed over tokens, mean over
                             contexts, that another seed of training brings
    spread/corpus            the same for another real sample, training apart

    Two copies differ by twice the variance. Other real samples are those of other
    replicates, or those of other generations where all are trained like p(1)
    (`renewed`: schedule real); else the last is absent.
    """
    metrics: dict[str, float] = {}
    distributions = curves["laws"].astype(np.float64)
    retraining = 0.0
    if "retrained" in curves:
        apart = distributions[:, 0] - curves["retrained"]
        metrics["deviation/retrained"] = float(curves["deviation/retrained"].mean())
        retraining = float((apart**2).sum(axis=2).mean()) / 2
        metrics["spread/retraining"] = retraining**0.5
    others = distributions.transpose(1, 0, 2, 3) if renewed else distributions[:, :1]
    if "retrained" in curves and len(others) > 1:
        both = float(others.var(axis=0, ddof=1).sum(axis=-1).mean())
        metrics["spread/corpus"] = max(0.0, both - retraining) ** 0.5
    return metrics


def spread_in_words(metrics: Mapping[str, float]) -> str:
    """What of the deviation is no collapse: another seed, other real data, few contexts."""
    parts = []
    if "deviation/retrained" in metrics:
        parts.append(
            "trained once more with another seed on the same data, p(1) is "
            f"{metrics['deviation/retrained']:.3g} away from itself"
        )
    if "spread/corpus" in metrics:
        parts.append(
            f"laws of p(1) spread by {metrics['spread/retraining']:.2g} (L2) over seeds and "
            f"by {metrics['spread/corpus']:.2g} more over real samples"
        )
    if "deviation/se_contexts" in metrics:
        error = metrics["deviation/se_contexts"]
        parts.append(f"the contexts leave a standard error of {error:.2g} in the deviation")
    return "; ".join(parts) + "."


def write_samples(curves: Curves, folder: Path) -> list[Path]:
    """samples.txt: how the text of each generation begins; nothing for other models."""
    if "samples" not in curves:
        return []
    path = folder / "samples.txt"
    parts = [
        f"--- replicate {r}, generation {m} ---\n{text}\n"
        for r, texts in enumerate(curves["samples"])
        for m, text in enumerate(texts, start=1)
    ]
    path.write_text("\n".join(parts), encoding="utf-8")
    return [path]
