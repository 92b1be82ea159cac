"""The gradient of one training step, shard by shard.

    B    windows of one step
    S    shards of B / S windows each
    C    context
    P    parameters

A shard draws its own dropout from (seed, step, shard), and the gradients of all
shards are added in their order. So no bit depends on which process computes a
shard (`models.gpt.data_parallel`).
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from ..seeding import derive
from .config import Network, Training
from .dataloader import Batches
from .dataset import MISSING, Documents
from .device import Device, autocast, reseed
from .model import GPT


@dataclass(frozen=True, kw_only=True)
class GradientTask:
    """Everything that the gradients of a training depend on, except the weights."""

    network: Network
    s: int
    """Vocabulary size."""
    training: Training
    corpus: Documents
    aligned: bool
    """Whether a document is one window."""
    seed: int


class GradientComputer:
    """Computes gradients of a network at its current weights."""

    def __init__(self, model: GPT, task: GradientTask, device: Device) -> None:
        """Raises ValueError if the corpus has no window to train on."""
        self.model, self.task, self.shards = model, task, task.training.shards or 1
        self.parameters = list(model.parameters())
        self._device = device
        self._batches = Batches(
            task.corpus, model.network.context, task.training, aligned=task.aligned, device=device
        )
        self._forward = torch.compile(model) if device.compiled else model

    def whole(self, step: int) -> Tensor:
        """Set the network's gradient to that of a step of one shard; returns the loss."""
        assert self.shards == 1
        x, y = self._drawn(step)
        return self._backward(x, y, (y != MISSING).sum(), derive(self.task.seed, "dropout", step))

    def shard_gradients(self, step: int, shards: range) -> Tensor:
        """(shards, P + 1): the parts of the gradient, and last of the loss, of these shards."""
        x, y = self._drawn(step)
        count, size, rows = (y != MISSING).sum(), len(x) // self.shards, []
        for k in shards:
            part = slice(k * size, (k + 1) * size)
            loss = self._backward(
                x[part], y[part], count, derive(self.task.seed, "dropout", step, k)
            )
            slopes = [p.grad.flatten() for p in self.parameters if p.grad is not None]
            rows.append(torch.cat([*slopes, loss[None]]))
            self.model.zero_grad(set_to_none=True)
        return torch.stack(rows)

    def accumulate(self, rows: Tensor) -> Tensor:
        """Set the network's gradient to the sum of the (S, P + 1) rows; returns the loss."""
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
        """Add the gradient of the sum over these windows / `count`; returns that loss."""
        self.model.train()
        if self.model.network.dropout > 0:
            reseed(self._device, seed)
        with autocast(self._device):
            loss = cross_entropy_sum(self._forward(x), y) / count
        torch.autograd.backward([loss])
        return loss.detach()


def cross_entropy_sum(logits: Tensor, targets: Tensor) -> Tensor:
    """The sum of -log p(target), nats; logits (B, T, s), targets (B, T)."""
    return functional.cross_entropy(
        logits.float().flatten(0, 1), targets.flatten(), ignore_index=MISSING, reduction="sum"
    )
