"""The statistical language model with contexts: c = s^l distributions, trained together.

    s, l     vocabulary size, context length in tokens
    c        s^l contexts; context j is the number with digits (j_1, .., j_l) in base s
    R        replicates
    n_j      number of samples of a generation that fall on context j

Model m is, for each context, the empirical distribution of the next tokens among
the samples that fall on it (eq. 2 of Seddik et al. 2024). Two choices that the
paper leaves open are explicit: how contexts are drawn, and which distribution a
context without samples gets.

    draw     uniform   n_j ~ multinomial(n; 1/c, .., 1/c)
             text      the samples are one text, rolled out from a uniform context
    unseen   uniform   the uniform distribution on s tokens: an untrained softmax
             keep      that of the last generation (uniform before generation 1)

Under p(0) every context has a distribution of the source: for dirichlet, an
independent draw; for other families, the same one on tokens in a random order.

Cost, measured on one core at s = 65, l = 2 (c = 4225) and n = 100,000: 2.2 MB a
model, 4 s once to solve 4225 distributions of the dirichlet family, and for a
replicate and generation 18 ms (contexts drawn uniformly) or 190 ms (as text,
2 us a sample).

Not covered: schedules that draw from more than the last model, or that keep
more than the real corpus.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import xlogy

from ..schedules import Schedule
from ..seeding import stream_key
from ..source import Source

Floats = NDArray[np.float64]
DRAWS = ("uniform", "text")
UNSEEN = ("uniform", "keep")
SCHEDULES = ("full", "partial", "matched", "fresh", "real")
LARGEST_TABLE = 10**7
"""Most entries c s of one model."""
_REAL, _SYNTHETIC, _INITIAL = 0, 1, 2


@dataclass(frozen=True, kw_only=True)
class Contexts:
    """How contexts are drawn and trained. Raises ValueError, worded `field: got X; allowed ..`."""

    length: int
    """l, at least 1."""
    draw: str
    """One of `DRAWS`."""
    unseen: str
    """One of `UNSEEN`."""

    def __post_init__(self) -> None:
        if self.length < 1:
            raise ValueError(f"context_length: got {self.length}; allowed: whole numbers from 1")
        for field, value, allowed in (
            ("context_draw", self.draw, DRAWS),
            ("unseen", self.unseen, UNSEEN),
        ):
            if value not in allowed:
                raise ValueError(f"{field}: got {value!r}; allowed: {', '.join(allowed)}")

    def count(self, s: int) -> int:
        """c = s^l. Raises ValueError if c s exceeds `LARGEST_TABLE`."""
        c = int(s**self.length)
        if c * s > LARGEST_TABLE:
            raise ValueError(
                f"context_length: got {self.length} with s={s}: {c:.3g} contexts; allowed: up to "
                f"{LARGEST_TABLE:.0e} probabilities, s^(l+1)"
            )
        return c


@dataclass(frozen=True, kw_only=True)
class Setting:
    """The schedule, source and runs to simulate; n and N count samples over all contexts.

    Raises ValueError for a schedule that is not in `SCHEDULES`.
    """

    schedule: Schedule
    source: Source
    contexts: Contexts
    replicates: int
    seed: int

    def __post_init__(self) -> None:
        if self.schedule.name not in SCHEDULES:
            raise ValueError(
                f"schedule: got {self.schedule.name!r} with contexts; allowed: "
                f"{', '.join(SCHEDULES)}"
            )


@dataclass(frozen=True, kw_only=True)
class State:
    """The state of all replicates after generation m; arrays are never written to."""

    m: int
    p: Floats
    """(R, c, s) models of generation m; before generation 1, p(0), (1, c, s)."""
    p0: Floats
    """(c, s)"""
    p1: Floats
    """(R, c, s), or (1, c, s) before generation 1."""
    kept: NDArray[np.int64]
    """(R, c, s) counts of the kept real corpus; (1, 1, 1) zeros without one."""


def init(setting: Setting) -> State:
    """The state before generation 1: p(0)."""
    p0 = initial_distributions(setting)
    return State(m=0, p=p0[None], p0=p0, p1=p0[None], kept=np.zeros((1, 1, 1), np.int64))


def initial_distributions(setting: Setting) -> Floats:
    """p(0), shape (c, s): the distribution of each context has the S0 of the source."""
    source = setting.source
    c = setting.contexts.count(source.s)
    p0 = np.zeros((c, source.s))
    rng = _stream(setting, 0, 0, _INITIAL)
    for j in range(c):
        drawn = source
        if source.family == "dirichlet":
            drawn = replace(source, seed=(source.seed or 0) * c + j)
        p0[j, rng.permutation(source.s)[: source.support]] = drawn.probabilities()
    return p0


def step(setting: Setting, state: State) -> tuple[State, dict[str, Floats]]:
    """Train generation m + 1 of every replicate.

    The record holds the mean over contexts, shape (R, 1), for each name of
    `models.statistical.model.CURVES`, and `dirac`, shape (R, 1): 1 where every
    context has one living token.
    """
    m, R = state.m + 1, setting.replicates
    shape = (R, *state.p0.shape)
    counts = np.zeros(shape, np.int64)
    for t, size in setting.schedule.draws(m).items():
        for r in range(R):
            rng = _stream(setting, m, r, _REAL if t == 0 else _SYNTHETIC)
            p = state.p0 if t == 0 else state.p[r]
            counts[r] += _sample(setting.contexts.draw, rng, p, size)
    kept = state.kept
    if setting.schedule.rule.keeps == "real":
        kept = counts.copy() if m == 1 else kept
        counts = counts if m == 1 else counts + kept
    n = counts.sum(axis=2, keepdims=True)
    flat = np.full((1, 1, shape[2]), 1 / shape[2])
    fallback = state.p if setting.contexts.unseen == "keep" and m > 1 else flat
    p = np.where(n > 0, counts / np.maximum(n, 1), fallback)
    p1 = p if m == 1 else state.p1
    new = State(m=m, p=p, p0=state.p0, p1=p1, kept=kept)
    return new, _measure(setting, new)


def _sample(draw: str, rng: np.random.Generator, p: Floats, size: int) -> NDArray[np.int64]:
    """Counts (c, s) of `size` samples of p (c, s), by one of `DRAWS`."""
    c, s = p.shape
    if draw == "uniform":
        return rng.multinomial(rng.multinomial(size, np.full(c, 1 / c)), p)
    counts = np.zeros((c, s), np.int64)
    cdf = np.cumsum(p, axis=1)
    cdf /= cdf[:, -1:]
    j = int(rng.integers(c))
    for u in rng.random(size):
        token = int(np.searchsorted(cdf[j], u, side="right"))
        counts[j, token] += 1
        j = (j * s + token) % c
    return counts


def _measure(setting: Setting, state: State) -> dict[str, Floats]:
    p, p0 = state.p, state.p0[None]
    half = (p + p0) / 2
    divergence = xlogy(p, p) / 2 + xlogy(p0, p0) / 2 - xlogy(half, half)
    rare = (p0 > 0) & (p0 * setting.source.support < 1)
    by_context = {
        "sigma": (p**2).sum(axis=2),
        "p_max": p.max(axis=2),
        "deviation": np.abs(p - state.p1).sum(axis=2),
        "deviation_p0": np.abs(p - p0).sum(axis=2),
        "support": (p > 0).sum(axis=2),
        "entropy": -xlogy(p, p).sum(axis=2),
        "js_p0": divergence.sum(axis=2),
        "tail": (p * rare).sum(axis=2),
    }
    record = {name: values.mean(axis=1)[:, None] for name, values in by_context.items()}
    record["dirac"] = (p.max(axis=2) == 1).all(axis=1)[:, None].astype(np.float64)
    return record


def _stream(setting: Setting, m: int, replicate: int, phase: int) -> np.random.Generator:
    """A counter-based stream: the draws of a generation do not depend on earlier draws."""
    first, second = (int(word) for word in stream_key(setting.seed, setting.source))
    key = np.array([first << 32 | second, 1 + phase], np.uint64)
    counter = np.array([0, 0, m, replicate], np.uint64)
    return np.random.Generator(np.random.Philox(key=key, counter=counter))
