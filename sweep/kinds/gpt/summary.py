"""Metrics that only GPT cells have, and their text samples.

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
"""Curve -> metric, its mean over replicates; distinct_n/k and speeds are added."""
SPEEDS = ("tokens_per_second/train", "tokens_per_second/sample")
"""Curves and metrics that depend on the clock."""
AT_TRUTH = {"sigma", "p_max", "deviation_p0", "entropy", "tail", "js_p0"}
"""Metrics of p(0), logged at step 0."""

Curves = dict[str, NDArray[Any]]


def stopped(stop_below: float | None, curves: Mapping[str, NDArray[Any]]) -> bool:
    """Return whether every run has plainly collapsed in its last generation.

    stop_below: see `Measure.stop_below`. curves: distinct_n/8, shape (R, generations so far).
    """
    return stop_below is not None and bool((curves["distinct_n/8"][:, -1] < stop_below).all())


def rows(curves: Curves, *, speeds: bool) -> dict[str, NDArray[np.float64]]:
    """Return metric -> its mean over replicates at each generation, shape (M,)."""
    names = CURVE_METRICS | {name: name for name in curves if name.startswith("distinct_n/")}
    if speeds:
        names |= dict(zip(SPEEDS, SPEEDS, strict=True))
    return {metric: curves[name].mean(axis=0) for name, metric in names.items()}


def at_truth(curves: Curves) -> dict[str, float]:
    """Return metric -> its value at p(0)."""
    metrics = {f"{name}/mean": float(curves[f"truth/{name}"]) for name in sorted(AT_TRUTH)}
    return metrics | {"loss/val": float(curves["truth/loss/val"])}


def spread(curves: Curves, *, renewed: bool) -> dict[str, float]:
    """Measure how far p(1) depends on the seed of its training, and on its real sample.

    deviation/retrained      mean L1 distance of p(1) from its copy trained with another seed
    spread/retraining        root of the variance of the next-token distributions, summed over
                             tokens, mean over contexts, due to the seed of training
    spread/corpus            the same, due to the real sample without training

    The squared distance of two copies is twice the variance. Other real samples are those of
    other replicates, or of other generations where all are trained like p(1) (`renewed`:
    schedule real); without any, spread/corpus is absent.
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
    """Describe what adds to the deviation besides collapse: seed, real data, few contexts."""
    parts = []
    if "deviation/retrained" in metrics:
        parts.append(
            "retrained on the same data with another seed, p(1) moves by "
            f"{metrics['deviation/retrained']:.3g}"
        )
    if "spread/corpus" in metrics:
        parts.append(
            "the next-token distributions of p(1) spread by "
            f"{metrics['spread/retraining']:.2g} (L2) over seeds and "
            f"by {metrics['spread/corpus']:.2g} more over real samples"
        )
    if "deviation/se_contexts" in metrics:
        error = metrics["deviation/se_contexts"]
        parts.append(f"the contexts leave a standard error of {error:.2g} in the deviation")
    return "; ".join(parts) + "."


def write_samples(curves: Curves, folder: Path) -> list[Path]:
    """Write samples.txt with the beginning of the text of each generation, if there are texts."""
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
