"""A slow simulator of one replicate that follows the definitions word for word.

It shares with the engine the random numbers (Philox, written out here again in
Python's integers) and the convention which draw picks which sample, so the two
have to agree in every bit; training pools are lists of tokens, models are
vectors over the whole vocabulary.
"""

from collections.abc import Callable

import numpy as np

from models.schedules import Schedule
from models.source import Source
from models.streams import stream_key

REAL, PICK, MODEL, CHOOSE, REDRAW = 0, 1, 2, 3, 16


def philox(counter: tuple[int, int, int, int], key: tuple[int, int]) -> tuple[int, ...]:
    """Philox4x32-10, Salmon et al. 2011, section 3.3."""
    c, k = list(counter), list(key)
    mask = 0xFFFFFFFF
    for _ in range(10):
        a, b = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [(b >> 32) ^ c[1] ^ k[0], b & mask, (a >> 32) ^ c[3] ^ k[1], a & mask]
        k = [(k[0] + 0x9E3779B9) & mask, (k[1] + 0xBB67AE85) & mask]
    return tuple(c)


class Draws:
    """The random numbers of one replicate."""

    def __init__(self, key: tuple[int, int], replicate: int) -> None:
        self.key, self.replicate = key, replicate

    def word(self, draw: int, m: int, phase: int) -> int:
        return philox((draw // 4, m, self.replicate, phase), self.key)[draw % 4]

    def below(self, bound: int, draw: int, m: int, phase: int) -> int:
        product = self.word(draw, m, phase) * bound
        attempt = 0
        while product % 2**32 < 2**32 % bound:
            redraw = phase + (attempt + 1) * REDRAW
            product = philox((draw, m, self.replicate, redraw), self.key)[0] * bound
            attempt += 1
        return product >> 32

    def real(self, draw: int, m: int, cdf: np.ndarray) -> int:
        high, low = self.word(2 * draw, m, REAL), self.word(2 * draw + 1, m, REAL)
        u = ((high >> 5) * 2**26 + (low >> 6)) / 2**53
        return int(np.searchsorted(cdf, u, side="right"))


def by_first_meeting(samples: list[int]) -> list[int]:
    """The pool with equal tokens together, in the order in which tokens were first met."""
    return [token for met in dict.fromkeys(samples) for token in samples if token == met]


def entropy(p: np.ndarray) -> float:
    positive = p[p > 0]
    return float(-(positive * np.log(positive)).sum())


class Past:
    """What generation m may use: models 1..m-1 as pools, the real law, all sets drawn so far."""

    def __init__(self, schedule: Schedule, draws: Draws, cdf: np.ndarray) -> None:
        self.n, self.N, self.K = schedule.n or 0, schedule.N or 0, schedule.K or 0
        self.schedule, self.draws, self.cdf = schedule, draws, cdf
        self.pools: dict[int, list[int]] = {}
        self.sets: list[list[int]] = []

    def real(self, count: int, m: int) -> list[int]:
        return [self.draws.real(i, m, self.cdf) for i in range(count)]

    def of(self, t: int, count: int, m: int, first: int = 0) -> list[int]:
        """`count` samples of model t for generation m, from its draw number `first` on."""
        pool = self.pools[t]
        return [pool[self.draws.below(len(pool), first + i, m, PICK)] for i in range(count)]


def simulate(
    schedule: Schedule, source: Source, seed: int, replicate: int, generations: int
) -> dict[str, list[float]]:
    """The curves of one replicate."""
    p0 = np.zeros(source.s)
    p0[: source.support] = source.probabilities()
    cdf = np.cumsum(p0[: source.support])
    cdf[-1] = 1.0
    first, second = stream_key(seed, source)
    draws = Draws((int(first), int(second)), replicate)
    past = Past(schedule, draws, cdf)
    curves: dict[str, list[float]] = {}
    first = p0
    for m in range(1, generations + 1):
        samples = SAMPLERS[schedule.name](past, m)
        if schedule.rule.keeps != "nothing":
            samples = sorted(samples)  # the engine lists what is kept by token
        past.pools[m] = by_first_meeting(samples)
        p = np.bincount(samples, minlength=source.s) / len(samples)
        first = p if m == 1 else first
        for name, value in {
            "sigma": float((p**2).sum()),
            "p_max": float(p.max()),
            "deviation": float(np.abs(p - first).sum()),
            "deviation_p0": float(np.abs(p - p0).sum()),
            "support": float((p > 0).sum()),
            "entropy": entropy(p),
            "js_p0": entropy((p + p0) / 2) - entropy(p) / 2 - entropy(p0) / 2,
            "tail": float(p[(p0 > 0) & (p0 * source.support < 1)].sum()),
        }.items():
            curves.setdefault(name, []).append(value)
    return curves


def _full(past: Past, m: int) -> list[int]:
    return past.real(past.n, 1) if m == 1 else past.of(m - 1, past.n, m)


def _partial(past: Past, m: int) -> list[int]:
    corpus = past.real(past.N, 1)
    return corpus if m == 1 else corpus + past.of(m - 1, past.n, m)


def _matched(past: Past, m: int) -> list[int]:
    corpus = past.real(past.N, 1)
    return corpus if m == 1 else corpus + past.of(m - 1, past.n - past.N, m)


def _recent(past: Past, m: int) -> list[int]:
    k = past.n // past.K
    if past.schedule.reuse:
        past.sets.append(past.real(k, 1) if m == 1 else past.of(m - 1, k, m))
        return [token for drawn in past.sets[-past.K :] for token in drawn]
    samples: list[int] = []
    picks = 0
    for t in range(max(0, m - past.K), m):
        if t == 0:
            samples += past.real(k, m)
        else:
            samples += past.of(t, k, m, first=picks)
            picks += k
    return samples


def _random(past: Past, m: int) -> list[int]:
    samples = []
    for i in range(past.n):
        t = past.draws.below(m, i, m, MODEL)
        if t == 0:
            samples.append(past.draws.real(i, m, past.cdf))
        else:
            samples += past.of(t, 1, m, first=i)
    return samples


def _accumulate(past: Past, m: int) -> list[int]:
    past.sets.append(past.real(past.N, 1) if m == 1 else past.of(m - 1, past.n, m))
    return [token for drawn in past.sets for token in drawn]


def _accumulate_subsample(past: Past, m: int) -> list[int]:
    pool = sorted(_accumulate(past, m))
    chosen = min(past.n, len(pool))
    if chosen == len(pool):
        return pool
    for i in range(chosen):
        j = i + past.draws.below(len(pool) - i, i, m, CHOOSE)
        pool[i], pool[j] = pool[j], pool[i]
    return pool[:chosen]


def _fresh(past: Past, m: int) -> list[int]:
    new = past.real(past.N, m)
    return new if m == 1 else new + past.of(m - 1, past.n, m)


def _real(past: Past, m: int) -> list[int]:
    return past.real(past.N, m)


SAMPLERS: dict[str, Callable[[Past, int], list[int]]] = {
    "full": _full,
    "partial": _partial,
    "matched": _matched,
    "recent": _recent,
    "random": _random,
    "accumulate": _accumulate,
    "accumulate_subsample": _accumulate_subsample,
    "fresh": _fresh,
    "real": _real,
}
