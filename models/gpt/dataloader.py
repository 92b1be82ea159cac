"""Training batches: windows of a corpus, gathered on its device."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from . import dataset
from .config import Training
from .dataset import MISSING, Documents
from .device import Device


class Batches:
    """The windows of a corpus, whose tokens stay on the device."""

    def __init__(
        self,
        corpus: Documents,
        context: int,
        training: Training,
        *,
        aligned: bool,
        device: Device,
    ) -> None:
        """Raises ValueError if the corpus has no window."""
        self._device, self._batch, self._training = device.name, training.batch, training
        # Padding, so that a window of a short last document can be gathered.
        padded = np.append(corpus.tokens, np.zeros(context + 1, np.uint8))
        self._tokens = torch.from_numpy(padded).to(device.name)
        count = dataset.windows(corpus, context, aligned=aligned)
        if count.sum() == 0:
            raise ValueError(f"corpus: no document is longer than the context, {context} tokens")
        self._starts, self._lengths = corpus.starts, corpus.lengths
        self._short = bool((corpus.lengths <= context).any())
        self._ends = (
            np.cumsum(np.where(corpus.real, count, 0)),
            np.cumsum(np.where(corpus.real, 0, count)),
        )
        self._offsets = torch.arange(context + 1, device=device.name)

    def take(self, seed: int) -> tuple[Tensor, Tensor]:
        """Inputs and targets, shape (B, C), of B windows drawn with replacement by the seed."""
        u = np.random.Generator(np.random.Philox(key=seed)).random((2, self._batch))
        (real, other), B = self._ends, self._batch
        share = self._training.real_share
        if share is None or real[-1] == 0 or other[-1] == 0:
            share = real[-1] / (real[-1] + other[-1])
        from_real = u[1] < share
        index = (u[0] * np.where(from_real, real[-1], other[-1])).astype(np.int64)
        which = np.where(
            from_real,
            np.searchsorted(real, index, side="right"),
            np.searchsorted(other, index, side="right"),
        )
        before = np.where(from_real, np.append(0, real)[which], np.append(0, other)[which])
        start = self._starts[which] + index - before
        at = self._sent(start)[:, None] + self._offsets
        tokens = self._tokens[at].long()
        x, y = tokens[:, :-1], tokens[:, 1:]
        if self._short:
            end = self._sent(self._starts[which] + self._lengths[which])
            y = torch.where(at[:, 1:] < end[:, None], y, MISSING)
        assert len(x) == B
        return x, y

    def _sent(self, numbers: NDArray[np.int64]) -> Tensor:
        """The numbers on the device, without waiting for it."""
        tensor = torch.from_numpy(numbers)
        if self._device == "cpu":
            return tensor
        return tensor.pin_memory().to(self._device, non_blocking=True)
