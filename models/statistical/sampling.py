"""Compiled draws of many samples at once, as counts over slots.

Slot j has weight ends[j + 1] - ends[j] (or mass[..]): the number of a model's
samples of its j-th living token, or the probability of token j under p(0).
Samples are drawn one by one (picks), at a cost that grows with their number, or
by halving them over the slots (splits), at a cost that grows with the slots.
`models.statistical.steps.SPLIT` decides which.
"""

import numpy as np

from .jit import compiled, inlined
from .variates import (
    below,
    binomial,
    hypergeometric,
    owner,
    philox,
    real_token,
    unit,
    units,
)

POOLED = 4
"""Pools of up to POOLED times the picks are written out; in larger ones each pick is
searched for. Both find the same token."""
CHUNK = 1024
"""Random words drawn together while picking: they stay in the first cache."""


@inlined
def split(drawn, size, mass, slots, words, block, m, r, phase, k0, k1):
    """Set drawn[:slots] to `size` samples, slot j with weight mass[j + 1] - mass[j].

    Conditional binomials, by halves: at each level, width = .., 4, 2, 1, the
    samples on slots low .. low + 2 width - 1 are cut in two at mid = low + width.
    Each mid is cut once, by block `block` + mid - 1. Cuts of a level do not wait
    for each other, unlike a chain from the first slot to the last.
    """
    philox(words, 4 * (slots - 1), 4 * block, m, r, phase, k0, k1)
    drawn[0] = size
    width = 1
    while 2 * width < slots:
        width *= 2
    while width > 0:
        for low in range(0, slots - width, 2 * width):
            mid, high = low + width, min(low + 2 * width, slots)
            total, left = drawn[low], 0
            if total > 0:
                lower, upper = mass[mid] - mass[low], mass[high] - mass[mid]
                share = min(lower, upper) / (lower + upper)
                at = 4 * (mid - 1)
                u, v = unit(words[at], words[at + 1]), unit(words[at + 2], words[at + 3])
                left = binomial(total, share, u, v, block + mid - 1, m, r, phase, k0, k1)
                if lower > upper:
                    left = total - left
            drawn[low], drawn[mid] = left, total - left
        width //= 2


@compiled
def choose_by_splits(drawn, size, ends, slots, words, m, r, phase, k0, k1):
    """`split` without replacement from the ends[slots] samples: hypergeometrics."""
    philox(words, 4 * (slots - 1), np.int64(0), m, r, phase, k0, k1)
    drawn[0] = size
    width = 1
    while 2 * width < slots:
        width *= 2
    while width > 0:
        for low in range(0, slots - width, 2 * width):
            mid, high = low + width, min(low + 2 * width, slots)
            total, good, bad = drawn[low], ends[mid] - ends[low], ends[high] - ends[mid]
            at = 4 * (mid - 1)
            u, v = unit(words[at], words[at + 1]), unit(words[at + 2], words[at + 3])
            left = hypergeometric(total, good, bad, u, v, mid - 1, m, r, phase, k0, k1)
            drawn[low], drawn[mid] = left, total - left
        width //= 2


@compiled
def choose_by_picks(drawn, size, ends, slots, words, tree, m, r, phase, k0, k1):
    """Set drawn[:slots] to `size` of the ends[slots] samples, one after the other, none twice.

    `tree` holds the remaining samples of each slot as a Fenwick tree (Fenwick 1994).
    """
    top = 1
    for i in range(1, slots + 1):
        drawn[i - 1] = 0
        tree[i] = ends[i] - ends[i - (i & -i)]
        top = i if i & -i == i else top
    for i in range(size):
        if i % CHUNK == 0:
            philox(words, min(CHUNK, size - i), i, m, r, phase, k0, k1)
        left = ends[slots] - i
        at, x, width = 0, below(words[i % CHUNK], left, i, m, r, phase, k0, k1), top
        while width > 0:
            if at + width <= slots and tree[at + width] <= x:
                at += width
                x -= tree[at]
            width //= 2
        drawn[at] += 1
        at += 1
        while at <= slots:
            tree[at] -= 1
            at += at & -at


