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

REAL, PICK, MODEL, REDRAW = 0, 1, 2, 16


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
            redraw = REDRAW + 2 * attempt + phase % 2
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


def simulate(
    schedule: Schedule, source: Source, seed: int, replicate: int, generations: int
) -> dict[str, list[float]]:
    """The curves of one replicate."""
    p0 = np.zeros(source.s)
    p0[: source.support] = source.probabilities()
    cdf = np.cumsum(p0[: source.support])
    cdf[-1] = 1.0
    draws = Draws(tuple(int(w) for w in stream_key(seed, source)), replicate)  # type: ignore[arg-type]
    pools: dict[int, list[int]] = {}
    models: dict[int, np.ndarray] = {0: p0}
    curves: dict[str, list[float]] = {}
    for m in range(1, generations + 1):
        samples = SAMPLERS[schedule.name](schedule, m, draws, pools, cdf)
        pools[m] = by_first_meeting(samples)
        p = np.bincount(samples, minlength=source.s) / len(samples)
        models[m] = p
        positive = p[p > 0]
        for name, value in {
            "sigma": float((p**2).sum()),
            "p_max": float(p.max()),
            "deviation": float(np.abs(p - models[1]).sum()),
            "deviation_p0": float(np.abs(p - p0).sum()),
            "support": float(len(positive)),
            "entropy": float(-(positive * np.log(positive)).sum()),
        }.items():
            curves.setdefault(name, []).append(value)
    return curves


Sampler = Callable[[Schedule, int, Draws, dict[int, list[int]], np.ndarray], list[int]]


def _full(
    schedule: Schedule, m: int, draws: Draws, pools: dict[int, list[int]], cdf: np.ndarray
) -> list[int]:
    n = schedule.n or 0
    if m == 1:
        return [draws.real(i, 1, cdf) for i in range(n)]
    pool = pools[m - 1]
    return [pool[draws.below(len(pool), i, m, PICK)] for i in range(n)]


def _partial(
    schedule: Schedule, m: int, draws: Draws, pools: dict[int, list[int]], cdf: np.ndarray
) -> list[int]:
    # The engine lists the kept corpus by token.
    real = sorted(draws.real(i, 1, cdf) for i in range(schedule.N or 0))
    if m == 1:
        return real
    pool = pools[m - 1]
    return real + [pool[draws.below(len(pool), i, m, PICK)] for i in range(schedule.n or 0)]


def _recent(
    schedule: Schedule, m: int, draws: Draws, pools: dict[int, list[int]], cdf: np.ndarray
) -> list[int]:
    n, K = schedule.n or 0, schedule.K or 0
    samples: list[int] = []
    draw = 0
    for t in range(max(0, m - K), m):
        for i in range(n // K):
            if t == 0:
                samples.append(draws.real(i, m, cdf))
            else:
                samples.append(pools[t][draws.below(len(pools[t]), draw, m, PICK)])
                draw += 1
    return samples


def _random(
    schedule: Schedule, m: int, draws: Draws, pools: dict[int, list[int]], cdf: np.ndarray
) -> list[int]:
    samples = []
    for i in range(schedule.n or 0):
        t = draws.below(m, i, m, MODEL)
        if t == 0:
            samples.append(draws.real(i, m, cdf))
        else:
            samples.append(pools[t][draws.below(len(pools[t]), i, m, PICK)])
    return samples


SAMPLERS: dict[str, Sampler] = {
    "full": _full,
    "partial": _partial,
    "recent": _recent,
    "random": _random,
}
