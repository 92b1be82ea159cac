"""GPT training and sampling against nanoGPT's recipe, in one run; on a GPU also the paper's preset.

Runs without Ray, on a machine that has torch and numpy alone.
"""

import multiprocessing
import os
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import torch

from sweep.models import corpus
from sweep.models.gpt import generate, trainer
from sweep.models.gpt.config import Network, Sampling, Training
from sweep.models.gpt.data_parallel import DataParallelGroup
from sweep.models.gpt.dataset import Documents
from sweep.models.gpt.device import Device, choose, deterministic, generator
from sweep.models.gpt.model import GPT
from sweep.models.gpt.trainer import Trainer
from tests.benchmarks import Table, fastest
from tests.benchmarks.nanogpt import Peer, get_batch

SMALL = Network(context=32, embedding=64, layers=2, heads=2, dropout=0.0, bias=False, tied=True)
PAPER = Network(context=128, embedding=256, layers=8, heads=4, dropout=0.2, bias=False, tied=True)
RECIPE = Training(
    steps=10**6, epochs=None, batch=32, learning_rate=1e-3, final_learning_rate=1e-4,
    decay="cosine", warmup=100, weight_decay=0.1, beta1=0.9, beta2=0.99, clip=1.0, start="scratch",
    real_share=None, precision="auto", evaluations=1,
)  # fmt: skip
TEXT = corpus.embedded()
LETTERS = corpus.alphabet(TEXT)
TOKENS = corpus.encode(TEXT, LETTERS)
S = len(LETTERS)
DATA = Documents(tokens=TOKENS, lengths=np.array([len(TOKENS)]), real=np.ones(1, bool))
CPU = Device(name="cpu", bfloat16=False, compiled=False)


def main() -> list[Table]:
    tables = [_small()]
    if (os.cpu_count() or 1) > 1:
        tables.append(
            _together(
                CPU,
                {
                    "width 64, batch 32": (SMALL, 32),
                    "width 256, batch 32": (
                        replace(SMALL, layers=4, embedding=256, context=64, heads=4),
                        32,
                    ),
                },
                "two cores",
            )
        )
    if torch.cuda.is_available():
        if torch.cuda.device_count() > 1:
            tables.append(
                _together(choose("auto", "cuda"), {"the paper's": (PAPER, 256)}, "two GPUs")
            )
        return [*tables, *_gpu()]
    note = (
        "No GPU here: the paper's preset was not measured. On a machine with one, "
        "python -m tests.benchmarks gpt adds that table (torch and numpy suffice)."
    )
    return [*tables[:-1], replace(tables[-1], note=f"{tables[-1].note} {note}".strip())]


def _small() -> Table:
    """The small network on one CPU thread; both sides by turns, the best of each."""
    steps, per_step, rows = 20, 32 * SMALL.context, []
    with deterministic(CPU):
        ours, peer = _steps(SMALL, CPU, RECIPE), _peer_steps(SMALL, "cpu", 32)
        seconds = fastest(lambda: ours(steps), lambda: peer(steps), rounds=8)
        rows.append(["training, batch 32", *_row([steps * per_step / t for t in seconds])])
        tokens, slow = 200, _peer_sampling(SMALL, "cpu", 200)
        for sampler, length in (("restart", 33), ("hop", 257)):
            for streams in (128, 256):
                fast = _sampling(SMALL, CPU, sampler, streams, length)
                seconds = fastest(fast, slow, rounds=8)
                speeds = [streams * length / seconds[0], tokens / seconds[1]]
                rows.append([f"sampling, {streams} streams, {sampler}", *_row(speeds)])
    return Table(
        title="GPT, 2 layers of width 64, context 32: tokens a second, one CPU thread",
        header=["", "ours", "nanoGPT's recipe", "ratio"],
        rows=rows,
        note="The peer samples as nanoGPT does: batch 1, without a cache.",
    )