@inlined
def pick(drawn, size, ends, slots, pool, words, first, m, r, phase, k0, k1):
    """Set drawn[:slots] to `size` picks from ends[slots] samples, numbered from `first`."""
    total = ends[slots]
    pooled = total <= POOLED * size
    for j in range(slots):
        drawn[j] = 0
        if pooled:
            for at in range(ends[j], ends[j + 1]):
                pool[at] = j
    for start in range(0, size, CHUNK):
        count = min(CHUNK, size - start)
        philox(words, count, first + start, m, r, phase, k0, k1)
        if pooled:
            for i in range(count):
                x = below(words[i], total, first + start + i, m, r, phase, k0, k1)
                drawn[pool[np.uint64(x)]] += 1  # unsigned: not wrapped around
        else:
            for i in range(count):
                x = below(words[i], total, first + start + i, m, r, phase, k0, k1)
                drawn[owner(x, ends, slots)] += 1


@compiled
def pick_real(drawn, met, living, size, mass, words, m, r, phase, k0, k1):
    """Add `size` picks from p(0) to drawn, and new tokens to met; returns the tokens met."""
    for start in range(0, size, CHUNK):
        count = min(CHUNK, size - start)
        philox(words, 2 * count, 2 * start, m, r, phase, k0, k1)
        for i in range(count):
            token = real_token(words, i, mass)
            if drawn[token] == 0:
                met[living] = token
                living += 1
            drawn[token] += 1
    return living


@compiled
def pick_mixed(
    drawn, met, size, mass, ids, ends, alive, words, m, r, phases, k0, k1
):  # fmt: skip
    """Add `size` samples, each of p(0) or of one of models 1 .. m - 1, at equal odds.

    ids (W, C), ends (W, C + 1), alive (W,): model t is at t mod W. phases: the choice
    of the model, a pick from it, a pick from p(0). Returns the tokens met.
    """
    living = 0
    choices, reals = np.empty(CHUNK + 4, np.uint32), np.empty(2 * CHUNK + 4, np.uint32)
    for i in range(size):
        j = i % CHUNK
        if j == 0:
            count = min(CHUNK, size - i)
            philox(choices, count, i, m, r, phases[0], k0, k1)
            philox(words, count, i, m, r, phases[1], k0, k1)
            philox(reals, 2 * count, 2 * i, m, r, phases[2], k0, k1)
        t = below(choices[j], m, i, m, r, phases[0], k0, k1)
        if t == 0:
            token = real_token(reals, j, mass)
        else:
            w, slots = t % alive.size, alive[t % alive.size]
            x = below(words[j], ends[w, slots], i, m, r, phases[1], k0, k1)
            token = ids[w, owner(x, ends[w], slots)]
        if drawn[token] == 0:
            met[living] = token
            living += 1
        drawn[token] += 1
    return living


@compiled
def split_mixed(drawn, size, mass, past, words, m, r, phases, k0, k1):
    """`pick_mixed` by splits; `past` (A,) sums the counts of models 1 .. m - 1, all of one size.

    phases: the number of samples of p(0), samples of models, samples of p(0).
    """
    slots = past.size
    real, ends, synthetic = np.int64(size), np.zeros(slots + 1, np.int64), np.zeros(slots, np.int64)
    if m > 1:
        first = np.int64(0)
        u, v = units(first, m, r, phases[0], k0, k1)
        real = binomial(real, 1.0 / m, u, v, first, m, r, phases[0], k0, k1)
        for j in range(slots):
            ends[j + 1] = ends[j] + past[j]
        split(synthetic, size - real, ends, slots, words, 0, m, r, phases[1], k0, k1)
    split(drawn, real, mass, slots, words, 0, m, r, phases[2], k0, k1)
    for j in range(slots):
        drawn[j] += synthetic[j]
