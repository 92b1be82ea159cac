"""The statistical language model of one context, trained recursively.

    R     replicates, advanced together
    A     tokens of the support of p(0)
    G     generations of one step
    T     first generation at which p(m) is a Dirac mass (the paper's T)

Model m is the empirical distribution of its n^(m) training samples (eq. 2 and 5
of Seddik et al. 2024 for a fixed context). Randomness is a pure function of
(seed, source, replicate, generation, draw): extending, cutting, resuming or
packing runs changes no bit, and cells with the same p(0) share their real
samples and their random numbers.

Not covered: several contexts at once (`models.statistical.contexts`).
"""

from dataclasses import dataclass, replace
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from ..schedules import Schedule
from ..seeding import stream_key
from ..source import Source
from . import kernel, structs

CURVES = (
    "sigma", "p_max", "deviation", "deviation_p0", "support", "entropy", "js_p0", "tail",
)  # fmt: skip
"""Curves recorded for every model, in the order of the rows of `structs.Results.curves`:

sigma         sum_i p_i(m)^2
p_max         max_i p_i(m)
deviation     ||p(m) - p(1)||_1, in [0, 2]
deviation_p0  ||p(m) - p(0)||_1, in [0, 2]
support       number of tokens with positive probability
entropy       -sum_i p_i(m) log p_i(m), nats
js_p0         Jensen-Shannon divergence between p(m) and p(0), nats, in [0, log 2]
tail          mass that p(m) gives to the tokens with p_i(0) < 1/s~, rarer than average
"""

KEEPS = {
    "nothing": structs.KEEP_NOTHING,
    "real": structs.KEEP_REAL,
    "all": structs.KEEP_ALL,
    "window": structs.KEEP_WINDOW,
}

Record = dict[str, NDArray[np.float64]]
"""One array of shape (R, G) for each name in `CURVES`."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """The schedule, source and runs to simulate."""

    schedule: Schedule
    source: Source
    replicates: int
    """Independent runs R."""
    first_replicate: int = 0
    """Number of the first run: replicates 0..9 may be simulated as 0..4 and 5..9."""
    seed: int
    """Root seed, a whole number from 0."""


@dataclass(frozen=True, kw_only=True)
class State:
    """The state of all replicates after generation m; arrays are never written to."""

    m: int
    ids: NDArray[np.int32]
    """(R, W, C) living tokens of the W latest models; model t is at t mod W."""
    counts: NDArray[np.int64]
    """(R, W, C) training samples of each living token."""
    alive: NDArray[np.int64]
    """(R, W) number of living tokens; 0 where no model is held."""
    kept: NDArray[np.int64]
    """(R, A) counts of the samples kept, or (R, 0)."""
    sets: NDArray[np.int64]
    """(R, K, A) counts drawn for the K latest generations, where a window of them is
    kept; generation m is at m mod K. Else (R, 0, 0)."""
    p1: NDArray[np.int64]
    """(R, A + 1) counts of p(1), and their sum."""
    collapsed_at: NDArray[np.int64]
    """(R,) T; 0 while not collapsed."""
    absorbed_at: NDArray[np.int64]
    """(R,) first m after which no model can change; 0 before."""


def init(setting: Setting) -> State:
    """The state before generation 1, without a model."""
    R, A = setting.replicates, setting.source.support
    keeps = setting.schedule.rule.keeps
    K = (setting.schedule.K or 0) if keeps == "window" else 0
    return State(
        m=0,
        ids=np.zeros((R, 1, 1), np.int32),
        counts=np.zeros((R, 1, 1), np.int64),
        alive=np.zeros((R, 1), np.int64),
        kept=np.zeros((R, A if keeps != "nothing" else 0), np.int64),
        sets=np.zeros((R, K, A if K else 0), np.int64),
        p1=np.zeros((R, A + 1), np.int64),
        collapsed_at=np.zeros(R, np.int64),
        absorbed_at=np.zeros(R, np.int64),
    )


def step(setting: Setting, state: State, generations: int = 1) -> tuple[State, Record]:
    """Train generations m + 1 .. m + G of every replicate.

    One call over G generations gives the same bits as G calls over one, and is
    faster.
    """
    source, m0, m1 = setting.source, state.m, state.m + generations
    new = _roomier(state, setting.schedule, source, m1)
    p0 = source.probabilities()
    cdf = np.concatenate([[0.0], np.cumsum(p0)])
    cdf[-1] = 1.0
    curves = np.empty((len(CURVES), setting.replicates, generations))
    kernel.advance(
        stream_key(setting.seed, source),
        setting.first_replicate,
        m0,
        m1,
        _plan(setting.schedule, m0, m1),
        structs.Initial(cdf, p0),
        structs.Models(new.ids, new.counts, new.alive),
        structs.Pool(new.kept, new.sets),
        structs.Results(new.p1, new.collapsed_at, new.absorbed_at, curves),
    )
    return new, dict(zip(CURVES, curves, strict=True))


def _plan(schedule: Schedule, m0: int, m1: int) -> structs.Plan:
    """What generations m0 + 1 .. m1 draw and keep."""
    rule, last_real = schedule.rule, schedule.last_real()
    n, N, K = schedule.n or 0, schedule.N or 0, schedule.K or 0
    draws = rule.draws
    rows = [draws(m, n, N, K) for m in range(m0 + 1, m1 + 1)] if draws else []
    starts = np.zeros(len(rows) + 1, np.int64)
    np.cumsum(np.fromiter(map(len, rows), np.int64), out=starts[1:])
    return structs.Plan(
        starts=starts,
        sources=np.fromiter(chain.from_iterable(rows), np.int64),
        sizes=np.fromiter(chain.from_iterable(map(dict.values, rows)), np.int64),
        mixed=0 if draws else n,
        last_real=1 << 62 if last_real is None else last_real,
        keeps=KEEPS[rule.keeps],
        chosen=n if rule.subsample else 0,
        largest=max(n, N),
    )


def _roomier(state: State, schedule: Schedule, source: Source, m1: int) -> State:
    """A copy of the state with space for the models that generations up to m1 hold."""
    R, W0, C0 = state.ids.shape
    W = schedule.reach(m1)
    C = min(source.support, schedule.largest_total(m1))
    ids = np.zeros((R, W, C), np.int32)
    counts = np.zeros((R, W, C), np.int64)
    alive = np.zeros((R, W), np.int64)
    for t in range(max(1, state.m - W0 + 1), state.m + 1):
        ids[:, t % W, :C0] = state.ids[:, t % W0]
        counts[:, t % W, :C0] = state.counts[:, t % W0]
        alive[:, t % W] = state.alive[:, t % W0]
    return replace(
        state,
        m=m1,
        ids=ids,
        counts=counts,
        alive=alive,
        kept=state.kept.copy(),
        sets=state.sets.copy(),
        p1=state.p1.copy(),
        collapsed_at=state.collapsed_at.copy(),
        absorbed_at=state.absorbed_at.copy(),
    )
