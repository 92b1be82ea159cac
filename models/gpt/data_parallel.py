"""Several processes on one machine that share the gradients of one network.

    W    processes: this one, and W - 1 workers that it starts
    S    shards of a batch, a multiple of W; P parameters

Before a step this process sends the weights; then each process computes S / W
shards, and this one gathers them, adds them in their order and updates the
weights. Workers hold only their task, so a training resumes from one checkpoint,
and to the same bits with any W.

A worker ends when this process does, however that ends: it listens on a socket
that only this process holds. gloo joins CPUs, NCCL GPUs, over the loopback.

Not covered: several machines; two groups in one process at a time.
"""

import contextlib
import multiprocessing
import os
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, distributed

from .device import Device, deterministic, gpus
from .gradients import GradientComputer, GradientTask
from .model import GPT

SILENT_SECONDS = 600.0
"""Longest wait of one process for another within a step; the first step may compile."""
START_SECONDS = 120.0
"""Longest start of a worker, which imports torch."""
END_SECONDS = 2.0
"""Longest wait for workers to end, or to report why they failed."""
UP = "up"
"""The message of a worker that has started; any other message is why it failed."""
WORKER = f"import sys; from {__name__} import work; work(int(sys.argv[1]))"


class LostWorkerError(Exception):
    """Raised if a worker ended or does not answer; the message states which, and why."""


@dataclass(frozen=True, kw_only=True)
class Rank:
    """The place of a process in its group."""

    rank: int
    """0 for the process that starts the others."""
    size: int
    """W."""
    folder: str
    """The folder of this group, where its processes meet."""
    device: Device
    silent_seconds: float

    def mine(self, shards: int) -> range:
        """The shards that this process computes."""
        each = shards // self.size
        return range(self.rank * each, (self.rank + 1) * each)


class DataParallelGroup:
    """W processes, including this one; a context that ends the others when it is left.

    Workers are started when first needed.
    """

    def __init__(
        self, size: int, device: Device, *, silent_seconds: float = SILENT_SECONDS
    ) -> None:
        """Raises ValueError if there are fewer GPUs than processes."""
        if device.name == "cuda" and size > gpus():
            raise ValueError(f"workers: got {size}; allowed: up to {gpus()}, the GPUs seen here")
        self.size = size
        self._device, self._silent = device, silent_seconds
        self._workers: list[tuple[subprocess.Popen[bytes], Connection]] = []
        self._place: Rank | None = None
        self._task: GradientTask | None = None

    def __enter__(self) -> "DataParallelGroup":
        return self

    def __exit__(self, *error: object) -> None:
        for _, line in self._workers:
            line.close()  # a worker ends when its socket closes
        for worker, _ in self._workers:
            try:
                worker.wait(END_SECONDS)
            except subprocess.TimeoutExpired:
                worker.kill()
                worker.wait()
        if self._place is not None:
            if distributed.is_initialized():
                distributed.destroy_process_group()
            shutil.rmtree(self._place.folder, ignore_errors=True)
        self._workers, self._place, self._task = [], None, None

    def shard_gradients(self, gradient: GradientComputer, step: int) -> Tensor:
        """(S, P + 1): the `shard_gradients` of all shards of a step, each from one process.

        Raises LostWorkerError.
        """
        if self.size == 1:
            return gradient.shard_gradients(step, range(gradient.shards))
        place, weights = self._place or self._start(), _weights(gradient)
        with self._reported():
            if self._task is not gradient.task:
                self._send(gradient.task)
                self._task = gradient.task
            self._send(step)
            distributed.broadcast(weights, 0)
        mine = gradient.shard_gradients(step, place.mine(gradient.shards))
        gathered = [torch.empty_like(mine) for _ in range(self.size)]
        with self._reported():
            distributed.gather(mine, gathered)
        return torch.cat(gathered)

    def _start(self) -> Rank:
        folder = tempfile.mkdtemp(prefix="team-")
        self._place = Rank(
            rank=0, size=self.size, folder=folder,
            device=self._device, silent_seconds=self._silent,
        )  # fmt: skip
        # This package before the rest of the path: the working folder may hold another.
        home = str(Path(__file__).parents[__name__.count(".")])
        path = os.pathsep.join([home, *filter(None, sys.path)])
        for _ in range(1, self.size):
            here, there = multiprocessing.Pipe()
            process = subprocess.Popen(
                [sys.executable, "-P", "-c", WORKER, str(there.fileno())],
                env=os.environ | {"PYTHONPATH": path}, pass_fds=[there.fileno()],
                stdin=subprocess.DEVNULL,
            )  # fmt: skip
            there.close()
            self._workers.append((process, here))
        with self._reported():
            for rank, (_, line) in enumerate(self._workers, start=1):
                line.send(replace(self._place, rank=rank))
            for rank, (_, line) in enumerate(self._workers, start=1):
                if not line.poll(START_SECONDS):
                    raise LostWorkerError(f"{self._name(rank)} is not up in {START_SECONDS:g} s")
                if (said := line.recv()) != UP:
                    raise LostWorkerError(f"{self._name(rank)} failed: {said}")
            _join(self._place)
        return self._place

    def _send(self, order: GradientTask | int) -> None:
        for process, line in self._workers:
            if process.poll() is not None:
                raise EOFError  # now, before a collective waits for it in vain
            line.send(order)

    @contextlib.contextmanager
    def _reported(self) -> Iterator[None]:
        """A context that turns the errors of a lost worker into one LostWorkerError."""
        try:
            yield
        except TimeoutError:
            raise  # from the caller, whose time for the whole trial is over
        except (RuntimeError, OSError, EOFError) as error:
            raise LostWorkerError(self._loss(error)) from error

    def _loss(self, error: Exception) -> str:
        """One line: the worker that is lost, and why; workers that wait for it report nothing."""
        lines = {line: rank for rank, (_, line) in enumerate(self._workers, start=1)}
        for line in wait(list(lines), END_SECONDS):
            assert isinstance(line, Connection)
            name = self._name(lines[line])
            try:
                return f"{name} failed: {line.recv()}"
            except (OSError, EOFError):
                code = self._workers[lines[line] - 1][0].wait(END_SECONDS)
                how = f"was killed by signal {-code}" if code < 0 else f"ended with status {code}"
                return f"{name} {how}; the same command goes on from the last checkpoint"
        return f"a worker of this trial does not answer: {_line(error)}"

    def _name(self, rank: int) -> str:
        process = self._workers[rank - 1][0]
        return f"worker {rank + 1} of {self.size} of this trial (process {process.pid})"


