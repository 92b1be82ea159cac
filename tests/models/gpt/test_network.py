"""The network, its training and its samplers, each against something written otherwise."""

import math
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch

from sweep.kinds.gpt.cost import network_size
from sweep.models import corpus
from sweep.models.gpt import dataloader, dataset, evaluate, generate, trainer
from sweep.models.gpt.config import Sampling
from sweep.models.gpt.dataset import MISSING, Documents
from sweep.models.gpt.device import Device, choose, deterministic, generator
from sweep.models.gpt.model import GPT
from sweep.models.gpt.trainer import Trainer
from sweep.models.seeding import derive
from tests.helpers.bounds import bernstein
from tests.helpers.networks import PAPER, SAMPLING, SMALL, TRAINING, S, network, texts
from tests.reference import gpt

CPU = Device(name="cpu", bfloat16=False, compiled=False)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("tied", [True, False])
def test_the_network_is_what_the_written_out_one_is(bias: bool, tied: bool) -> None:
    model = network(replace(SMALL, bias=bias, tied=tied))
    tokens = [3, 1, 4, 1, 5, 2]
    slow = gpt.logits(trainer.weights(model), tokens, SMALL.heads)
    with torch.inference_mode():
        fast = model(torch.tensor([tokens]))[0].numpy()
    assert np.abs(slow).max() > 1
    # 32-bit sums of a few hundred terms: relative errors of 1e-5 at the most.
    np.testing.assert_allclose(fast, slow, rtol=1e-4, atol=1e-4 * np.abs(slow).max())


def test_the_network_of_the_paper_has_its_size() -> None:
    assert GPT(PAPER, 65).size() == 6_345_216
    for bias in (True, False):
        for tied in (True, False):
            shape = replace(PAPER, bias=bias, tied=tied)
            assert network_size(shape, 65) == GPT(shape, 65).size()


def test_the_network_of_the_paper_trains_on_a_cpu() -> None:
    """A few steps of its network, of small batches."""
    text = corpus.embedded()
    tokens = corpus.encode(text, corpus.alphabet(text))
    data = Documents(tokens=tokens, lengths=np.array([len(tokens)]), real=np.ones(1, bool))
    held_out = Documents(tokens=tokens[:258], lengths=np.array([258]), real=np.ones(1, bool))
    recipe = replace(
        TRAINING, steps=3, batch=8, learning_rate=1e-4, decay="constant", warmup=0, evaluations=3
    )
    with deterministic(CPU):
        model = GPT(PAPER, 37, generator(0))
        fit = Trainer(model, recipe, data, held_out, aligned=False, seed=1, device=CPU)
        before = trainer.loss(model, held_out, CPU, 8)
        while fit.step < fit.steps:
            fit.advance()
    assert before == pytest.approx(math.log(37), abs=0.2)  # new weights know nothing
    assert fit.val[2] < fit.val[0] < before
    assert fit.val[2] < before - 0.3


def test_the_cache_changes_nothing() -> None:
    model = network()
    tokens = torch.randint(S, (3, 6), generator=generator(1))
    with torch.inference_mode():
        whole = model(tokens)
        cache = model.cache(3)
        parts = [model(tokens[:, :2], cache)] + [
            model(tokens[:, i : i + 1], cache) for i in range(2, 6)
        ]
    for i, part in enumerate(parts, start=1):
        torch.testing.assert_close(part[:, 0], whole[:, i], rtol=1e-4, atol=1e-4)


def written(model: GPT, settings: Sampling, lengths: list[int], **more: Any) -> list[int]:
    start = np.full(S, 1 / S)
    with deterministic(CPU):
        blocks = list(
            generate.generate(model, settings, np.array(lengths), start, seed=5, device=CPU, **more)
        )
    return [int(t) for block in blocks for t in block]


