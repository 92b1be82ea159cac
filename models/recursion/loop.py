"""A GPT trained on real text, then on its own: train, write, train again, by any schedule.

    R    replicates: independent runs, each with its own real sample and seeds
    C    contexts, drawn once from p(0) and the same for all runs and generations
    s    vocabulary size
    E    evaluations of the loss within one training
    m    generation; model m is trained on n_t^(m) tokens of each model t

`reference.prepare` returns a Reference and `init` a State; then `step` returns
(State, Record) for each generation. `prepare` and `step` are generators that yield
their progress. Finished pieces are in a checkpoint store, from which a run that was
cut resumes to the same bits.

The statistical model counts samples; this one counts tokens and picks whole
documents: `random` chooses a model for each, `accumulate_subsample` some of them.
"""

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import corpus
from ..gpt import evaluate, trainer
from ..gpt.dataset import Documents
from ..seeding import derive
from . import generation, resume
from .checkpoint_store import CheckpointStore, MissingCheckpointError
from .reference import Reference
from .resume import Progress, scaled
from .setting import Setting

Record = dict[str, NDArray[Any]]
"""One array (R,) for each metric, and: laws (R, C, s), the next-token distributions; samples
(R,), text; loss_curve/val, /train and /step (R, E); tokens_per_second/train and /sample (R,)."""
SHOWN = 600
"""Characters of the text samples that are kept."""
DRAWING, MEASURING = 0.05, 0.15
"""Shares of a generation's time for drawing data and for measuring, on a CPU; the rest trains."""


@dataclass(frozen=True, kw_only=True)
class State:
    """The state of all runs after generation m; models and texts are in the store."""

    m: int
    first: NDArray[np.float64]
    """(R, C, s) next-token distributions of p(1); empty before generation 1."""


def init(setting: Setting) -> State:
    """The state before generation 1."""
    return State(m=0, first=np.empty((setting.replicates, 0, 0)))


def step(
    setting: Setting, reference: Reference, state: State, store: CheckpointStore
) -> Generator[Progress, None, tuple[State, Record]]:
    """Train model m + 1 of every replicate, and measure it.

    Raises MissingCheckpointError if an earlier model is needed and lost.
    """
    m, R = state.m + 1, setting.replicates
    generation.forget(setting, store, m)
    records: list[dict[str, Any]] = []
    for r in range(R):
        work = _generation(setting, reference, state, store, m, r)
        records.append((yield from scaled(work, r / R, 1 / R)))
    joined: Record = {key: np.array([record[key] for record in records]) for key in records[0]}
    first = joined["laws"].astype(np.float64) if m == 1 else state.first
    joined["laws"] = joined["laws"].astype(np.float32)
    return State(m=m, first=first), joined


def _generation(
    setting: Setting, reference: Reference, state: State, store: CheckpointStore, m: int, r: int
) -> Generator[Progress, None, dict[str, Any]]:
    """Train and measure model m of one replicate."""
    measure = setting.recipe.measure
    piece = generation.model_piece(setting, store, m, r)
    if piece is None:
        if m == 1:  # made by `prepare`
            raise MissingCheckpointError(1)
        name = f"model-{r}-{m}"
        drawn = generation.data(setting, reference.truth, store, m, r)
        data = yield from scaled(drawn, 0.0, DRAWING)
        fitted = generation.trained(setting, data, reference.validation, store, name, m, r)
        piece = yield from scaled(fitted, DRAWING, 1 - DRAWING - MEASURING)
        store.save(name, piece)
        store.remove(f"{name}-training")
    model = generation.model(setting, piece)
    probs = evaluate.next_token_probs(model, reference.contexts, setting.device)
    lengths = setting.lengths(measure.tokens)
    writing = resume.write(
        f"measure-{r}-{m}", model, setting.recipe.sampling, lengths,
        piece["start"].astype(np.float64), seed=derive(setting.root, "measure", r, m),
        device=setting.device, store=store, every=setting.every,
    )  # fmt: skip
    tokens, seconds = yield from scaled(writing, 1 - MEASURING, MEASURING)
    store.remove(f"measure-{r}-{m}")
    written = Documents(tokens=tokens, lengths=lengths, real=np.zeros(len(lengths), bool))
    entropy = trainer.loss(model, written, setting.device, evaluate.AT_ONCE)
    first = probs if m == 1 else state.first[r]
    record: dict[str, Any] = evaluate.compare(probs, first, reference.next_token_probs)
    record |= evaluate.text(written) | {
        "loss/val": float(piece["val"][-1]),
        "loss/val_best": float(piece["val"].min()),
        "loss/train": float(piece["train"][-1]),
        "loss_curve/val": _padded(piece["val"], setting.recipe.training.evaluations),
        "loss_curve/step": _padded(piece["at"], setting.recipe.training.evaluations),
        "loss_curve/train": _padded(piece["train"], setting.recipe.training.evaluations),
        "self_perplexity": float(np.exp(entropy)),
        "tokens_per_second/train": float(piece["speed"]),
        "tokens_per_second/sample": len(tokens) / max(seconds, 1e-9),
        "laws": probs,
        "samples": corpus.decode(tokens[:SHOWN], setting.letters),
    }
    return record


def _padded(losses: NDArray[Any], evaluations: int) -> NDArray[np.float64]:
    """Losses padded with NaN to (E,), for a training of fewer steps than evaluations."""
    return np.append(losses.astype(np.float64), np.full(evaluations - len(losses), np.nan))
