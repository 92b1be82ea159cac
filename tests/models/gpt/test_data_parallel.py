"""Several processes for one network: the bits of one, and none of them left behind."""

import contextlib
import os
import re
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch

from sweep.config.validate import ConfigError
from sweep.launch.nodes import Node, check_fit
from sweep.models.gpt.data_parallel import DataParallelGroup, LostWorkerError
from sweep.models.gpt.device import Device, choose, deterministic, generator
from sweep.models.gpt.gradients import GradientComputer, GradientTask
from sweep.models.gpt.model import GPT
from sweep.models.gpt.trainer import Trainer
from tests.helpers.configs import CLUSTER, settings
from tests.helpers.gpt_cells import CPU, SLOW, numbers, wait_for_piece
from tests.helpers.networks import SMALL, TRAINING, S, texts
from tests.helpers.shells import finished, start, sweep_here

SHARED = (
    *SLOW, "model.training.shards=2", "model.network.dropout=0.2", "model.training.steps=40",
    "generations=2",
)  # fmt: skip
WORKERS = "cluster.workers_per_trial=2"


def fit(shards: int, team: DataParallelGroup | None = None, device: Device = CPU) -> Trainer:
    """Eight steps, each with its losses; documents shorter than a window among them."""
    model = GPT(replace(SMALL, dropout=0.3), S, generator(1))
    recipe = replace(TRAINING, steps=8, batch=8, evaluations=8, shards=shards)
    return Trainer(
        model, recipe, texts([7, 7, 4, 7, 2], real=2), texts([20], 1),
        aligned=True, seed=7, device=device, team=team,
    )  # fmt: skip


def assert_same(one: Trainer, other: Trainer) -> None:
    """Every loss so far, every weight, and every moment."""
    a, b = one.state_dict(), other.state_dict()
    assert a.keys() == b.keys()
    for name in a.keys() - {"seconds", "timed"}:
        assert np.array_equal(a[name], b[name]), name


def test_the_number_of_processes_changes_no_bit() -> None:
    """With dropout; from the first step, and from the middle of what one process began."""
    with deterministic(CPU), DataParallelGroup(2, CPU) as team:
        for shards in (2, 4):
            assert_no_bit_changes(shards, team)


def assert_no_bit_changes(shards: int, team: DataParallelGroup) -> None:
    alone, together = fit(shards), fit(shards, team)
    late: Trainer | None = None
    while alone.step < alone.steps:
        if alone.step == 3:
            late = fit(shards, team)
            late.load_state_dict(alone.state_dict())
        for one in filter(None, (alone, together, late)):
            one.advance()
        assert_same(alone, together)
        assert late is None or late.train[-1] == alone.train[-1]
    assert late is not None
    assert_same(alone, late)
    assert len(alone.train) == 8


def task(dropout: float, shards: int | None, lengths: list[int]) -> GradientTask:
    return GradientTask(
        network=replace(SMALL, dropout=dropout), s=S, corpus=texts(lengths), aligned=True, seed=7,
        training=replace(TRAINING, batch=12, shards=shards),
    )  # fmt: skip


@pytest.mark.parametrize("shards", [2, 3, 12])
def test_a_batch_in_shards_is_the_batch_but_for_rounding(shards: int) -> None:
    """At the same weights, where windows have different numbers of predictions."""
    model = GPT(SMALL, S, generator(1))
    lengths = [7, 7, 4, 7, 2]
    whole = GradientComputer(model, task(0.0, None, lengths), CPU)
    cut = GradientComputer(model, task(0.0, shards, lengths), CPU)
    with deterministic(CPU):
        for step in range(5):
            loss = whole.whole(step)
            slopes = [p.grad.clone() for p in whole.parameters if p.grad is not None]
            model.zero_grad()
            rows = cut.shard_gradients(step, range(shards))
            # Both are 32-bit sums of the same terms, 12 x 6 predictions through sums of at most
            # 32 products in each of some 10 layers: k = 72 + 320 roundings of 2^-24 of the terms
            # at most, 2.4e-5 of the largest gradient.
            k = (12 * 6 + 10 * 32) * 2.0**-24
            torch.testing.assert_close(cut.accumulate(rows), loss, rtol=k, atol=0)
            largest = max(float(slope.abs().max()) for slope in slopes)
            for parameter, slope in zip(cut.parameters, slopes, strict=True):
                torch.testing.assert_close(parameter.grad, slope, rtol=k, atol=k * largest)
            model.zero_grad()


