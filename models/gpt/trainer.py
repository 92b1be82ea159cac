"""Training of a network on a corpus by nanoGPT's recipe, resumable at any step.

    B    windows of one step
    C    context
    E    evaluations of the validation loss

Every random draw of a step is seeded from (seed, step), so a run resumes to the same
bits (on one machine type) from its weights and the moments of AdamW, without the
state of a generator.
"""

import math
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from . import dataset
from .config import Training
from .data_parallel import DataParallelGroup
from .dataset import MISSING, Documents
from .device import Device, autocast
from .gradients import GradientComputer, GradientTask, cross_entropy_sum
from .model import GPT

Arrays = Mapping[str, NDArray[Any]]


def weights(model: GPT) -> dict[str, NDArray[Any]]:
    """A copy of every parameter, shared ones once, as float32 on the CPU."""
    return {name: p.detach().cpu().numpy().copy() for name, p in model.named_parameters()}


def load_weights(model: GPT, arrays: Arrays) -> None:
    """Load `weights`. Raises KeyError or RuntimeError if they are of another network."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(torch.from_numpy(arrays[name]))


def loss(model: GPT, docs: Documents, device: Device, batch: int) -> float:
    """The mean of -log p(next token), nats, over every prediction of the documents."""
    inputs, targets = dataset.chunks(docs, model.network.context)
    total = torch.zeros((), dtype=torch.float64, device=device.name)
    model.eval()
    with torch.inference_mode(), autocast(device):
        for k in range(0, len(inputs), batch):
            x = torch.from_numpy(inputs[k : k + batch]).to(device.name).long()
            y = torch.from_numpy(targets[k : k + batch]).to(device.name)
            total += cross_entropy_sum(model(x), y).double()
    return float(total) / int((targets != MISSING).sum())


def learning_rate(training: Training, step: int, steps: int) -> float:
    """The rate of a step, counted from 0: a linear rise, then a cosine to the final rate."""
    top, last = training.learning_rate, training.final_learning_rate
    if step < training.warmup:
        return top * (step + 1) / (training.warmup + 1)
    if training.decay == "constant":
        return top
    share = (step - training.warmup) / max(1, steps - training.warmup)
    return last + 0.5 * (1 + math.cos(math.pi * share)) * (top - last)


class Trainer:
    """A network in training, changed in place.

    step        steps done, of `steps`
    eval_steps  (E,) numbers of steps after which the losses are evaluated
    val, train  validation loss, and mean training loss since the last evaluation;
                one entry for each evaluation done
    seconds     time of `timed` steps: without the first of a process, which may
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
        team: DataParallelGroup | None = None,
    ) -> None:
        """Raises ValueError if the corpus has no window to train on.

        team: the processes that share the work; None: only this one.
        """
        self.model, self.training, self.device = model.to(device.name), training, device
        self._validation, self._team = validation, team
        self.steps = training.length(len(corpus.tokens), model.network.context)
        steps = np.unique(np.linspace(0, self.steps, training.evaluations + 1).round())
        self.eval_steps = steps[steps > 0]
        self.step = 0
        self.val: list[float] = []
        self.train: list[float] = []
        self.seconds = 0.0
        self.timed = 0
        self._mark: tuple[float, int] | None = None
        self._sum = torch.zeros((), device=device.name)
        task = GradientTask(
            network=model.network, s=model.s, training=training,
            corpus=corpus, aligned=aligned, seed=seed,
        )  # fmt: skip
        self._gradient = GradientComputer(self.model, task, device)
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
        """Train one step, and evaluate the losses after one of `eval_steps`."""
        model, training = self.model, self.training
        for group in self._optimizer.param_groups:
            group["lr"] = learning_rate(training, self.step, self.steps)
        step_loss = self._backward()
        if training.clip > 0:
            torch.nn.utils.clip_grad_norm_(model.parameters(), training.clip)
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)
        self._sum += step_loss
        self.step += 1
        if self.step == self.eval_steps[len(self.val)]:
            since = self.step - (int(self.eval_steps[len(self.val) - 1]) if self.val else 0)
            self.train.append(float(self._sum) / since)
            self._time()
            self._mark = None
            self.val.append(loss(model, self._validation, self.device, 4 * training.batch))
            self._sum.zero_()
        if self._mark is None:
            float(self._sum)  # waits for a GPU
            self._mark = time.perf_counter(), self.step

    def _backward(self) -> Tensor:
        """Set the network's gradient to that of this step; returns its loss."""
        gradient = self._gradient
        if gradient.shards == 1:
            return gradient.whole(self.step)
        if self._team is None:
            return gradient.accumulate(gradient.shard_gradients(self.step, range(gradient.shards)))
        return gradient.accumulate(self._team.shard_gradients(gradient, self.step))

    def _time(self) -> None:
        """Add the time since the mark, after the GPU has finished."""
        if self._mark is not None:
            float(self._sum)
            now, (then, step) = time.perf_counter(), self._mark
            self.seconds, self.timed = self.seconds + now - then, self.timed + self.step - step
            self._mark = now, self.step

    @property
    def speed(self) -> float:
        """Tokens per second; NaN if no step was timed."""
        tokens = self.timed * self.training.batch * self.model.network.context
        return tokens / self.seconds if self.seconds > 0 else math.nan

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """A copy of all that `load_state_dict` needs, on the CPU."""
        self._time()
        state: dict[str, NDArray[Any]] = {
            "step": np.array(self.step),
            "val": np.array(self.val),
            "train": np.array(self.train),
            "seconds": np.array(self.seconds),
            "timed": np.array(self.timed),
            "sum": self._sum.cpu().numpy().copy(),
        }
        for name, parameter in self.model.named_parameters():
            state[f"weight/{name}"] = parameter.detach().cpu().numpy().copy()
            for key, value in self._optimizer.state[parameter].items():
                state[f"{key}/{name}"] = value.cpu().numpy().copy()
        return state

    def load_state_dict(self, arrays: Arrays) -> None:
        """Resume from a `state_dict`.

        Raises KeyError or RuntimeError if it is of another training.
        """
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
