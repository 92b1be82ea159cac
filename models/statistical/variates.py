"""Compiled random draws, each a pure function of a key and a counter.

Random numbers are Philox4x32-10 (Salmon et al. 2011, "Parallel random numbers:
as easy as 1, 2, 3"). The counter is (block of four words, generation m,
replicate r, phase): a draw depends on neither the number of replicates, nor the
horizon, nor where a run was cut and resumed. Attempt a = 1, 2, .. after a
rejection takes the same block of phase + a REDRAW, so no other draw moves.

Distributions are exact up to the rounding of double precision, without a normal
or Poisson approximation.
"""

import math

import numpy as np

from .jit import compiled, inlined

REDRAW = 16
"""Phases are below it; attempt a = 1, 2, .. of phase f takes phase f + a REDRAW."""
INVERTED = 10.0
"""Binomials with a smaller mean are inverted; Hormann's method is valid from here."""

_M0, _M1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_W0, _W1 = np.uint32(0x9E3779B9), np.uint32(0xBB67AE85)
_LOW, _SHIFT = np.uint64(0xFFFFFFFF), np.uint64(32)
_RANGE = np.uint64(1 << 32)
_HALF_LOG_2_PI = math.log(2 * math.pi) / 2
_LOG_FACTORIALS = np.array([math.lgamma(k + 1) for k in range(1024)])


@inlined
def _block(c0, c1, c2, c3, k0, k1):
    x0, x1, x2, x3 = np.uint32(c0), np.uint32(c1), np.uint32(c2), np.uint32(c3)
    a0, a1 = np.uint32(k0), np.uint32(k1)
    for _ in range(10):
        p0, p1 = _M0 * np.uint64(x0), _M1 * np.uint64(x2)
        x0 = np.uint32(np.uint32(p1 >> _SHIFT) ^ x1 ^ a0)
        x2 = np.uint32(np.uint32(p0 >> _SHIFT) ^ x3 ^ a1)
        x1, x3 = np.uint32(p1 & _LOW), np.uint32(p0 & _LOW)
        a0, a1 = np.uint32(a0 + _W0), np.uint32(a1 + _W1)
    return x0, x1, x2, x3


@compiled
def block_of(c0, c1, c2, c3, k0, k1):
    """The four words of one block."""
    return _block(c0, c1, c2, c3, k0, k1)


