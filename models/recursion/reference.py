"""The reference of all generations: p(0), the contexts, held-out text, and p(1).

These are shared pieces: the first process that needs one makes it, and others make
another one meanwhile, or wait.
"""

import time
from collections.abc import Generator
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from .. import corpus
from ..corpus import Tokens
from ..gpt import evaluate
from ..gpt.dataset import Documents
from ..gpt.device import generator
from ..gpt.model import GPT
from ..gpt.trainer import Trainer
from ..seeding import derive
from . import generation, markov, resume
from .checkpoint_store import Arrays, CheckpointStore
from .ground_truth import MarkovTruth, TrainedTruth, Truth, real
from .resume import Progress, Work, scaled
from .setting import Setting


@dataclass(frozen=True, kw_only=True)
class Reference:
    """p(0), and the contexts and text on which models are measured."""

    truth: Truth
    contexts: Tokens
    """(C, context)"""
    next_token_probs: NDArray[np.float64]
    """(C, s) distributions of p(0) after the contexts."""
    validation: Documents
    """Held-out real text."""
    loss: float
    """Loss of p(0) on the held-out text, nats."""
    retrained: NDArray[np.float64] | None
    """(R, C, s) distributions of p(1) trained again on the same data with another seed."""

    @property
    def record(self) -> dict[str, float]:
        """The metrics that are defined at p(0)."""
        p = self.next_token_probs
        values = evaluate.compare(p, p, p)
        names = ("sigma", "p_max", "deviation_p0", "entropy", "tail", "js_p0")
        return {name: values[name] for name in names} | {"loss/val": self.loss}


def prepare(setting: Setting, store: CheckpointStore) -> Generator[Progress, None, Reference]:
    """p(0), the contexts and p(1) of every replicate, loaded from the store or made."""
    part = 1 / trainings(setting)
    truth = yield from scaled(_truth(setting, store), 0.0, part)
    shared = resume.shared(
        f"yardstick-{setting.reference_key:016x}",
        store,
        lambda name: _measure_by(setting, truth, store),
    )
    firsts = setting.replicates * (1 + setting.recipe.measure.retrain)
    piece = yield from scaled(shared, 1 - part * firsts, 0.0)
    assert piece is not None
    reference = Reference(
        truth=truth,
        contexts=piece["contexts"].astype(np.uint8),
        next_token_probs=piece["laws"].astype(np.float64),
        validation=real(piece["tokens"].astype(np.uint8), piece["lengths"].astype(np.int64)),
        loss=float(piece["loss"]),
        retrained=None,
    )
    retrain = (False, True) if setting.recipe.measure.retrain else (False,)
    pending = [(r, again) for again in retrain for r in range(setting.replicates)]
    retrained: dict[int, Arrays] = {}
    while pending:  # pieces that no other process is making come first
        left: list[tuple[int, bool]] = []
        for k, (r, again) in enumerate(pending):
            name = setting.first_name(r, again=again)
            make = partial(_first, setting, reference, store, r=r, again=again)
            made = resume.shared(name, store, make, wait=False)
            first = yield from scaled(made, 1 - part * (len(pending) - k + len(left)), part)
            if first is None:
                left.append((r, again))
            elif again:
                retrained[r] = first
        if len(left) == len(pending):
            yield Progress(what="waits for p(1) of another trial", share=1 - part * len(pending))
            time.sleep(resume.WAIT_SECONDS)  # the other process cannot wake this one
        pending = left
    probs = [retrained[r]["laws"].astype(np.float64) for r in sorted(retrained)]
    return replace(reference, retrained=np.array(probs)) if probs else reference


def trainings(setting: Setting) -> int:
    """The number of networks that `prepare` trains if the store has none."""
    recipe = setting.recipe
    return (recipe.truth == "trained") + setting.replicates * (1 + recipe.measure.retrain)


def _first(
    setting: Setting, reference: Reference, store: CheckpointStore, name: str, r: int, again: bool
) -> Work:
    """p(1) of a replicate; `again`: distributions of p(1) trained again with another seed."""
    drawn = generation.data(setting, reference.truth, store, 1, r)
    data = yield from scaled(drawn, 0.0, 0.0)  # a small part
    piece = yield from generation.trained(
        setting, data, reference.validation, store, name, 1, r, again=again
    )
    if not again:
        return piece
    network = generation.model(setting, piece)
    return {"laws": evaluate.next_token_probs(network, reference.contexts, setting.device)}


def _truth(setting: Setting, store: CheckpointStore) -> Generator[Progress, None, Truth]:
    recipe = setting.recipe
    tokens = corpus.encode(setting.text, setting.letters)
    if recipe.truth == "markov":
        assert recipe.order is not None
        return MarkovTruth(source=markov.fit(tokens, setting.s, recipe.order))
    start = np.bincount(tokens, minlength=setting.s) / len(tokens)

    def make(name: str) -> Work:
        held_out = len(tokens) // 10  # nanoGPT's split
        fitted, rest = (
            real(part, np.array([len(part)])) for part in (tokens[:-held_out], tokens[-held_out:])
        )

        def begin() -> Trainer:
            seed = derive(setting.root, "truth")
            model = GPT(recipe.network, setting.s, generator(derive(seed, "weights")))
            return Trainer(
                model, recipe.training, fitted, rest,
                aligned=False, seed=seed, device=setting.device, team=setting.team,
            )  # fmt: skip

        trainer = yield from resume.train(
            f"{name}-training", begin, store, every=setting.every, shared=True
        )
        return generation.piece(trainer, np.bincount(tokens, minlength=setting.s))

    piece = yield from resume.shared(f"truth-{setting.root:016x}", store, make)
    assert piece is not None
    return TrainedTruth(
        model=generation.model(setting, piece),
        start=start,
        sampling=recipe.sampling,
        device=setting.device,
    )


def _measure_by(setting: Setting, truth: Truth, store: CheckpointStore) -> Work:
    """Contexts with their distributions under p(0), and held-out real text with its loss."""
    measure, context = setting.recipe.measure, setting.recipe.network.context
    samples = []
    for what, lengths in (
        ("contexts", np.full(measure.contexts, context)),
        ("validation", setting.lengths(measure.validation)),
    ):
        seed = derive(setting.root, what)
        samples.append((yield from truth.sample(what, lengths, seed, store, setting.every)))
        store.remove(what)
    contexts = samples[0].tokens.reshape(measure.contexts, context)
    return {
        "contexts": contexts,
        "laws": truth.next_token_probs(contexts),
        "tokens": samples[1].tokens,
        "lengths": samples[1].lengths,
        "loss": np.array(truth.loss(samples[1])),
    }
