"""What all generations stand on: p(0), the contexts, held-out text, and p(1).

They are shared pieces of the shelf: whoever needs one first makes it, and
others take up something else meanwhile, or wait.
"""

import time
from collections.abc import Generator
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from models import corpus
from models.corpus import Tokens
from models.gpt import evaluate
from models.gpt.dataset import Documents
from models.gpt.device import generator
from models.gpt.model import GPT
from models.gpt.trainer import Trainer
from models.recursion import generation, markov, resume
from models.recursion.checkpoint_store import Arrays, CheckpointStore
from models.recursion.ground_truth import MarkovTruth, TrainedTruth, Truth, real
from models.recursion.resume import Progress, Work, scaled
from models.recursion.setting import Setting
from models.seeding import derive


@dataclass(frozen=True, kw_only=True)
class Reference:
    """p(0), and what models are measured by."""

    truth: Truth
    contexts: Tokens
    """(C, context)"""
    laws: NDArray[np.float64]
    """(C, s) of p(0)."""
    validation: Documents
    """Held-out real text."""
    loss: float
    """Of p(0) on it."""
    retrained: NDArray[np.float64] | None
    """(R, C, s) laws of p(1) trained once more on the same data with another seed."""

    @property
    def record(self) -> dict[str, float]:
        """The metrics that are defined at p(0)."""
        found = evaluate.compare(self.laws, self.laws, self.laws)
        names = ("sigma", "p_max", "deviation_p0", "entropy", "tail", "js_p0")
        return {name: found[name] for name in names} | {"loss/val": self.loss}


def prepare(setting: Setting, shelf: CheckpointStore) -> Generator[Progress, None, Reference]:
    """p(0), the contexts, p(1) of every replicate: found on the shelf, or made."""
    part = 1 / trainings(setting)
    truth = yield from scaled(_truth(setting, shelf), 0.0, part)
    shared = resume.shared(
        f"yardstick-{setting.reference_key:016x}",
        shelf,
        lambda name: _measure_by(setting, truth, shelf),
    )
    firsts = setting.replicates * (1 + setting.recipe.measure.retrain)
    stick = yield from scaled(shared, 1 - part * firsts, 0.0)
    assert stick is not None
    ground = Reference(
        truth=truth,
        contexts=stick["contexts"].astype(np.uint8),
        laws=stick["laws"].astype(np.float64),
        validation=real(stick["tokens"].astype(np.uint8), stick["lengths"].astype(np.int64)),
        loss=float(stick["loss"]),
        retrained=None,
    )
    retrain = (False, True) if setting.recipe.measure.retrain else (False,)
    pending = [(r, again) for again in retrain for r in range(setting.replicates)]
    found: dict[tuple[int, bool], Arrays] = {}
    while pending:  # whatever no other process is at comes first
        left: list[tuple[int, bool]] = []
        for k, (r, again) in enumerate(pending):
            name = setting.first_name(r, again=again)
            make = partial(_first, setting, ground, shelf, r=r, again=again)
            made = resume.shared(name, shelf, make, wait=False)
            piece = yield from scaled(made, 1 - part * (len(pending) - k + len(left)), part)
            if piece is None:
                left.append((r, again))
            elif again:
                found[r, again] = piece
        if len(left) == len(pending):
            yield Progress(what="waits for p(1) of another trial", share=1 - part * len(pending))
            time.sleep(resume.WAIT_SECONDS)  # the other process cannot wake this one
        pending = left
    laws = [found[r, True]["laws"].astype(np.float64) for r, again in sorted(found)]
    return replace(ground, retrained=np.array(laws)) if laws else ground


def trainings(setting: Setting) -> int:
    """How many networks `prepare` trains if it finds none."""
    recipe = setting.recipe
    return (recipe.truth == "trained") + setting.replicates * (1 + recipe.measure.retrain)


def _first(
    setting: Setting, ground: Reference, shelf: CheckpointStore, name: str, r: int, again: bool
) -> Work:
    """p(1) of a replicate; `again`: the laws of p(1) trained once more with another seed."""
    drawn = generation.data(setting, ground.truth, shelf, 1, r)
    data = yield from scaled(drawn, 0.0, 0.0)  # a small part
    piece = yield from generation.trained(
        setting, data, ground.validation, shelf, name, 1, r, again=again
    )
    if not again:
        return piece
    network = generation.model(setting, piece)
    return {"laws": evaluate.next_token_probs(network, ground.contexts, setting.device)}


def _truth(setting: Setting, shelf: CheckpointStore) -> Generator[Progress, None, Truth]:
    recipe = setting.recipe
    tokens = corpus.encode(setting.text, setting.letters)
    if recipe.truth == "markov":
        assert recipe.order is not None
        return MarkovTruth(source=markov.fit(tokens, setting.s, recipe.order))
    start = np.bincount(tokens, minlength=setting.s) / len(tokens)

    def make(name: str) -> Work:
        held_out = len(tokens) // 10  # as nanoGPT splits it
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

        fit = yield from resume.train(
            f"{name}-training", begin, shelf, every=setting.every, shared=True
        )
        return generation.piece(fit, np.bincount(tokens, minlength=setting.s))

    piece = yield from resume.shared(f"truth-{setting.root:016x}", shelf, make)
    assert piece is not None
    return TrainedTruth(
        model=generation.model(setting, piece),
        start=start,
        sampling=recipe.sampling,
        device=setting.device,
    )


def _measure_by(setting: Setting, truth: Truth, shelf: CheckpointStore) -> Work:
    """Contexts with their laws under p(0), and held-out real text with its loss."""
    measure, context = setting.recipe.measure, setting.recipe.network.context
    found = []
    for what, lengths in (
        ("contexts", np.full(measure.contexts, context)),
        ("validation", setting.lengths(measure.validation)),
    ):
        seed = derive(setting.root, what)
        found.append((yield from truth.sample(what, lengths, seed, shelf, setting.every)))
        shelf.remove(what)
    contexts = found[0].tokens.reshape(measure.contexts, context)
    return {
        "contexts": contexts,
        "laws": truth.next_token_probs(contexts),
        "tokens": found[1].tokens,
        "lengths": found[1].lengths,
        "loss": np.array(truth.loss(found[1])),
    }