@compiled
def philox(words, size, start, c1, c2, c3, k0, k1):
    """words[:size] = words start .. start + size - 1 of stream (c1, c2, c3) of key (k0, k1).

    `start` is a multiple of 4; `words` holds at least size + 3 uint32.
    """
    for b in range((size + 3) // 4):
        x0, x1, x2, x3 = _block(start // 4 + b, c1, c2, c3, k0, k1)
        words[4 * b], words[4 * b + 1] = x0, x1
        words[4 * b + 2], words[4 * b + 3] = x2, x3


@compiled
def _unbiased(product, bound, draw, m, r, phase, k0, k1):
    """A product whose lower half shows that no value of the upper half is favoured."""
    threshold = _RANGE % np.uint64(bound)
    attempt = 0
    while np.uint64(product & _LOW) < threshold:
        attempt += 1
        other = block_of(draw, m, r, phase + attempt * REDRAW, k0, k1)
        product = np.uint64(other[0]) * np.uint64(bound)
    return product


@inlined
def below(word, bound, draw, m, r, phase, k0, k1):
    """A uniform integer in 0..bound-1, bound < 2^32, from one word (Lemire 2019), without bias."""
    product = np.uint64(word) * np.uint64(bound)
    if np.uint64(product & _LOW) < np.uint64(bound):
        product = _unbiased(product, bound, draw, m, r, phase, k0, k1)
    return np.int64(product >> _SHIFT)


@compiled
def real_token(words, draw, mass):
    """The j with mass[j] <= u < mass[j + 1], u of 53 bits from words 2 draw and 2 draw + 1."""
    high, low = np.uint64(words[2 * draw]), np.uint64(words[2 * draw + 1])
    u = (float(high >> np.uint64(5)) * 67108864.0 + float(low >> np.uint64(6))) / 9007199254740992.0
    return owner(u, mass, mass.size - 1)


@compiled
def owner(x, mass, slots):
    """The slot j < slots with mass[j] <= x < mass[j + 1]; the last one if x is beyond all."""
    lo, hi = 0, slots - 1
    while lo < hi:
        mid = (lo + hi) // 2
        if x < mass[mid + 1]:
            hi = mid
        else:
            lo = mid + 1
    return lo


@compiled
def unit(high, low):
    """The number of 52 bits of two words in the open interval (0, 1)."""
    bits = (np.uint64(high) << np.uint64(20)) | (np.uint64(low) >> np.uint64(12))
    return (float(bits) + 0.5) / 4503599627370496.0


@compiled
def units(block, m, r, phase, k0, k1):
    """Two units from the four words of a block."""
    x0, x1, x2, x3 = block_of(block, m, r, phase, k0, k1)
    return unit(x0, x1), unit(x2, x3)


@compiled
def _tail(k):
    """log k! less Stirling's (k + 1/2) log(k + 1) - (k + 1) + log(2 pi) / 2."""
    if k < 32:
        return _LOG_FACTORIALS[int(k)] - (k + 0.5) * math.log(k + 1) + k + 1 - _HALF_LOG_2_PI
    x = 1 / (k + 1)
    return (1 / 12 - (1 / 360 - x * x / 1260) * x * x) * x  # the next term is below 1e-14


@compiled
def log_factorials(k, k0):
    """log(k! / k0!), whole floats; the error grows with |k - k0|, not with k log k."""
    if k < 1024 and k0 < 1024:
        return _LOG_FACTORIALS[int(k)] - _LOG_FACTORIALS[int(k0)]
    gap = k - k0
    return (
        gap * (math.log(k0 + 1) - 1) + (k + 0.5) * math.log1p(gap / (k0 + 1)) + _tail(k) - _tail(k0)
    )


@compiled
def binomial(n, p, u, v, block, m, r, phase, k0, k1):
    """A draw from Bin(n, p), 0 <= p <= 1/2, by the units u, v of `block` of the stream.

    Inversion where the mean is small; else BTRS of Hormann 1993, "The generation
    of binomial random variates", a transformed rejection with 1.2 attempts a draw.
    """
    attempt = 0
    if n * p < INVERTED:
        odds = p / (1 - p)
        first = math.exp(n * math.log1p(-p))
        k, mass = 0, first
        while u > mass:
            u -= mass
            k += 1
            mass *= (n + 1) * odds / k - odds
            if k > n or k > 150:
                # Rounding has left a rest of u; the odds of k > 150 are below 1e-100.
                attempt += 1
                u, k, mass = units(block, m, r, phase + attempt * REDRAW, k0, k1)[0], 0, first
        return k
    variance = n * p * (1 - p)
    deviation = math.sqrt(variance)
    b = 1.15 + 2.53 * deviation
    a = -0.0873 + 0.0248 * b + 0.01 * p
    while True:
        centred = u - 0.5
        edge = 0.5 - abs(centred)
        x = np.floor((2 * a / edge + b) * centred + n * p + 0.5)
        if edge >= 0.07 and v <= 0.92 - 4.2 / b:
            return int(x)
        if 0 <= x <= n:
            height = math.log(v * (2.83 + 5.1 / b) * deviation / (a / (edge * edge) + b))
            if height <= log_to_mode(n, p, variance, x, height):
                return int(x)
        attempt += 1
        u, v = units(block, m, r, phase + attempt * REDRAW, k0, k1)


@compiled
def log_to_mode(n, p, variance, x, height):
    """log f(x) / f(mode) of Bin(n, p), or a bound that compares with `height` in the same way."""
    mode = np.floor((n + 1) * p)
    gap = abs(x - mode)
    if 20 < gap < variance / 2 - 1:
        # Kachitvichyanukul and Schmeiser 1988, step 5.2: a bound, and cheaper than the value.
        reach = (gap / variance) * (((gap / 3 + 0.625) * gap + 1 / 6) / variance + 0.5)
        centre = -gap * gap / (2 * variance)
        if abs(height - centre) > reach:
            return centre
    return (x - mode) * math.log(p / (1 - p)) - (
        log_factorials(x, mode) + log_factorials(n - x, n - mode)
    )


@compiled
def hypergeometric(taken, good, bad, u, v, block, m, r, phase, k0, k1):
    """The number of good items among `taken`, drawn without replacement from good + bad items.

    Inversion where one of the four numbers is below 10; else HRUA of Stadlober
    1990, "The ratio of uniforms approach for generating discrete random variates".
    """
    total = good + bad
    # By symmetry: few <= total / 2 of one kind, draws <= total / 2, draws <= few.
    few, draws = min(good, bad), min(taken, total - taken)
    few, draws = max(few, draws), min(few, draws)
    attempt = 0
    if draws < 10:
        first = 1.0
        for i in range(draws):
            first *= (total - few - i) / (total - i)
        k, mass = 0, first
        while u > mass:
            u -= mass
            if k == draws:
                attempt += 1
                u, k, mass = units(block, m, r, phase + attempt * REDRAW, k0, k1)[0], 0, first
            else:
                mass *= (few - k) / (k + 1) * (draws - k) / (total - few - draws + k + 1)
                k += 1
    else:
        share = few / total
        centre = draws * share + 0.5
        variance = draws * share * (1 - share) * ((total - draws) / (total - 1))
        width = 1.7155277699214135 * math.sqrt(variance + 0.5) + 0.8989161620588988
        mode = np.floor((draws + 1.0) * (few + 1.0) / (total + 2.0))
        while True:
            x = centre + width * (v - 0.5) / u
            if 0 <= x < draws + 1:
                x = np.floor(x)
                height = -(
                    log_factorials(x, mode)
                    + log_factorials(few - x, few - mode)
                    + log_factorials(draws - x, draws - mode)
                    + log_factorials(total - few - draws + x, total - few - draws + mode)
                )
                if 2 * math.log(u) <= height:
                    k = int(x)
                    break
            attempt += 1
            u, v = units(block, m, r, phase + attempt * REDRAW, k0, k1)
    # Back from (few, draws) to (good, taken): swapped kinds, and the complement of the taken.
    if good > bad:
        k = min(taken, total - taken) - k
    if 2 * taken > total:
        k = good - k
    return k
