"""Training and writing that go on where they were cut, from pieces kept on a shelf.

Both are generators: they say how far they are, and return what they made.
"""

import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from models.corpus import Tokens
from models.gpt import generate
from models.gpt.config import Sampling
from models.gpt.device import Device
from models.gpt.model import GPT
from models.gpt.trainer import Trainer
from models.recursion.checkpoint_store import Arrays, CheckpointStore

WAIT_SECONDS = 0.2
"""Between two looks at a piece that another process is making."""


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far one piece of work is."""

    what: str
    """For people, such as `train`."""
    share: float
    """Of this piece, in [0, 1]."""


Work = Generator[Progress, None, Arrays]
"""Makes a piece."""
Made = TypeVar("Made")


def scaled(
    work: Generator[Progress, None, Made], offset: float, scale: float
) -> Generator[Progress, None, Made]:
    """The same work as a part of a larger one: shares from offset to offset + scale."""
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
    shelf: CheckpointStore,
    *,
    every: float,
    shared: bool = False,
) -> Generator[Progress, None, Trainer]:
    """Fit to the end, keeping its state every so many seconds under `name`."""
    fit = make()
    saved = shelf.load(name, shared=shared)
    if saved is not None:
        try:
            fit.load_state_dict(saved)
        except (KeyError, RuntimeError, ValueError, TypeError):
            fit = make()  # of another fit: this one begins anew
    last = time.monotonic()
    while fit.step < fit.steps:
        fit.advance()
        yield Progress(what="train", share=fit.step / fit.steps)
        if time.monotonic() - last > every:
            shelf.save(name, fit.state_dict(), shared=shared)
            last = time.monotonic()
    return fit


def write(
    name: str,
    model: GPT,
    settings: Sampling,
    lengths: NDArray[np.int64],
    start: NDArray[np.float64],
    *,
    seed: int,
    device: Device,
    shelf: CheckpointStore,
    every: float,
) -> Generator[Progress, None, tuple[Tokens, float]]:
    """The text of documents of these lengths, and the seconds it took."""
    total = generate.blocks(len(lengths), settings)
    done: list[Tokens] = []
    before, seconds = 0, 0.0
    saved = shelf.load(name)
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
            shelf.save(name, pieces)
    return np.concatenate(done), seconds + time.monotonic() - started


def shared(
    name: str, shelf: CheckpointStore, make: Callable[[str], Work], *, wait: bool = True
) -> Generator[Progress, None, Arrays | None]:
    """A shared piece, made here if no other process has made it or is making it.

    None only without `wait`: another process is at it.
    """
    while True:
        found = shelf.load(name, shared=True)
        if found is not None:
            return found
        with shelf.claim(name) as mine:
            if mine:
                found = shelf.load(name, shared=True)  # made since the last look?
                if found is None:
                    found = yield from make(name)
                    shelf.save(name, found, shared=True)
                    shelf.remove(f"{name}-training", shared=True)
                return found
        if not wait:
            return None
        yield Progress(what="waits for p(0) of another trial", share=0.0)
        time.sleep(WAIT_SECONDS)  # the other process cannot wake this one
