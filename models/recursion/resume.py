"""Training and writing that resume where they were cut, from pieces in a store.

Both are generators: they yield their progress, and return the result.
"""

import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from ..corpus import Tokens
from ..gpt import generate
from ..gpt.config import Sampling
from ..gpt.device import Device
from ..gpt.model import GPT
from ..gpt.trainer import Trainer
from .checkpoint_store import Arrays, CheckpointStore

WAIT_SECONDS = 0.2
"""Time between two checks for a piece that another process is making."""


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Progress of one piece of work."""

    what: str
    """What is being done, for users, such as `train`."""
    share: float
    """Share of the piece that is done, in [0, 1]."""


Work = Generator[Progress, None, Arrays]
"""A generator that makes a piece."""
Made = TypeVar("Made")


def scaled(
    work: Generator[Progress, None, Made], offset: float, scale: float
) -> Generator[Progress, None, Made]:
    """Work as a part of a larger one: shares run from offset to offset + scale."""
    while True:
        try:
            advance = next(work)
        except StopIteration as end:
            made: Made = end.value
            return made
        yield Progress(what=advance.what, share=offset + scale * advance.share)


def train(
    name: str,
    make: Callable[[], Trainer],
    store: CheckpointStore,
    *,
    every: float,
    shared: bool = False,
) -> Generator[Progress, None, Trainer]:
    """Train to the end, storing the state under `name` every `every` seconds."""
    trainer = make()
    saved = store.load(name, shared=shared)
    if saved is not None:
        try:
            trainer.load_state_dict(saved)
        except (KeyError, RuntimeError, ValueError, TypeError):
            trainer = make()  # the state is of another training: start from the beginning
    last = time.monotonic()
    while trainer.step < trainer.steps:
        trainer.advance()
        yield Progress(what="train", share=trainer.step / trainer.steps)
        if time.monotonic() - last > every:
            store.save(name, trainer.state_dict(), shared=shared)
            last = time.monotonic()
    return trainer


def write(
    name: str,
    model: GPT,
    settings: Sampling,
    lengths: NDArray[np.int64],
    start: NDArray[np.float64],
    *,
    seed: int,
    device: Device,
    store: CheckpointStore,
    every: float,
) -> Generator[Progress, None, tuple[Tokens, float]]:
    """The text of documents of these lengths, (sum of lengths,) tokens, and the seconds taken.

    Finished blocks are stored under `name` every `every` seconds.
    """
    total = generate.blocks(len(lengths), settings)
    done: list[Tokens] = []
    before, seconds = 0, 0.0
    saved = store.load(name)
    if saved is not None and {"blocks", "tokens", "seconds"} <= saved.keys():
        before, seconds = int(saved["blocks"]), float(saved["seconds"])
        done.append(saved["tokens"].astype(np.uint8))
    last = started = time.monotonic()
    texts = generate.generate(
        model, settings, lengths, start, seed=seed, device=device, first=before
    )
    for k, tokens in enumerate(texts, start=before + 1):
        done.append(tokens)
        yield Progress(what="write", share=k / total)
        if k < total and time.monotonic() - last > every:
            last = time.monotonic()
            spent = np.array(seconds + last - started)
            pieces = {"blocks": np.array(k), "tokens": np.concatenate(done), "seconds": spent}
            store.save(name, pieces)
    return np.concatenate(done), seconds + time.monotonic() - started


def shared(
    name: str, store: CheckpointStore, make: Callable[[str], Work], *, wait: bool = True
) -> Generator[Progress, None, Arrays | None]:
    """A shared piece, made here unless another process has made it or is making it.

    The result is None, only without `wait`, if another process is making it.
    """
    while True:
        piece = store.load(name, shared=True)
        if piece is not None:
            return piece
        with store.claim(name) as mine:
            if mine:
                piece = store.load(name, shared=True)  # made since the last check?
                if piece is None:
                    piece = yield from make(name)
                    store.save(name, piece, shared=True)
                    store.remove(f"{name}-training", shared=True)
                return piece
        if not wait:
            return None
        yield Progress(what="waits for p(0) of another trial", share=0.0)
        time.sleep(WAIT_SECONDS)  # the other process cannot wake this one
