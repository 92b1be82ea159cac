"""Fit a network to a corpus: the recipe of nanoGPT, resumable at any step.

    B    windows of one step
    C    context
    E    evaluations of the validation loss

Every random draw of a step is seeded from (seed, step), so a run that is cut
needs its weights and the moments of AdamW, and no state of a generator, to go
on to the same bits (on one machine type).

Not covered: accumulated gradients, more than one GPU.
"""

import math
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from models import documents
from models.device import Device, reseed
from models.documents import MISSING, Documents
from models.gpt import GPT
from models.recipe import Training
from models.streams import derive

Arrays = Mapping[str, NDArray[Any]]


def weights(model: GPT) -> dict[str, NDArray[Any]]:
    """Every parameter once, as float32 on the CPU."""
    return {name: p.detach().cpu().numpy().copy() for name, p in model.named_parameters()}


def load_weights(model: GPT, arrays: Arrays) -> None:
    """Put `weights` back. Raises KeyError or RuntimeError if they are of another network."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(torch.from_numpy(arrays[name]))


def loss(model: GPT, docs: Documents, device: Device, batch: int) -> float:
    """Mean of -log p(next token), nats, over every prediction of the documents."""
    inputs, targets = documents.chunks(docs, model.network.context)
    total = torch.zeros((), dtype=torch.float64, device=device.name)
    model.eval()
    with torch.inference_mode(), precision(device):
        for k in range(0, len(inputs), batch):
            x = torch.from_numpy(inputs[k : k + batch]).to(device.name).long()
            y = torch.from_numpy(targets[k : k + batch]).to(device.name)
            total += _loss(model(x), y, "sum").double()
    return float(total) / int((targets != MISSING).sum())


def precision(device: Device) -> torch.autocast:
    """The context in which a network is evaluated."""
    return torch.autocast(device.name, torch.bfloat16, enabled=device.bfloat16)


def learning_rate(training: Training, step: int, steps: int) -> float:
    """Of one step, counted from 0: a linear rise, then the cosine down to the final rate."""
    top, last = training.learning_rate, training.final_learning_rate
    if step < training.warmup:
        return top * (step + 1) / (training.warmup + 1)
    if training.decay == "constant":
        return top
    share = (step - training.warmup) / max(1, steps - training.warmup)
    return last + 0.5 * (1 + math.cos(math.pi * share)) * (top - last)


class Fit:
    """A network in training, changed in place.

    step        steps done, of `steps`
    at          (E,) after how many steps the losses are measured
    val, train  validation loss, and mean training loss since the last one; one
                entry for each evaluation done
    seconds     spent on `timed` steps: without the first of a process, which may
                compile, and without evaluations
    """

    def __init__(
        self,
        model: GPT,
        training: Training,
        corpus: Documents,
        validation: Documents,
        *,
        aligned: bool,
        seed: int,
        device: Device,
    ) -> None:
        """Prepare to fit. Raises ValueError if the corpus has no window to train on."""
        self.model, self.training, self.device = model.to(device.name), training, device
        self._validation, self._seed = validation, seed
        self.steps = training.length(len(corpus.tokens), model.network.context)
        at = np.unique(np.linspace(0, self.steps, training.evaluations + 1).round())
        self.at = at[at > 0]
        self.step = 0
        self.val: list[float] = []
        self.train: list[float] = []
        self.seconds = 0.0
        self.timed = 0
        self._mark: tuple[float, int] | None = None
        self._sum = torch.zeros((), device=device.name)
        self._batches = _Batches(
            corpus, model.network.context, training, aligned=aligned, device=device
        )
        self._forward = torch.compile(model) if device.compiled else model
        matrices = [p for p in model.parameters() if p.dim() > 1]
        others = [p for p in model.parameters() if p.dim() <= 1]
        self._optimizer = torch.optim.AdamW(
            [
                {"params": matrices, "weight_decay": training.weight_decay},
                {"params": others, "weight_decay": 0.0},
            ],
            lr=training.learning_rate,
            betas=(training.beta1, training.beta2),
            fused=True,
        )

    def advance(self) -> None:
        """One step, and the losses if it is time for them."""
        model, training = self.model, self.training
        model.train()
        x, y = self._batches.take(derive(self._seed, "batch", self.step))
        if model.network.dropout > 0:
            reseed(self.device, derive(self._seed, "dropout", self.step))
        for group in self._optimizer.param_groups:
            group["lr"] = learning_rate(training, self.step, self.steps)
        with precision(self.device):
            error = _loss(self._forward(x), y, "mean")
        torch.autograd.backward([error])
        if training.clip > 0:
            torch.nn.utils.clip_grad_norm_(model.parameters(), training.clip)
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)
        self._sum += error.detach()
        self.step += 1
        if self.step == self.at[len(self.val)]:
            since = self.step - (int(self.at[len(self.val) - 1]) if self.val else 0)
            self.train.append(float(self._sum) / since)
            self._time()
            self._mark = None
            self.val.append(loss(model, self._validation, self.device, 4 * training.batch))
            self._sum.zero_()
        if self._mark is None:
            float(self._sum)  # waits for a GPU
            self._mark = time.perf_counter(), self.step

    def _time(self) -> None:
        """Count the time since the mark, once a GPU has done its work."""
        if self._mark is not None:
            float(self._sum)
            now, (then, step) = time.perf_counter(), self._mark
            self.seconds, self.timed = self.seconds + now - then, self.timed + self.step - step
            self._mark = now, self.step

    @property
    def speed(self) -> float:
        """Tokens a second; NaN if nothing was timed."""
        tokens = self.timed * self.training.batch * self.model.network.context
        return tokens / self.seconds if self.seconds > 0 else math.nan

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All that `restore` needs."""
        self._time()
        found: dict[str, NDArray[Any]] = {
            "step": np.array(self.step),
            "val": np.array(self.val),
            "train": np.array(self.train),
            "seconds": np.array(self.seconds),
            "timed": np.array(self.timed),
            "sum": self._sum.cpu().numpy().copy(),
        }
        for name, parameter in self.model.named_parameters():
            found[f"weight/{name}"] = parameter.detach().cpu().numpy().copy()
            for key, value in self._optimizer.state[parameter].items():
                found[f"{key}/{name}"] = value.cpu().numpy().copy()
        return found

    def restore(self, arrays: Arrays) -> None:
        """Go on from `arrays`. Raises KeyError or RuntimeError if they are of another fit."""
        for name, parameter in self.model.named_parameters():
            state = {}
            for key in ("step", "exp_avg", "exp_avg_sq"):
                value = torch.from_numpy(np.array(arrays[f"{key}/{name}"]))
                state[key] = value.to(self.device.name)
            if state["exp_avg"].shape != parameter.shape:
                raise KeyError(name)
            self._optimizer.state[parameter] = state
        load_weights(self.model, {k[7:]: v for k, v in arrays.items() if k.startswith("weight/")})
        self.step, self.timed = int(arrays["step"]), int(arrays["timed"])
        self.seconds = float(arrays["seconds"])
        self.val, self.train = list(map(float, arrays["val"])), list(map(float, arrays["train"]))
        self._sum.copy_(torch.from_numpy(np.array(arrays["sum"])))


class _Batches:
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


def _loss(logits: Tensor, targets: Tensor, reduction: str) -> Tensor:
    return functional.cross_entropy(
        logits.float().flatten(0, 1), targets.flatten(), ignore_index=MISSING, reduction=reduction
    )
