"""The gradient of one training step, shard by shard.

    B    windows of one step
    S    shards that they are cut into, of B / S windows each
    C    context
    P    parameters

A shard draws its own dropout from (seed, step, shard), and the parts of all
shards are added in their order. So no bit depends on who computes which shard:
this process alone, or some more (`models.team`).
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from models import documents
from models.device import Device, reseed
from models.documents import MISSING, Documents
from models.gpt import GPT
from models.recipe import Network, Training
from models.streams import derive


@dataclass(frozen=True, kw_only=True)
class Task:
    """What the gradients of one training depend on, but for the weights."""

    network: Network
    s: int
    """Vocabulary."""
    training: Training
    corpus: Documents
    aligned: bool
    """Whether a document is one window."""
    seed: int


class Gradient:
    """Of a network that is trained; the weights are whatever it has at the time."""

    def __init__(self, model: GPT, task: Task, device: Device) -> None:
        """Raises ValueError if the corpus has no window to train on."""
        self.model, self.task, self.shards = model, task, task.training.shards or 1
        self.parameters = list(model.parameters())
        self._device = device
        self._batches = Batches(
            task.corpus, model.network.context, task.training, aligned=task.aligned, device=device
        )
        self._forward = torch.compile(model) if device.compiled else model

    def whole(self, step: int) -> Tensor:
        """Leave the gradient of a step in the network, if it has one shard; gives the loss."""
        assert self.shards == 1
        x, y = self._drawn(step)
        return self._backward(x, y, (y != MISSING).sum(), derive(self.task.seed, "dropout", step))

    def rows(self, step: int, shards: range) -> Tensor:
        """What these shards add to the gradient and to the loss, shape (shards, P + 1)."""
        x, y = self._drawn(step)
        count, size, found = (y != MISSING).sum(), len(x) // self.shards, []
        for k in shards:
            part = slice(k * size, (k + 1) * size)
            loss = self._backward(
                x[part], y[part], count, derive(self.task.seed, "dropout", step, k)
            )
            slopes = [p.grad.flatten() for p in self.parameters if p.grad is not None]
            found.append(torch.cat([*slopes, loss[None]]))
            self.model.zero_grad(set_to_none=True)
        return torch.stack(found)

    def put(self, rows: Tensor) -> Tensor:
        """Leave the gradient in the network whose (S, P + 1) rows these are; gives the loss."""
        total = rows[0].clone()
        for row in rows[1:]:
            total += row
        parts = torch.split(total[:-1], [p.numel() for p in self.parameters])
        for parameter, part in zip(self.parameters, parts, strict=True):
            parameter.grad = part.view_as(parameter)
        return total[-1]

    def _drawn(self, step: int) -> tuple[Tensor, Tensor]:
        return self._batches.take(derive(self.task.seed, "batch", step))

    def _backward(self, x: Tensor, y: Tensor, count: Tensor, seed: int) -> Tensor:
        """Leave the gradient of these windows' part of a loss over `count` predictions."""
        self.model.train()
        if self.model.network.dropout > 0:
            reseed(self._device, seed)
        with precision(self._device):
            loss = error(self._forward(x), y) / count
        torch.autograd.backward([loss])
        return loss.detach()


class Batches:
    """The windows of a corpus, gathered on the device that holds it."""

    def __init__(
        self,
        corpus: Documents,
        context: int,
        training: Training,
        *,
        aligned: bool,
        device: Device,
    ) -> None:
        self._device, self._batch, self._training = device.name, training.batch, training
        # Room behind the last token, so that a window of a short last document can be gathered.
        padded = np.append(corpus.tokens, np.zeros(context + 1, np.uint8))
        self._tokens = torch.from_numpy(padded).to(device.name)
        count = documents.windows(corpus, context, aligned=aligned)
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
        """Inputs and targets, shape (B, C), of the windows that the seed picks."""
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
        found = self._tokens[at].long()
        x, y = found[:, :-1], found[:, 1:]
        if self._short:
            end = self._sent(self._starts[which] + self._lengths[which])
            y = torch.where(at[:, 1:] < end[:, None], y, MISSING)
        assert len(x) == B
        return x, y

    def _sent(self, numbers: NDArray[np.int64]) -> Tensor:
        """On the device, without waiting for it."""
        tensor = torch.from_numpy(numbers)
        if self._device == "cpu":
            return tensor
        return tensor.pin_memory().to(self._device, non_blocking=True)


def precision(device: Device) -> torch.autocast:
    """The context in which a network is evaluated."""
    return torch.autocast(device.name, torch.bfloat16, enabled=device.bfloat16)


def error(logits: Tensor, targets: Tensor) -> Tensor:
    """Sum of -log p(target), nats; logits (B, T, s), targets (B, T)."""
    return functional.cross_entropy(
        logits.float().flatten(0, 1), targets.flatten(), ignore_index=MISSING, reduction="sum"
    )
