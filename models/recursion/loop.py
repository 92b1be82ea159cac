"""A GPT trained on real text, then on its own: train, write, train again, by any schedule.

    R    replicates: independent runs, each with a real sample and seeds of its own
    C    contexts, drawn once from p(0) and the same for all runs and generations
    s    vocabulary
    E    evaluations of the loss within one training
    m    generation; model m is trained on n_t^(m) tokens of each model t

prepare -> Ground, init -> State, then step -> (State, Record) for each
generation; `prepare` and `step` are generators that say how far they are. What
was finished lies on a shelf, so a run that is cut goes on from there to the
same bits.

Where the statistical model counts samples, this one counts tokens, and whole
documents are what is picked: by `random`, which chooses a model for each, and
by `accumulate_subsample`, which chooses some of them.
"""

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models import corpus
from models.gpt import evaluate, trainer
from models.gpt.dataset import Documents
from models.recursion import generation, resume
from models.recursion.checkpoint_store import CheckpointStore, MissingCheckpointError
from models.recursion.reference import Reference
from models.recursion.resume import Progress, scaled
from models.recursion.setting import Setting
from models.seeding import derive

Record = dict[str, NDArray[Any]]
"""One array for each metric, (R,), and: laws (R, C, s); samples (R,) text; loss_curve/val and
/train (R, E); tokens_per_second/train and /sample (R,)."""
SHOWN = 600
"""Characters of the text samples that are kept."""
DRAWING, MEASURING = 0.05, 0.15
"""Shares of a generation that drawing data and measuring take, on a CPU; training the rest."""


@dataclass(frozen=True, kw_only=True)
class State:
    """Where all runs stand after generation m; models and texts are on the shelf."""

    m: int
    first: NDArray[np.float64]
    """(R, C, s) laws of p(1); empty before it."""


def init(setting: Setting) -> State:
    """Before generation 1."""
    return State(m=0, first=np.empty((setting.replicates, 0, 0)))


def step(
    setting: Setting, ground: Reference, state: State, shelf: CheckpointStore
) -> Generator[Progress, None, tuple[State, Record]]:
    """Train model m + 1 of every replicate, and measure it."""
    m, R = state.m + 1, setting.replicates
    generation.forget(setting, shelf, m)
    records: list[dict[str, Any]] = []
    for r in range(R):
        work = _generation(setting, ground, state, shelf, m, r)
        records.append((yield from scaled(work, r / R, 1 / R)))
    joined: Record = {key: np.array([one[key] for one in records]) for key in records[0]}
    first = joined["laws"].astype(np.float64) if m == 1 else state.first
    joined["laws"] = joined["laws"].astype(np.float32)
    return State(m=m, first=first), joined


def _generation(
    setting: Setting, ground: Reference, state: State, shelf: CheckpointStore, m: int, r: int
) -> Generator[Progress, None, dict[str, Any]]:
    """Train and measure model m of one replicate."""
    measure = setting.recipe.measure
    piece = generation.model_piece(setting, shelf, m, r)
    if piece is None:
        if m == 1:  # made by `prepare`
            raise MissingCheckpointError(1)
        name = f"model-{r}-{m}"
        drawn = generation.data(setting, ground.truth, shelf, m, r)
        data = yield from scaled(drawn, 0.0, DRAWING)
        fitted = generation.trained(setting, data, ground.validation, shelf, name, m, r)
        piece = yield from scaled(fitted, DRAWING, 1 - DRAWING - MEASURING)
        shelf.save(name, piece)
        shelf.remove(f"{name}-training")
    model = generation.model(setting, piece)
    laws = evaluate.next_token_probs(model, ground.contexts, setting.device)
    lengths = setting.lengths(measure.tokens)
    writing = resume.write(
        f"measure-{r}-{m}", model, setting.recipe.sampling, lengths,
        piece["start"].astype(np.float64), seed=derive(setting.root, "measure", r, m),
        device=setting.device, shelf=shelf, every=setting.every,
    )  # fmt: skip
    tokens, seconds = yield from scaled(writing, 1 - MEASURING, MEASURING)
    shelf.remove(f"measure-{r}-{m}")
    own = Documents(tokens=tokens, lengths=lengths, real=np.zeros(len(lengths), bool))
    entropy = trainer.loss(model, own, setting.device, evaluate.AT_ONCE)
    first = laws if m == 1 else state.first[r]
    found: dict[str, Any] = evaluate.compare(laws, first, ground.laws) | evaluate.text(own)
    found |= {
        "loss/val": float(piece["val"][-1]),
        "loss/val_best": float(piece["val"].min()),
        "loss/train": float(piece["train"][-1]),
        "loss_curve/val": _padded(piece["val"], setting.recipe.training.evaluations),
        "loss_curve/step": _padded(piece["at"], setting.recipe.training.evaluations),
        "loss_curve/train": _padded(piece["train"], setting.recipe.training.evaluations),
        "self_perplexity": float(np.exp(entropy)),
        "tokens_per_second/train": float(piece["speed"]),
        "tokens_per_second/sample": len(tokens) / max(seconds, 1e-9),
        "laws": laws,
        "samples": corpus.decode(tokens[:SHOWN], setting.letters),
    }
    return found


def _padded(losses: NDArray[Any], evaluations: int) -> NDArray[np.float64]:
    """Where a training had fewer steps than evaluations, NaN for the missing ones."""
    return np.append(losses.astype(np.float64), np.full(evaluations - len(losses), np.nan))
