"""A slow simulator of one replicate that follows the definitions word for word.

It shares with the engine the random numbers (Philox, written out here again in
Python's integers), the algorithms that turn them into draws (written again with
exact or log-gamma masses), and the convention which draw is for what, so the two
have to agree in every bit but the rounding of sums; training pools are sorted
lists of tokens, models are vectors over the whole vocabulary.
"""

import math
from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np

from sweep.models.schedules import Schedule
from sweep.models.seeding import stream_key
from sweep.models.source import Source

REAL, PICK, MODEL, CHOOSE = 0, 1, 2, 3
REAL_SPLIT, SPLIT, MODEL_SPLIT, CHOOSE_SPLIT, REDRAW = 4, 5, 6, 7, 16
PICKS_PER_TOKEN = 24
"""Up to so many samples a living token are picked one by one; more are split."""

Cut = Callable[[int, int, int, int], int]
"""(how many samples, low, mid, high) -> how many of them fall on slots low .. mid - 1."""


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

    def unit(self, block: int, m: int, phase: int) -> tuple[float, float]:
        """Two numbers inside (0, 1) of 52 bits."""
        a, b, c, d = philox((block, m, self.replicate, phase), self.key)
        return ((a << 20 | b >> 12) + 0.5) / 2**52, ((c << 20 | d >> 12) + 0.5) / 2**52

    def binomial(self, n: int, p: float, block: int, m: int, phase: int) -> int:
        """Bin(n, p) for p <= 1/2: inversion below mean 10, else Hormann 1993's BTRS."""
        if n * p < 10:
            return self._inverted(lambda k: log_binomial(n, k, p), min(n, 150), block, m, phase)
        deviation = math.sqrt(n * p * (1 - p))
        b = 1.15 + 2.53 * deviation
        a = -0.0873 + 0.0248 * b + 0.01 * p
        most = log_binomial(n, math.floor((n + 1) * p), p)
        while True:
            u, v = self.unit(block, m, phase)
            us = 0.5 - abs(u - 0.5)
            k = math.floor((2 * a / us + b) * (u - 0.5) + n * p + 0.5)
            if us >= 0.07 and v <= 0.92 - 4.2 / b:
                return k
            height = v * (2.83 + 5.1 / b) * deviation / (a / us**2 + b)
            if 0 <= k <= n and math.log(height) <= log_binomial(n, k, p) - most:
                return k
            phase += REDRAW

    def hypergeometric(
        self, taken: int, good: int, bad: int, block: int, m: int, phase: int
    ) -> int:
        """Good ones among `taken` of good + bad: inversion below 10, else Stadlober 1990's HRUA."""
        total = good + bad
        few, draws = sorted((min(good, bad), min(taken, total - taken)), reverse=True)

        def log_mass(k: int) -> float:
            return (
                log_choose(few, k) + log_choose(total - few, draws - k) - log_choose(total, draws)
            )

        if draws < 10:
            k = self._inverted(log_mass, draws, block, m, phase)
        else:
            variance = draws * few * (total - few) * (total - draws) / total**2 / (total - 1)
            h = (
                2 * math.sqrt(2 / math.e) * math.sqrt(variance + 0.5)
                + 3
                - 2 * math.sqrt(3 / math.e)
            )
            most = log_mass((draws + 1) * (few + 1) // (total + 2))
            while True:
                u, v = self.unit(block, m, phase)
                k = math.floor(draws * few / total + 0.5 + h * (v - 0.5) / u)
                if 0 <= k <= draws and 2 * math.log(u) <= log_mass(k) - most:
                    break
                phase += REDRAW
        if good > bad:
            k = min(taken, total - taken) - k
        return good - k if 2 * taken > total else k

    def _inverted(
        self, log_mass: Callable[[int], float], most: int, block: int, m: int, phase: int
    ) -> int:
        u = self.unit(block, m, phase)[0]
        for k in range(most + 1):
            u -= math.exp(log_mass(k))
            if u <= 0:
                return k
        return self._inverted(log_mass, most, block, m, phase + REDRAW)


def log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


def log_binomial(n: int, k: int, p: float) -> float:
    if p == 0:
        return 0.0 if k == 0 else -math.inf
    return log_choose(n, k) + k * math.log(p) + (n - k) * math.log1p(-p)


def halved(size: int, slots: int, cut: Cut) -> list[int]:
    """How many of `size` samples fall on each slot: cut in two at a power of two, and again."""

    def fall(low: int, width: int, samples: int) -> list[int]:
        if width == 0:
            return [samples]
        mid = low + width
        if mid >= slots:
            return fall(low, width // 2, samples)
        left = cut(samples, low, mid, min(mid + width, slots))
        return fall(low, width // 2, left) + fall(mid, width // 2, samples - left)

    return fall(0, 1 << (slots - 1).bit_length() >> 1, size)


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
        self.picks = self.cuts = 0
        """Draws and blocks that this generation has used."""

    def real(self, count: int, m: int) -> list[int]:
        if count > PICKS_PER_TOKEN * len(self.cdf):
            return self.split([0.0, *self.cdf], count, m, REAL_SPLIT, 0)
        return [self.draws.real(i, m, self.cdf) for i in range(count)]

    def split(self, ends: Sequence[float], count: int, m: int, phase: int, first: int) -> list[int]:
        """`count` samples of slots 0, 1, .. with weights ends[j + 1] - ends[j]."""

        def cut(samples: int, low: int, mid: int, high: int) -> int:
            if samples == 0:
                return 0
            lower, upper = ends[mid] - ends[low], ends[high] - ends[mid]
            share = min(lower, upper) / (lower + upper)
            k = self.draws.binomial(samples, share, first + mid - 1, m, phase)
            return samples - k if lower > upper else k

        return written_out(halved(count, len(ends) - 1, cut))

    def of(self, t: int, count: int, m: int) -> list[int]:
        """`count` samples of model t for generation m."""
        pool = self.pools[t]
        tokens = sorted(set(pool))
        if len(tokens) == 1:
            return tokens * count
        if count > PICKS_PER_TOKEN * len(tokens):
            first, self.cuts = self.cuts, self.cuts + len(tokens)
            ends = [0, *np.cumsum([Counter(pool)[token] for token in tokens]).tolist()]
            return [tokens[j] for j in self.split(ends, count, m, SPLIT, first)]
        first, self.picks = self.picks, self.picks + 4 * math.ceil(count / 4)
        return [pool[self.draws.below(len(pool), first + i, m, PICK)] for i in range(count)]


def written_out(counts: Sequence[int]) -> list[int]:
    """j, counts[j] times, for every j in order."""
    return [j for j, count in enumerate(counts) for _ in range(count)]


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
        past.picks = past.cuts = 0
        samples = SAMPLERS[schedule.name](past, m)
        past.pools[m] = sorted(samples)
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
    for t in range(max(0, m - past.K), m):
        samples += past.real(k, m) if t == 0 else past.of(t, k, m)
    return samples


def _random(past: Past, m: int) -> list[int]:
    draws, support = past.draws, len(past.cdf)
    if past.n > PICKS_PER_TOKEN * support:
        if m == 1:
            return past.real(past.n, m)
        real = draws.binomial(past.n, 1 / m, 0, m, MODEL_SPLIT)
        held = Counter(token for pool in past.pools.values() for token in pool)
        ends = [0, *np.cumsum([held[token] for token in range(support)]).tolist()]
        return past.split([0.0, *past.cdf], real, m, REAL_SPLIT, 0) + past.split(
            ends, past.n - real, m, SPLIT, 0
        )
    samples = []
    for i in range(past.n):
        t = draws.below(m, i, m, MODEL)
        if t == 0:
            samples.append(draws.real(i, m, past.cdf))
        else:
            pool = past.pools[t]
            samples.append(pool[draws.below(len(pool), i, m, PICK)])
    return samples


def _accumulate(past: Past, m: int) -> list[int]:
    past.sets.append(past.real(past.N, 1) if m == 1 else past.of(m - 1, past.n, m))
    return [token for drawn in past.sets for token in drawn]


def _accumulate_subsample(past: Past, m: int) -> list[int]:
    pool = sorted(_accumulate(past, m))
    chosen, draws, tokens = past.n, past.draws, sorted(set(pool))
    if chosen >= len(pool):
        return pool
    if chosen > PICKS_PER_TOKEN * len(tokens):
        ends = [0, *np.cumsum([Counter(pool)[token] for token in tokens]).tolist()]

        def cut(samples: int, low: int, mid: int, high: int) -> int:
            good, bad = ends[mid] - ends[low], ends[high] - ends[mid]
            return draws.hypergeometric(samples, good, bad, mid - 1, m, CHOOSE_SPLIT)

        return [tokens[j] for j in written_out(halved(chosen, len(tokens), cut))]
    return [pool.pop(draws.below(len(pool), i, m, CHOOSE)) for i in range(chosen)]


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