def test_samplers_agree_where_no_window_is_full() -> None:
    """Documents of context + 1 tokens: the exact sampler, which keeps no cache, is the oracle."""
    model, lengths = network(), [7, 7, 3, 7, 7, 5]
    exact = written(model, replace(SAMPLING, sampler="sliding"), lengths)
    assert len(exact) == sum(lengths)
    for sampler in ("hop", "restart"):
        assert written(model, replace(SAMPLING, sampler=sampler), lengths) == exact


def test_hop_reads_the_last_half_anew() -> None:
    """Each token is the one that its definition gives, of the tokens that it may see."""
    model, L = network(), 20
    found = written(model, replace(SAMPLING, streams=1), [L])
    u = np.random.Generator(np.random.Philox(key=derive(5, "block", 0))).random((1, L))[0]
    window: list[int] = [found[0]]
    for i in range(1, L):
        with torch.inference_mode():
            law = model(torch.tensor([window]))[0, -1].softmax(0).double().cumsum(0)
        # The same choice, unless u is within rounding of a border between two tokens.
        border = float((law / law[-1] - u[i]).abs().min())
        assert found[i] == int((law <= u[i] * law[-1]).sum()) or border < 1e-4
        window.append(found[i])
        if len(window) > SMALL.context:
            window = window[-(SMALL.context // 2) :]


def test_text_goes_on_from_any_block_and_depends_on_no_other() -> None:
    model, lengths = network(), [9] * 10
    whole = written(model, SAMPLING, lengths)
    assert written(model, SAMPLING, lengths, first=1) == whole[36:]
    assert written(model, SAMPLING, lengths[:4]) == whole[:36]


def test_temperature_and_top_k() -> None:
    logits = torch.tensor([[0.0, 1.0, 2.0, 3.0, -1.0]])
    law = generate._distribution(logits, replace(SAMPLING, temperature=0.5, top_k=2))
    expected = np.exp(np.array([2.0, 3.0]) / 0.5)
    np.testing.assert_allclose(law[0, 2:4], expected / expected.sum(), rtol=1e-6)
    assert law[0, [0, 1, 4]].sum() == 0
    u = torch.linspace(0, 1 - 2**-53, 10_001, dtype=torch.float64)
    drawn = generate._invert(law.repeat(len(u), 1), u)
    assert set(drawn.tolist()) == {2, 3}
    share = float((drawn == 2).double().mean())  # u is a lattice: exact up to one step of it
    assert share == pytest.approx(float(law[0, 2]), abs=2e-4)


def test_the_first_tokens_of_documents_follow_their_law() -> None:
    """20,000 documents, seven shares; odds of a false failure 1e-6 in all."""
    start = np.array([0.6, 0.0, 0.3, 0.1, 0.0, 0.0, 0.0])
    settings = replace(SAMPLING, streams=20_000)
    (tokens,) = generate.generate(
        network(), settings, np.ones(20_000, np.int64), start, seed=8, device=CPU
    )
    share = np.bincount(tokens, minlength=S) / len(tokens)
    tolerance = bernstein(start, low=0.0, replicates=len(tokens), comparisons=S, odds=1e-6)
    assert (np.abs(share - start) <= tolerance).all()
    assert not share[start == 0].any()


@pytest.mark.parametrize("aligned", [True, False])
def test_batches_are_windows_of_documents(aligned: bool) -> None:
    """Every window of the corpus, and no other, is a batch's; short ones are masked."""
    data = texts([7, 7, 4] if aligned else [9, 8, 7], real=1)
    batches = dataloader.Batches(data, 6, TRAINING, aligned=aligned, device=CPU)
    allowed = set()
    for a, k in zip(data.starts, data.lengths, strict=True):
        for first in [a] if aligned else range(a, a + k - 6):
            window = [int(t) for t in data.tokens[first : min(first + 7, a + k)]]
            allowed.add(tuple(window + [MISSING] * (7 - len(window))))
    seen = set()
    for seed in range(200):
        x, y = batches.take(seed)
        for inputs, targets in zip(x.tolist(), y.tolist(), strict=True):
            kept = [t for t in targets if t != MISSING]
            assert inputs[1 : 1 + len(kept)][: len(kept)] == kept[: len(inputs) - 1]
            seen.add((inputs[0], *targets))
    assert seen == allowed


def test_the_share_of_real_windows_can_be_set() -> None:
    """The share of 10,000 windows, four times; odds of a false failure 1e-6 in all."""
    data = texts([100, 900], real=1)
    for share, expected in ((None, 94 / (94 + 894)), (0.5, 0.5), (0.0, 0.0), (1.0, 1.0)):
        recipe = replace(TRAINING, real_share=share, batch=10_000)
        batches = dataloader.Batches(data, 6, recipe, aligned=False, device=CPU)
        padded = Documents(
            tokens=np.repeat(np.array([0, 1], np.uint8), [100, 900]),
            lengths=data.lengths, real=data.real,
        )  # fmt: skip
        batches._tokens = torch.from_numpy(np.append(padded.tokens, np.zeros(7, np.uint8)))
        x, _ = batches.take(1)
        real = float((x[:, 0] == 0).double().mean())
        tolerance = bernstein(
            np.array(expected), low=0.0, replicates=10_000, comparisons=4, odds=1e-6
        )
        assert abs(real - expected) <= tolerance


def test_chunks_hold_every_prediction_once() -> None:
    data = texts([1, 5, 7, 8, 14])
    inputs, targets = dataset.chunks(data, 6)
    pairs = [
        (int(x[i]), int(y[i]))
        for x, y in zip(inputs, targets, strict=True)
        for i in range(6)
        if y[i] != MISSING
    ]
    expected = [
        (int(data.tokens[j]), int(data.tokens[j + 1]))
        for a, k in zip(data.starts, data.lengths, strict=True)
        for j in range(a, a + k - 1)
    ]
    assert pairs == expected


def test_the_loss_is_the_mean_over_predictions() -> None:
    model, data = network(), texts([7, 4, 13])
    inputs, targets = dataset.chunks(data, 6)
    total, count = 0.0, 0
    for x, y in zip(inputs, targets, strict=True):
        rows = gpt.logits(trainer.weights(model), [int(t) for t in x], SMALL.heads)
        for row, target in zip(rows, y, strict=True):
            if target != MISSING:
                total -= row[target] - row.max() - math.log(np.exp(row - row.max()).sum())
                count += 1
    assert trainer.loss(model, data, CPU, 2) == pytest.approx(total / count, rel=1e-4)


def test_the_learning_rate_rises_and_falls() -> None:
    rates = [trainer.learning_rate(TRAINING, i, 12) for i in range(13)]
    assert rates[:3] == [1e-2 * k / 4 for k in (1, 2, 3)]
    assert rates[3] == pytest.approx(1e-2)
    assert rates[12] == pytest.approx(1e-3)
    assert all(a > b for a, b in pairwise(rates[3:]))
    flat = replace(TRAINING, decay="constant")
    assert trainer.learning_rate(flat, 12, 12) == 1e-2


def fit(steps: int = 12, dropout: float = 0.3, **changes: Any) -> Trainer:
    model = GPT(replace(SMALL, dropout=dropout), S, generator(1))
    recipe = replace(TRAINING, steps=steps, **changes)
    return Trainer(
        model, recipe, texts([30, 40], real=1), texts([20], 1), aligned=False, seed=7, device=CPU
    )


def test_a_training_goes_on_to_the_same_bits() -> None:
    with deterministic(CPU):
        whole = fit()
        for _ in range(12):
            whole.advance()
        for cut in (1, 6, 11):
            first = fit()
            for _ in range(cut):
                first.advance()
            torch.rand(5)  # what else draws from the global generator changes nothing
            second = fit()
            second.load_state_dict(first.state_dict())
            while second.step < second.steps:
                second.advance()
            assert second.val == whole.val
            assert second.train == whole.train
            for name, value in trainer.weights(whole.model).items():
                assert np.array_equal(value, trainer.weights(second.model)[name]), name


def test_a_step_is_that_of_plain_pytorch() -> None:
    """Clipping, weight decay and AdamW against a loop that uses none of our code for them."""
    ours = fit(steps=4, dropout=0.0, warmup=0, decay="constant", clip=0.1, evaluations=1)
    model = GPT(SMALL, S, generator(1))
    matrices = [p for p in model.parameters() if p.dim() > 1]
    rest = [p for p in model.parameters() if p.dim() <= 1]
    plain = torch.optim.AdamW(
        [{"params": matrices, "weight_decay": 0.1}, {"params": rest, "weight_decay": 0.0}],
        lr=1e-2, betas=(0.9, 0.99),
    )  # fmt: skip
    with deterministic(CPU):
        for i in range(4):
            x, y = ours._gradient._batches.take(derive(7, "batch", i))
            loss = torch.nn.functional.cross_entropy(model(x).flatten(0, 1), y.flatten())
            plain.zero_grad()
            torch.autograd.backward([loss])
            slopes = [p.grad for p in model.parameters() if p.grad is not None]
            norm = float(torch.cat([slope.flatten() for slope in slopes]).norm())
            assert norm > 0.1
            for slope in slopes:
                slope *= 0.1 / norm
            plain.step()
            ours.advance()
    for name, parameter in model.named_parameters():
        other = dict(ours.model.named_parameters())[name]
        torch.testing.assert_close(other, parameter, rtol=1e-4, atol=1e-6)


def test_laws_and_what_is_said_of_them() -> None:
    model = network()
    contexts = np.random.default_rng(0).integers(S, size=(9, 6)).astype(np.uint8)
    p = evaluate.next_token_probs(model, contexts, CPU)
    for row, context in zip(p, contexts, strict=True):
        slow = gpt.logits(trainer.weights(model), [int(t) for t in context], 2)[-1]
        expected = np.exp(slow - slow.max())
        np.testing.assert_allclose(row, expected / expected.sum(), rtol=1e-3, atol=1e-6)
    first, truth = np.full_like(p, 1 / S), np.zeros_like(p)
    truth[:, 0] = 1
    found = evaluate.compare(p, first, truth)
    assert found["sigma"] == pytest.approx(np.mean([sum(v * v for v in row) for row in p]))
    assert found["deviation"] == pytest.approx(np.mean([sum(abs(row - 1 / S)) for row in p]))
    assert found["deviation_p0"] == pytest.approx(np.mean(2 * (1 - p[:, 0])))
    assert found["tail"] == pytest.approx(np.mean(1 - p[:, 0]))
    same = evaluate.compare(truth, truth, truth)
    assert same["entropy"] == same["js_p0"] == same["deviation"] == 0
    assert evaluate.compare(truth, truth, truth[:, ::-1])["js_p0"] == pytest.approx(math.log(2))


def test_text_statistics() -> None:
    data = Documents(
        tokens=np.array([0, 1, 0, 1, 2, 2], np.uint8),
        lengths=np.array([4, 2]), real=np.zeros(2, bool),
    )  # fmt: skip
    found = evaluate.text(data)
    assert found["support"] == 3
    assert found["distinct_n/1"] == 3 / 6
    assert found["distinct_n/2"] == 3 / 4  # 01 10 01, 22: none crosses a border
    assert found["distinct_n/3"] == 2 / 2
    assert "distinct_n/8" not in found


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_gpu_and_cpu_agree_on_the_loss() -> None:
    model, data = network(), texts([7, 4, 13])
    on_cpu = trainer.loss(model, data, CPU, 2)
    gpu = replace(choose("float32", "cuda"), compiled=False)
    assert trainer.loss(model.to("cuda"), data, gpu, 2) == pytest.approx(on_cpu, rel=1e-3)