def _together(device: Device, networks: dict[str, tuple[Network, int]], places: str) -> Table:
    """One network trained by two processes, against one process; by turns."""
    rows = []
    for name, (network, batch) in networks.items():
        recipe, per_step = replace(RECIPE, batch=batch), batch * network.context
        halves, steps = replace(recipe, shards=2), max(1, 2**21 // GPT(network, S).size())
        with deterministic(device), DataParallelGroup(2, device) as team:
            whole, cut, shared = (
                _done(partial(_steps(network, device, *given), steps), device)
                for given in ((recipe,), (halves,), (halves, team))
            )
            seconds = fastest(whole, cut, shared, rounds=4)
        speeds = [steps * per_step / t for t in seconds]
        rows.append([name, *(f"{speed:,.0f}" for speed in speeds), f"x{speeds[2] / speeds[0]:.3g}"])
    return Table(
        title=f"GPT, one network on {places}: tokens a second",
        header=["", "one process", "in two shards", "two processes", "two to one"],
        rows=rows,
    )


def _gpu() -> list[Table]:
    """Table 1 of the paper on one GPU."""
    gpu = choose("auto", "cuda")
    recipe = replace(RECIPE, batch=256)
    steps, per_step = 100, 256 * PAPER.context
    size = GPT(PAPER, S).size()
    # Six operations a parameter and token, and those of attention (Chowdhery et al. 2022).
    operations = 6 * size + 12 * PAPER.layers * PAPER.embedding * PAPER.context
    with deterministic(gpu):
        ours, peer = _steps(PAPER, gpu, recipe), _peer_steps(PAPER, "cuda", 256)
        seconds = fastest(_done(lambda: ours(steps)), _done(lambda: peer(steps)), rounds=3)
        speeds = [steps * per_step / t for t in seconds]
        rows = [["training, batch 256", *_row(speeds)]]
        streams, length, tokens = 512, 1024, 400
        fast = _sampling(PAPER, gpu, "hop", streams, length)
        seconds = fastest(_done(fast), _done(_peer_sampling(PAPER, "cuda", tokens)), rounds=3)
        written = [streams * length / seconds[0], tokens / seconds[1]]
        rows.append([f"sampling, {streams} streams, hop", *_row(written)])
        model = GPT(PAPER, S, generator(0))
        held_out = Documents(tokens=TOKENS[:1290], lengths=np.full(10, 129), real=np.ones(10, bool))
        on_cpu = trainer.loss(model, held_out, CPU, 64)
        on_gpu = trainer.loss(model.to("cuda"), held_out, replace(gpu, bfloat16=False), 64)
    a = torch.randn(8192, 8192, device="cuda", dtype=torch.bfloat16)
    peak = 2 * 8192**3 / fastest(_done(lambda: a @ a), rounds=5)[0]
    facts = [
        ["seconds for a generation of 2000 steps", f"{2000 * per_step / speeds[0]:.1f}"],
        ["seconds to write 1.1 M characters", f"{1.1e6 / written[0]:.2f}"],
        ["matmul rate, bfloat16, TFLOP/s", f"{peak / 1e12:.0f}"],
        ["utilisation of that rate in training", f"{operations * speeds[0] / peak:.0%}"],
        ["two processes on this GPU, all tokens against one", f"{_two() / _alone():.2f}"],
        ["loss on GPU less loss on CPU, float32", f"{on_gpu - on_cpu:.1e}"],
    ]
    title = f"GPT of the paper on {torch.cuda.get_device_name()}: tokens a second"
    header = ["", "ours", "nanoGPT's recipe", "ratio"]
    return [
        Table(title=title, header=header, rows=rows, note="Ours compiled, both in bfloat16."),
        Table(title="The same, in other units", header=["", ""], rows=facts),
    ]


def _train_for(seconds: float) -> float:
    """Tokens a second of the paper's preset on a GPU, in a process of its own."""
    gpu, per_step = choose("auto", "cuda"), 256 * PAPER.context
    with deterministic(gpu):
        run = _steps(PAPER, gpu, replace(RECIPE, batch=256))
        run(50)
        torch.cuda.synchronize()
        started, steps = time.perf_counter(), 0
        while time.perf_counter() - started < seconds:
            run(20)
            torch.cuda.synchronize()
            steps += 20
        return steps * per_step / (time.perf_counter() - started)


def _alone() -> float:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_train_for, (10.0,))


def _two() -> float:
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        return sum(pool.map(_train_for, [20.0, 20.0], chunksize=1))


def _done(work: Callable[[], object], device: Device | None = None) -> Callable[[], object]:
    """The same work, waited for."""

    def run() -> None:
        work()
        if device is None or device.name == "cuda":
            torch.cuda.synchronize()

    return run


def _steps(
    network: Network, device: Device, recipe: Training, team: DataParallelGroup | None = None
) -> Callable[[int], object]:
    """A function that does so many training steps."""
    model = GPT(network, S, generator(0))
    fit = Trainer(model, recipe, DATA, DATA, aligned=False, seed=1, device=device, team=team)

    def run(steps: int) -> None:
        for _ in range(steps):
            fit.advance()

    return run


def _peer_steps(network: Network, device: str, batch: int) -> Callable[[int], object]:
    torch.manual_seed(0)
    model = Peer(network, S).to(device)
    optimizer = model.optimizer(device)

    def run(steps: int) -> None:
        for _ in range(steps):
            x, y = get_batch(TOKENS, batch, network.context, device)
            with torch.autocast(device, torch.bfloat16, enabled=device == "cuda"):
                _, loss = model(x, y)
            torch.autograd.backward([loss])
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)

    return run


def _sampling(
    network: Network, device: Device, sampler: str, streams: int, length: int
) -> Callable[[], object]:
    """A function that writes one block of documents."""
    model = GPT(network, S, generator(0)).to(device.name)
    settings = Sampling(
        sampler=sampler, temperature=1.0, top_k=None, document=length, streams=streams
    )
    start, lengths = np.full(S, 1 / S), np.full(streams, length)
    return lambda: list(generate.generate(model, settings, lengths, start, seed=0, device=device))


def _peer_sampling(network: Network, device: str, tokens: int) -> Callable[[], object]:
    model = Peer(network, S).to(device).eval()
    start = torch.zeros(1, 1, dtype=torch.long, device=device)
    return lambda: model.generate(start, tokens)


def _row(speeds: list[float]) -> list[str]:
    return [f"{speeds[0]:,.0f}", f"{speeds[1]:,.0f}", f"x{speeds[0] / speeds[1]:.3g}"]
