"""The compiled inner loop of the statistical model, and its random numbers.

    R     replicates, A tokens of the support, W models kept in the ring
    C     slots of one model: at most min(A, n^(m)) tokens are alive in it
    G     generations advanced in one call: m0 + 1 .. m1

A model is held as its living tokens: `ids[r, w, :alive[r, w]]` and how many
samples of each, `counts[r, w, :]`, in the order in which the draws met them
(w = t mod W). A sample of a model is a uniform pick from its training pool, so
a generation costs O(n^(m)) and nothing depends on the vocabulary size.

Random numbers are Philox4x32-10 (Salmon et al. 2011, "Parallel random numbers:
as easy as 1, 2, 3"), a pure function of key and counter. The counter is (block
of four draws, generation, replicate, phase), so a draw depends on neither the
number of replicates, nor the horizon, nor where a run was cut and resumed.

Everything is in this one file because numba's cache notices changes in the
file of the function it compiles, and in no other.
"""

import math

import numpy as np
from numba import njit

PHASE_REAL, PHASE_PICK, PHASE_MODEL, PHASE_CHOOSE, PHASE_REDRAW = 0, 1, 2, 3, 16
"""Fourth word of the counter: samples of p(0), picks from a pool, which model
to pick from (schedule `random`), which kept samples to train on
(`accumulate_subsample`). Attempt a = 0, 1, .. to replace a rejected pick of
phase f uses f + (a + 1) PHASE_REDRAW."""
KEEP_NOTHING, KEEP_REAL, KEEP_ALL, KEEP_WINDOW = 0, 1, 2, 3
"""What of the draws later generations are trained on again; see `models.schedules.Rule`."""

_M0, _M1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_W0, _W1 = np.uint32(0x9E3779B9), np.uint32(0xBB67AE85)
_LOW, _SHIFT = np.uint64(0xFFFFFFFF), np.uint64(32)
_RANGE = np.uint64(1 << 32)


