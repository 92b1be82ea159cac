"""The gradient of one training step, shard by shard.

    B    windows of one step
    S    shards that they are cut into, of B / S windows each
    C    context
    P    parameters

A shard draws its own dropout from (seed, step, shard), and the parts of all
shards are added in their order. So no bit depends on who computes which shard:
this process alone, or some more (`models.gpt.data_parallel`).
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from models.gpt.config import Network, Training
from models.gpt.dataloader import Batches
from models.gpt.dataset import MISSING, Documents
from models.gpt.device import Device, autocast, reseed
from models.gpt.model import GPT
from models.seeding import derive


@dataclass(frozen=True, kw_only=True)
class GradientTask:
    """What the gradients of one training depend on, but for the weights."""

    network: Network
    s: int
    """Vocabulary."""
    training: Training
    corpus: Documents
    aligned: bool
    """Whether a document is one window."""
    seed: int


class GradientComputer:
    """Of a network that is trained; the weights are whatever it has at the time."""

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
        """Leave the gradient of a step in the network, if it has one shard; gives the loss."""
        assert self.shards == 1
        x, y = self._drawn(step)
        return self._backward(x, y, (y != MISSING).sum(), derive(self.task.seed, "dropout", step))

    def shard_gradients(self, step: int, shards: range) -> Tensor:
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

    def accumulate(self, rows: Tensor) -> Tensor:
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
        with autocast(self._device):
            loss = cross_entropy_sum(self._forward(x), y) / count
        torch.autograd.backward([loss])
        return loss.detach()


def cross_entropy_sum(logits: Tensor, targets: Tensor) -> Tensor:
    """Sum of -log p(target), nats; logits (B, T, s), targets (B, T)."""
    return functional.cross_entropy(
        logits.float().flatten(0, 1), targets.flatten(), ignore_index=MISSING, reduction="sum"
    )