def test_shards_draw_dropout_of_their_own() -> None:
    """All windows are the same one, so shards differ by their dropout alone."""
    model = GPT(replace(SMALL, dropout=0.3), S, generator(1))
    plain = GPT(SMALL, S, generator(1))
    with deterministic(CPU):
        for given, dropout, same in ((model, 0.3, False), (plain, 0.0, True)):
            rows = GradientComputer(given, task(dropout, 2, [7]), CPU).shard_gradients(0, range(2))
            assert torch.equal(rows[0], rows[1]) == same


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two GPUs")
def test_two_gpus_change_no_bit() -> None:
    gpu = choose("auto", "cuda")
    with DataParallelGroup(2, gpu) as pair, deterministic(gpu):
        alone, together = fit(2, device=gpu), fit(2, pair, gpu)
        while alone.step < alone.steps:
            alone.advance()
            together.advance()
        assert_same(alone, together)


def helpers(of: int) -> list[psutil.Process]:
    """Workers of teams below a process."""
    found = []
    for process in psutil.Process(of).children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            if "models.gpt.data_parallel" in " ".join(process.cmdline()):
                found.append(process)
    return found


@pytest.mark.parametrize(
    ("number", "message"),
    [
        (
            signal.SIGKILL,
            r"worker 3 of 4 of this trial \(process \d+\) was killed by signal 9; the",
        ),
        (signal.SIGSTOP, "a worker of this trial does not answer: .*(?i:timed out)"),
    ],
)
def test_a_worker_that_is_lost_is_named(number: signal.Signals, message: str) -> None:
    with deterministic(CPU):
        size, seconds = (4, 60) if number == signal.SIGKILL else (2, 5)
        with DataParallelGroup(size, CPU, silent_seconds=seconds) as team:
            one = fit(size, team)
            one.advance()
            workers = sorted(helpers(os.getpid()), key=lambda worker: worker.create_time())
            workers[(size - 1) // 2].send_signal(number)
            with pytest.raises(LostWorkerError, match=message) as caught:
                one.advance()
            assert "\n" not in str(caught.value)
        assert not any(worker.is_running() for worker in workers)
        with DataParallelGroup(2, CPU) as team:  # the next trial of this process
            again = fit(2, team)
            again.advance()
            assert again.step == 1


def test_a_worker_that_fails_says_why() -> None:
    """Its corpus has no window; here nobody looks before."""
    with deterministic(CPU), DataParallelGroup(2, CPU) as team:
        gradient = GradientComputer(GPT(SMALL, S, generator(1)), task(0.0, 2, [7]), CPU)
        gradient.task = task(0.0, 2, [1])
        with pytest.raises(LostWorkerError, match=r"failed: ValueError: corpus: no document is lo"):
            team.shard_gradients(gradient, 0)


@pytest.fixture(scope="module")
def alone(make_store_folder: Callable[[str], Path]) -> Path:
    """A cell in one process, undisturbed."""
    folder = make_store_folder("alone")
    done = sweep_here(folder, *SHARED)
    assert done.returncode == 0, done.stderr
    return folder


def test_a_worker_killed_in_training_fails_the_cell_and_costs_no_bit(
    store_folder: Path, alone: Path
) -> None:
    process = start(store_folder, *SHARED, WORKERS)
    wait_for_piece(store_folder, "model-0-2-training")
    (worker,) = helpers(process.pid)
    worker.kill()
    out, err = process.communicate(timeout=60)
    assert process.returncode == 1
    line = f"worker 2 of 2 of this trial (process {worker.pid}) was killed by signal 9"
    assert re.sub(r"\s+", " ", err).count(line) == 1  # wrapped at 80 columns
    assert "Traceback" not in out + err
    assert finished(store_folder) == 0
    again = sweep_here(store_folder, *SHARED, WORKERS)
    assert again.returncode == 0, again.stderr
    assert numbers(store_folder) == numbers(alone)


@pytest.mark.slow
def test_a_trial_killed_on_ray_leaves_no_worker_and_costs_no_bit(
    store_folder: Path, alone: Path
) -> None:
    """Two CPUs are one trial; Ray starts it again, and it goes on from its last checkpoint."""
    options = [a for a in SHARED if not a.startswith("cluster=")]
    process = start(store_folder, *options, WORKERS, "cluster.num_cpus=2")
    wait_for_piece(store_folder, "model-0-2-training")
    (worker,) = helpers(process.pid)
    trial = worker.parent()
    assert trial is not None
    assert "Trainable" in " ".join(trial.cmdline())
    trial.kill()
    worker.wait(timeout=10)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert "1 of 1 cells finished" in out
    assert numbers(store_folder) == numbers(alone)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["model.training.shards=3"], "model.training.shards: got 3 with batch=32; allowed: a div"),
        (["model.training.shards=0"], "model.training.shards: got 0; allowed: whole numbers from"),
        (
            [WORKERS],
            "cluster.workers_per_trial: got 2 with model.training.shards=1; allowed: a divisor of "
            "it, such as model.training.shards=2, which cuts each batch into as many parts",
        ),
        (
            ["cluster.gpus_per_trial=2"],
            "cluster.gpus_per_trial: got 2, so 2 workers, with model.tr",
        ),
        (
            [WORKERS, "cluster.gpus_per_trial=0.5", "model.training.shards=2"],
            "cluster.workers_per_trial: got 2 with gpus_per_trial=0.5; allowed: 1, one for each G",
        ),
        ([WORKERS, "model=statistical"], "got 2 with model=statistical; allowed: 1 or null"),
        (["cluster.workers_per_trial=0.5"], "cluster.workers_per_trial: got 0.5; allowed: whole n"),
    ],
)
def test_refused(changes: list[str], message: str) -> None:
    with pytest.raises(ConfigError) as error:
        settings("+experiment=gpt_demo", *changes)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_workers_are_as_many_as_gpus_and_have_a_cpu_each() -> None:
    def cluster(*changes: str) -> tuple[int, int]:
        given = settings("+experiment=gpt_demo", "model.training.shards=4", *CLUSTER, *changes)
        return given.cluster.workers_per_trial, given.cluster.cpus

    assert cluster() == (1, 1)
    assert cluster("cluster.gpus_per_trial=0.5") == (1, 1)
    assert cluster("cluster.gpus_per_trial=4") == (4, 4)
    assert cluster("cluster.gpus_per_trial=2", "cluster.cpus_per_trial=6") == (2, 6)
    assert cluster("cluster.gpus_per_trial=0", "cluster.workers_per_trial=4") == (4, 4)
    wanted = settings(
        "+experiment=gpt_demo", "model.training.shards=4", "cluster.workers_per_trial=4"
    ).cluster
    check_fit([Node(id="a", host="h", cpus=4, gpus=0)], wanted)
    with pytest.raises(ConfigError, match="workers_per_trial: got 4, a CPU each; allowed: up to 3"):
        check_fit([Node(id="a", host="h", cpus=3, gpus=0)], wanted)


def test_one_shard_is_no_other_cell() -> None:
    """What was computed before there were shards is found again."""
    (a, b) = (
        settings("+experiment=gpt_demo", f"model.training.shards={k}").model_section
        for k in ("1", "null")
    )
    assert a == b