def work(file: int) -> None:
    """Run a worker until its socket is closed at the other end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that started it
    line, orders = Connection(file), queue.SimpleQueue[Any]()
    threading.Thread(target=_listen, args=(line, orders), daemon=True).start()
    try:
        _serve(line, orders)
    except Exception as error:
        with contextlib.suppress(OSError):
            line.send(f"{type(error).__name__}: {_line(error)}")
        os._exit(1)


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]


def _listen(line: Connection, orders: "queue.SimpleQueue[Any]") -> None:
    """Queue orders; end this process with its starter, even while it waits in a collective."""
    while True:
        try:
            orders.put(line.recv())
        except (OSError, EOFError):
            os._exit(0)


def _serve(line: Connection, orders: "queue.SimpleQueue[Any]") -> None:
    place: Rank = orders.get()
    if place.device.name == "cuda":
        torch.cuda.set_device(place.rank)
    line.send(UP)
    _join(place)
    gradient: GradientComputer | None = None
    with deterministic(place.device):
        while True:
            order: GradientTask | int = orders.get()
            if isinstance(order, GradientTask):
                model = GPT(order.network, order.s).to(place.device.name)
                gradient = GradientComputer(model, order, place.device)
            else:
                assert gradient is not None
                with _or_wait():
                    _receive(gradient)
                rows = gradient.shard_gradients(order, place.mine(gradient.shards))
                with _or_wait():
                    distributed.gather(rows)


@contextlib.contextmanager
def _or_wait() -> Iterator[None]:
    """A context of collectives: if another worker is lost, wait instead of reporting it."""
    try:
        yield
    except RuntimeError:
        threading.Event().wait()  # until the process that started this one ends it


def _join(place: Rank) -> None:
    """Join the process group, through a file of its folder, so two groups never meet."""
    if Path("/sys/class/net/lo").exists():
        for library in ("GLOO", "NCCL"):
            os.environ.setdefault(f"{library}_SOCKET_IFNAME", "lo")
    distributed.init_process_group(
        "nccl" if place.device.name == "cuda" else "gloo",
        init_method=f"file://{place.folder}/met",
        rank=place.rank,
        world_size=place.size,
        timeout=timedelta(seconds=place.silent_seconds),
    )


def _weights(gradient: GradientComputer) -> Tensor:
    """(P,) copy of the parameters."""
    return torch.nn.utils.parameters_to_vector(gradient.parameters).detach()


def _receive(gradient: GradientComputer) -> None:
    """Copy the weights of the first process."""
    vector = _weights(gradient)
    distributed.broadcast(vector, 0)
    parts = torch.split(vector, [p.numel() for p in gradient.parameters])
    with torch.no_grad():  # copied, not viewed: alignment can change how sums are rounded
        for parameter, part in zip(gradient.parameters, parts, strict=True):
            parameter.copy_(part.view_as(parameter))
