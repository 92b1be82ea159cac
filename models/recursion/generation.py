"""The data of one generation, and a network trained on them.

    m    generation; r a replicate
    t    model that a document was written by; 0 is p(0)

Every piece is loaded from the store if it is there, else made and stored.
"""

from collections.abc import Generator
from functools import partial

import numpy as np
from numpy.typing import NDArray

from ..gpt import dataset, trainer
from ..gpt.dataset import Documents
from ..gpt.device import generator
from ..gpt.model import GPT
from ..gpt.trainer import Trainer
from ..seeding import derive
from . import resume
from .checkpoint_store import Arrays, CheckpointStore, MissingCheckpointError
from .ground_truth import Truth
from .resume import Progress, Work
from .setting import Setting


def data(
    setting: Setting, truth: Truth, store: CheckpointStore, m: int, r: int
) -> Generator[Progress, None, Documents]:
    """The training set of generation m: documents drawn for it, and those kept.

    Raises MissingCheckpointError if a model to draw from is lost.
    """
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
        work = _set(setting, truth, store, g, r)
        parts.append((yield from resume.scaled(work, k / len(sets), 1 / len(sets))))
    documents = dataset.joined(parts)
    if rule.subsample:
        rng = np.random.Generator(np.random.Philox(key=derive(setting.root, "choose", r, m)))
        documents = dataset.chosen(documents, setting.schedule.total(m), rng)
    return documents


def _set(
    setting: Setting, truth: Truth, store: CheckpointStore, m: int, r: int
) -> Generator[Progress, None, Documents]:
    """The documents drawn for generation m."""
    name = f"set-{r}-{m}"
    saved = store.load(name)
    if saved is not None and {"tokens", "lengths", "real"} <= saved.keys():
        return _documents(saved)
    parts, scratch = [], []
    for t, lengths in _wanted(setting, m, r):
        scratch.append(f"{name}-of-{t}")
        if t == 0:
            seed = derive(setting.root, "real", r, m)
            drawn = truth.sample(scratch[-1], lengths, seed, store, setting.every)
            if m == 1:  # the real sample, shared by all cells that draw equally many tokens
                kept = f"real-{derive(setting.root, r, lengths.tolist()):016x}"
                real = yield from resume.shared(kept, store, partial(_as_piece, drawn))
                assert real is not None
                parts.append(_documents(real))
            else:
                parts.append((yield from drawn))
            continue
        written = model_piece(setting, store, t, r)
        if written is None:
            raise MissingCheckpointError(t)
        tokens, _ = yield from resume.write(
            scratch[-1], model(setting, written), setting.recipe.sampling, lengths,
            written["start"].astype(np.float64), seed=derive(setting.root, "text", r, t, m),
            device=setting.device, store=store, every=setting.every,
        )  # fmt: skip
        parts.append(Documents(tokens=tokens, lengths=lengths, real=np.zeros(len(lengths), bool)))
    documents = dataset.joined(parts)
    store.save(name, _as_arrays(documents))
    for part in scratch:
        store.remove(part)
    return documents


def _as_piece(drawn: Generator[Progress, None, Documents], name: str) -> Work:
    return _as_arrays((yield from drawn))


def _as_arrays(documents: Documents) -> Arrays:
    return {"tokens": documents.tokens, "lengths": documents.lengths, "real": documents.real}


def _documents(piece: Arrays) -> Documents:
    return Documents(tokens=piece["tokens"], lengths=piece["lengths"], real=piece["real"])


def _wanted(setting: Setting, m: int, r: int) -> list[tuple[int, NDArray[np.int64]]]:
    """(t, lengths) of the documents of each model t that are drawn for generation m."""
    if setting.schedule.rule.draws is not None:
        return [(t, setting.lengths(k)) for t, k in setting.schedule.draws(m).items()]
    lengths = setting.lengths(setting.schedule.n or 0)
    rng = np.random.Generator(np.random.Philox(key=derive(setting.root, "model", r, m)))
    model = rng.integers(m, size=len(lengths))
    return [(int(t), lengths[model == t]) for t in np.unique(model)]


def trained(
    setting: Setting, corpus: Documents, validation: Documents, store: CheckpointStore,
    name: str, m: int, r: int, *, again: bool = False,
) -> Generator[Progress, None, Arrays]:  # fmt: skip
    """Model m of a replicate, trained on the corpus, as a piece; `again`: with another seed.

    Raises MissingCheckpointError if training starts from the last model and it is lost.
    """
    recipe = setting.recipe
    seed = derive(setting.root, "train", r, m, *(["again"] if again else []))

    def make() -> Trainer:
        network = GPT(recipe.network, setting.s, generator(derive(seed, "weights")))
        if recipe.training.start == "last" and m > 1:
            last = model_piece(setting, store, m - 1, r)
            if last is None:
                raise MissingCheckpointError(m - 1)
            trainer.load_weights(network, last)
        return Trainer(
            network, recipe.training, corpus, validation,
            aligned=setting.aligned, seed=seed, device=setting.device, team=setting.team,
        )  # fmt: skip

    fitted = yield from resume.train(
        f"{name}-training", make, store, every=setting.every, shared=m == 1
    )
    first = corpus.tokens[corpus.starts] if setting.aligned else corpus.tokens
    return piece(fitted, np.bincount(first, minlength=setting.s))


def piece(fitted: Trainer, counts: NDArray[np.int64]) -> Arrays:
    """A finished network as arrays; counts: (s,) occurrences of each token as the first."""
    return {
        **trainer.weights(fitted.model),
        "start": counts / counts.sum(),
        "val": np.array(fitted.val),
        "train": np.array(fitted.train),
        "at": fitted.eval_steps,
        "speed": np.array(fitted.speed),
    }


def model_piece(setting: Setting, store: CheckpointStore, t: int, r: int) -> Arrays | None:
    """Model t >= 1 of a replicate; None if it is not trained or cannot be read."""
    if t == 1:
        return store.load(setting.first_name(r), shared=True)
    return store.load(f"model-{r}-{t}")


def model(setting: Setting, arrays: Arrays) -> GPT:
    """The network that a piece holds."""
    network = GPT(setting.recipe.network, setting.s, generator(0)).to(setting.device.name)
    trainer.load_weights(network, arrays)
    return network


def forget(setting: Setting, store: CheckpointStore, m: int) -> None:
    """Remove pieces that generation m does not need, nor m - 1 if its last state is unreadable."""
    schedule = setting.schedule
    keep = {"nothing": 1, "real": 1, "window": schedule.K or 1}.get(schedule.rule.keeps)
    for r in range(setting.replicates):
        store.remove(f"model-{r}-{m - 2 - schedule.reach(m)}")
        if keep is not None and not (schedule.rule.keeps == "real" and m - 1 - keep == 1):
            store.remove(f"set-{r}-{m - 1 - keep}")