@njit(cache=True)
def philox(words, size, start, c1, c2, c3, k0, k1):
    """words[:size] = draws start .. start + size - 1 of stream (c1, c2, c3) of key (k0, k1).

    `start` is a multiple of 4; `words` holds at least size + 3 uint32.
    """
    for b in range((size + 3) // 4):
        x0, x1 = np.uint32(start // 4 + b), np.uint32(c1)
        x2, x3 = np.uint32(c2), np.uint32(c3)
        a0, a1 = np.uint32(k0), np.uint32(k1)
        for _ in range(10):
            p0, p1 = _M0 * np.uint64(x0), _M1 * np.uint64(x2)
            x0 = np.uint32(np.uint32(p1 >> _SHIFT) ^ x1 ^ a0)
            x2 = np.uint32(np.uint32(p0 >> _SHIFT) ^ x3 ^ a1)
            x1, x3 = np.uint32(p1 & _LOW), np.uint32(p0 & _LOW)
            a0, a1 = np.uint32(a0 + _W0), np.uint32(a1 + _W1)
        words[4 * b], words[4 * b + 1] = x0, x1
        words[4 * b + 2], words[4 * b + 3] = x2, x3


@njit(cache=True)
def _below(word, bound, spare, draw, m, r, phase, k0, k1):
    """A uniform integer in 0..bound-1 from one word (Lemire 2019), without bias."""
    product = np.uint64(word) * np.uint64(bound)
    if np.uint64(product & _LOW) < np.uint64(bound):
        threshold = _RANGE % np.uint64(bound)
        attempt = 0
        while np.uint64(product & _LOW) < threshold:
            # A rejected pick takes word 0 of a stream of its own, so that no
            # other draw moves.
            philox(spare, 1, 4 * draw, m, r, phase + (attempt + 1) * PHASE_REDRAW, k0, k1)
            product = np.uint64(spare[0]) * np.uint64(bound)
            attempt += 1
    return np.int64(product >> _SHIFT)


@njit(cache=True)
def _real_token(words, draw, cdf):
    """A sample of p(0) by inversion, from words 2 draw and 2 draw + 1 (53 bits)."""
    high, low = np.uint64(words[2 * draw]), np.uint64(words[2 * draw + 1])
    u = (float(high >> np.uint64(5)) * 67108864.0 + float(low >> np.uint64(6))) / 9007199254740992.0
    lo, hi = 0, cdf.size - 1
    while lo < hi:
        mid = (lo + hi) // 2
        if u < cdf[mid]:
            hi = mid
        else:
            lo = mid + 1
    return lo


@njit(cache=True)
def _expand(pool, ids, counts, alive):
    """Write a model's training pool out, token by token."""
    at = 0
    for j in range(alive):
        token = ids[j]
        for _ in range(counts[j]):
            pool[at] = token
            at += 1
    return at


@njit(cache=True)
def _measure(out, ids, counts, alive, p1, p0, clogc):
    """out = sigma, p_max, deviation, deviation_p0, support, entropy, js_p0, tail of one model.

    sigma and deviation are ratios of exact integers. The distances run over
    the living tokens alone: a dead token adds p1 (or p0), and those sum to 1;
    to the Jensen-Shannon divergence it adds p0 log(2) / 2.
    """
    total, squares, largest = np.int64(0), np.int64(0), np.int64(0)
    p1_total = p1[p1.size - 1]
    for j in range(alive):
        c = np.int64(counts[j])
        total += c
        squares += c * c
        largest = max(largest, c)
    distance = total * p1_total
    distance_p0, weighted = 1.0, 0.0
    divergence, missing, tail = 0.0, 1.0, np.int64(0)
    for j in range(alive):
        c, c1 = np.int64(counts[j]), np.int64(p1[ids[j]])
        distance += abs(c * p1_total - c1 * total) - c1 * total
        q = p0[ids[j]]
        p = c / total
        distance_p0 += abs(p - q) - q
        missing -= q
        half = (p + q) / 2
        divergence -= 2 * half * math.log(half)
        if q > 0:
            divergence += q * math.log(q)
        if q * p0.size < 1:
            tail += c
        weighted += clogc[c] if c < clogc.size else c * math.log(c)
    out[0] = squares / (total * total)
    out[1] = largest / total
    out[2] = distance / (total * p1_total)
    out[3] = max(0.0, distance_p0)
    out[4] = alive
    out[5] = 0.0 if alive == 1 else max(0.0, math.log(total) - weighted / total)
    divergence += weighted / total - math.log(total) + max(0.0, missing) * math.log(2.0)
    out[6] = max(0.0, divergence / 2)
    out[7] = tail / total


@njit(cache=True)
def _without_replacement(tally, pool, size, chosen, words, spare, m, r, k0, k1):
    """tally = `chosen` of the `size` samples in pool, by a partial Fisher-Yates shuffle."""
    philox(words, chosen, 0, m, r, PHASE_CHOOSE, k0, k1)
    for i in range(chosen):
        j = i + _below(words[i], size - i, spare, i, m, r, PHASE_CHOOSE, k0, k1)
        pool[i], pool[j] = pool[j], pool[i]
        tally[pool[i]] += 1


@njit(cache=True)
def advance(
    key, first, m0, m1, starts, sources, sizes, mixed, last_real, keeps, chosen, buffer,
    cdf, p0, clogc,
    ids, counts, alive, kept, sets, p1, collapsed_at, absorbed_at, curves,
):  # fmt: skip
    """Take every replicate from generation m0 to m1; see `models.statistical` for the shapes.

    starts, sources, sizes: what is drawn for each generation; row m - m0 - 1 is
    starts[row] .. starts[row + 1]. mixed: n where each sample picks its model,
    else 0. last_real: the last generation that draws from p(0). keeps: one of
    the KEEP_ codes. chosen: how many of the kept samples are trained on, 0 for
    all. buffer: the largest pool. first: the number of the first replicate. The
    last entry of p1[r] is its sum.
    """
    R, W = alive.shape
    A = p0.size
    k0, k1 = key
    pools = np.empty((W, buffer), np.int32)
    pool_sizes = np.zeros(W, np.int64)
    words = np.empty(buffer + 4, np.uint32)
    real_words = np.empty(2 * buffer + 4, np.uint32)
    choice_words = np.empty(mixed + 4, np.uint32)
    gathered = np.empty(buffer if chosen > 0 else 0, np.int32)
    spare = np.empty(4, np.uint32)
    tally = np.zeros(A, np.int64)
    met = np.empty(A, np.int32)
    out = np.empty(8)

    for r in range(R):
        who = first + r
        if absorbed_at[r] == 0:
            for w in range(W):
                pool_sizes[w] = _expand(pools[w], ids[r, w], counts[r, w], alive[r, w])
        for m in range(m0 + 1, m1 + 1):
            row = m - m0 - 1
            if absorbed_at[r] > 0:
                w = absorbed_at[r] % W
                _measure(out, ids[r, w], counts[r, w], alive[r, w], p1[r], p0, clogc)
                for rest in range(row, m1 - m0):
                    curves[:, r, rest] = out
                break

            # 1. Draw.
            living = 0
            if mixed > 0:
                philox(words, mixed, 0, m, who, PHASE_PICK, k0, k1)
                philox(choice_words, mixed, 0, m, who, PHASE_MODEL, k0, k1)
                philox(real_words, 2 * mixed, 0, m, who, PHASE_REAL, k0, k1)
                for i in range(mixed):
                    t = _below(choice_words[i], m, spare, i, m, who, PHASE_MODEL, k0, k1)
                    if t == 0:
                        token = _real_token(real_words, i, cdf)
                    else:
                        w = t % W
                        size = pool_sizes[w]
                        token = pools[
                            w, _below(words[i], size, spare, i, m, who, PHASE_PICK, k0, k1)
                        ]
                    if tally[token] == 0:
                        met[living] = token
                        living += 1
                    tally[token] += 1
            else:
                picks = np.int64(0)
                for e in range(starts[row], starts[row + 1]):
                    if sources[e] > 0:
                        picks += sizes[e]
                philox(words, picks, 0, m, who, PHASE_PICK, k0, k1)
                draw = 0
                for e in range(starts[row], starts[row + 1]):
                    if sources[e] == 0:
                        philox(real_words, 2 * sizes[e], 0, m, who, PHASE_REAL, k0, k1)
                        for i in range(sizes[e]):
                            token = _real_token(real_words, i, cdf)
                            if tally[token] == 0:
                                met[living] = token
                                living += 1
                            tally[token] += 1
                        continue
                    size, pool = pool_sizes[sources[e] % W], pools[sources[e] % W]
                    for _ in range(sizes[e]):
                        token = pool[
                            _below(words[draw], size, spare, draw, m, who, PHASE_PICK, k0, k1)
                        ]
                        if tally[token] == 0:
                            met[living] = token
                            living += 1
                        tally[token] += 1
                        draw += 1

            # 2. Put together with what is kept; tokens are then listed in order.
            one_left = living == 1
            if keeps != KEEP_NOTHING:
                if keeps == KEEP_WINDOW:
                    place = m % sets.shape[1]
                    for token in range(A):
                        kept[r, token] += tally[token] - sets[r, place, token]
                        sets[r, place, token] = tally[token]
                        tally[token] = kept[r, token]
                elif keeps == KEEP_ALL or m == 1:
                    for token in range(A):
                        kept[r, token] += tally[token]
                        tally[token] = kept[r, token]
                else:
                    for token in range(A):
                        tally[token] += kept[r, token]
                held, living, total = 0, 0, np.int64(0)
                for token in range(A):
                    held += kept[r, token] > 0
                    total += tally[token]
                one_left = held == 1
                if 0 < chosen < total:
                    at = 0
                    for token in range(A):
                        for _ in range(tally[token]):
                            gathered[at] = token
                            at += 1
                        tally[token] = 0
                    _without_replacement(
                        tally, gathered, total, chosen, words, spare, m, who, k0, k1
                    )
                for token in range(A):
                    if tally[token] > 0:
                        met[living] = token
                        living += 1

            # 3. Train: the model is the list of its living tokens.
            w = m % W
            for j in range(living):
                token = met[j]
                ids[r, w, j] = token
                counts[r, w, j] = tally[token]
                if m == 1:
                    p1[r, token] = tally[token]
                    p1[r, A] += tally[token]
                tally[token] = 0
            alive[r, w] = living
            pool_sizes[w] = _expand(pools[w], ids[r, w], counts[r, w], living)
            _measure(out, ids[r, w], counts[r, w], living, p1[r], p0, clogc)
            curves[:, r, row] = out

            # 4. Collapsed; absorbed if all that is left to draw from is one and the same token.
            if living == 1:
                if collapsed_at[r] == 0:
                    collapsed_at[r] = m
                same = m >= last_real and one_left
                for back in range(1, min(W, m)):
                    v = (m - back) % W
                    same = same and alive[r, v] == 1 and ids[r, v, 0] == ids[r, w, 0]
                if same:
                    absorbed_at[r] = m
