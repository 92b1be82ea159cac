"""What one generation is made of: its data, and a network fitted to them.

    m    generation; r a replicate
    t    model that a document was written by; 0 is p(0)

Everything is taken from the shelf where it is there, and put there once made.
"""

from collections.abc import Generator
from functools import partial

import numpy as np
from numpy.typing import NDArray

from models.gpt import dataset, trainer
from models.gpt.dataset import Documents
from models.gpt.device import generator
from models.gpt.model import GPT
from models.gpt.trainer import Trainer
from models.recursion import resume
from models.recursion.checkpoint_store import Arrays, CheckpointStore, MissingCheckpointError
from models.recursion.ground_truth import Truth
from models.recursion.resume import Progress, Work
from models.recursion.setting import Setting
from models.seeding import derive


def data(
    setting: Setting, truth: Truth, shelf: CheckpointStore, m: int, r: int
) -> Generator[Progress, None, Documents]:
    """What generation m is trained on: drawn now, and kept from before."""
    rule, K = setting.schedule.rule, setting.schedule.K or 0
    kept = {
        "nothing": [m],
        "real": [1, m],
        "all": list(range(1, m + 1)),
        "window": list(range(max(1, m - K + 1), m + 1)),
    }[rule.keeps]
    parts = []
    sets = list(dict.fromkeys(kept))
    for k, g in enumerate(sets):
        work = _set(setting, truth, shelf, g, r)
        parts.append((yield from resume.scaled(work, k / len(sets), 1 / len(sets))))
    found = dataset.joined(parts)
    if rule.subsample:
        rng = np.random.Generator(np.random.Philox(key=derive(setting.root, "choose", r, m)))
        found = dataset.chosen(found, setting.schedule.total(m), rng)
    return found


def _set(
    setting: Setting, truth: Truth, shelf: CheckpointStore, m: int, r: int
) -> Generator[Progress, None, Documents]:
    """What is drawn anew for generation m."""
    name = f"set-{r}-{m}"
    saved = shelf.load(name)
    if saved is not None and {"tokens", "lengths", "real"} <= saved.keys():
        return _documents(saved)
    parts, scratch = [], []
    for t, lengths in _wanted(setting, m, r):
        scratch.append(f"{name}-of-{t}")
        if t == 0:
            seed = derive(setting.root, "real", r, m)
            drawn = truth.sample(scratch[-1], lengths, seed, shelf, setting.every)
            if m == 1:  # the real sample, the same for all cells that take as much of it
                kept = f"real-{derive(setting.root, r, lengths.tolist()):016x}"
                real = yield from resume.shared(kept, shelf, partial(_as_piece, drawn))
                assert real is not None
                parts.append(_documents(real))
            else:
                parts.append((yield from drawn))
            continue
        written = model_piece(setting, shelf, t, r)
        if written is None:
            raise MissingCheckpointError(t)
        tokens, _ = yield from resume.write(
            scratch[-1], model(setting, written), setting.recipe.sampling, lengths,
            written["start"].astype(np.float64), seed=derive(setting.root, "text", r, t, m),
            device=setting.device, shelf=shelf, every=setting.every,
        )  # fmt: skip
        parts.append(Documents(tokens=tokens, lengths=lengths, real=np.zeros(len(lengths), bool)))
    found = dataset.joined(parts)
    shelf.save(name, {"tokens": found.tokens, "lengths": found.lengths, "real": found.real})
    for part in scratch:
        shelf.remove(part)
    return found


def _as_piece(drawn: Generator[Progress, None, Documents], name: str) -> Work:
    found = yield from drawn
    return {"tokens": found.tokens, "lengths": found.lengths, "real": found.real}


def _documents(piece: Arrays) -> Documents:
    return Documents(tokens=piece["tokens"], lengths=piece["lengths"], real=piece["real"])


def _wanted(setting: Setting, m: int, r: int) -> list[tuple[int, NDArray[np.int64]]]:
    """(t, lengths of the documents of model t) that are drawn anew for generation m."""
    if setting.schedule.rule.draws is not None:
        return [(t, setting.lengths(k)) for t, k in setting.schedule.draws(m).items()]
    lengths = setting.lengths(setting.schedule.n or 0)
    rng = np.random.Generator(np.random.Philox(key=derive(setting.root, "model", r, m)))
    model = rng.integers(m, size=len(lengths))
    return [(int(t), lengths[model == t]) for t in np.unique(model)]


def trained(
    setting: Setting, corpus: Documents, validation: Documents, shelf: CheckpointStore,
    name: str, m: int, r: int, *, again: bool = False,
) -> Generator[Progress, None, Arrays]:  # fmt: skip
    """Model m of a replicate, fitted to the corpus, as a piece; `again`: with another seed."""
    recipe = setting.recipe
    seed = derive(setting.root, "train", r, m, *(["again"] if again else []))

    def make() -> Trainer:
        network = GPT(recipe.network, setting.s, generator(derive(seed, "weights")))
        if recipe.training.start == "last" and m > 1:
            last = model_piece(setting, shelf, m - 1, r)
            if last is None:
                raise MissingCheckpointError(m - 1)
            trainer.load_weights(network, last)
        return Trainer(
            network, recipe.training, corpus, validation,
            aligned=setting.aligned, seed=seed, device=setting.device, team=setting.team,
        )  # fmt: skip

    fit = yield from resume.train(
        f"{name}-training", make, shelf, every=setting.every, shared=m == 1
    )
    first = corpus.tokens[corpus.starts] if setting.aligned else corpus.tokens
    return piece(fit, np.bincount(first, minlength=setting.s))


def piece(fit: Trainer, counts: NDArray[np.int64]) -> Arrays:
    """A finished network as arrays; counts: how often each token is a first one."""
    return {
        **trainer.weights(fit.model),
        "start": counts / counts.sum(),
        "val": np.array(fit.val),
        "train": np.array(fit.train),
        "at": fit.eval_steps,
        "speed": np.array(fit.speed),
    }


def model_piece(setting: Setting, shelf: CheckpointStore, t: int, r: int) -> Arrays | None:
    """Model t >= 1 of a replicate; None if it has not been trained, or cannot be read."""
    if t == 1:
        return shelf.load(setting.first_name(r), shared=True)
    return shelf.load(f"model-{r}-{t}")


def model(setting: Setting, arrays: Arrays) -> GPT:
    """The network that a piece holds."""
    network = GPT(setting.recipe.network, setting.s, generator(0)).to(setting.device.name)
    trainer.load_weights(network, arrays)
    return network


def forget(setting: Setting, shelf: CheckpointStore, m: int) -> None:
    """Drop what neither generation m nor, should its last state be unreadable, m - 1 needs."""
    schedule = setting.schedule
    keep = {"nothing": 1, "real": 1, "window": schedule.K or 1}.get(schedule.rule.keeps)
    for r in range(setting.replicates):
        shelf.remove(f"model-{r}-{m - 2 - schedule.reach(m)}")
        if keep is not None and not (schedule.rule.keeps == "real" and m - 1 - keep == 1):
            shelf.remove(f"set-{r}-{m - 1 - keep}")
