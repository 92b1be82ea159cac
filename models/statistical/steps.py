"""The compiled steps of one generation of one replicate, in their order.

    draw      samples of p(0) and of past models, as counts
    select    of those drawn and those kept, the training set
    estimate  from the counts of the training set to the model: the empirical distribution
    weigh     the weights by which later generations draw from the model

Counts are passed on by token, in `Scratch.tally`. Where `is_direct`, model m is
what is drawn from one past model, and its counts pass by slot of that model, in
`Scratch.drawn`: `select` is skipped, and the cost does not depend on A.

Another source belongs in `draw`, a choice among samples in `select` (and in
`is_direct`), sample weights and other estimators in `estimate`, decoding in `weigh`.

Samples of a model are drawn in one of two ways, which their number and the
model's L living tokens alone decide, so that neither the vocabulary nor a large
n costs anything:

    picks    size <= SPLIT L: so many uniform picks from the model's samples
    splits   above: the samples are halved over the L tokens by L - 1 binomials

Where p(0) is drawn from, and where each sample picks its model, L is A.

Random numbers are those of `models.statistical.variates`: a generation depends on key and
counter alone. With more than one source, draws are numbered through.
"""

import numpy as np

from . import sampling
from .jit import compiled, inlined
from .structs import KEEP_ALL, KEEP_NOTHING, KEEP_WINDOW, Plan, Scratch

PHASE_REAL, PHASE_PICK, PHASE_MODEL, PHASE_CHOOSE = np.arange(4)
PHASE_REAL_SPLIT, PHASE_SPLIT, PHASE_MODEL_SPLIT, PHASE_CHOOSE_SPLIT = np.arange(4, 8)
"""Fourth word of the counter: samples of p(0), of a model, which model to draw
from (schedule `random`), which kept samples to train on (`accumulate_subsample`);
by picks, and by splits. numpy integers: numba would compile every function again
for each plain constant."""
MIXED = (PHASE_MODEL, PHASE_PICK, PHASE_REAL)
MIXED_SPLIT = (PHASE_MODEL_SPLIT, PHASE_SPLIT, PHASE_REAL_SPLIT)
SPLIT = 24
"""Picks that cost as much as the binomial of one living token. A fixed number: bits
depend on it."""


def empty_scratch(plan: Plan, A: int, W: int, C: int) -> Scratch:
    """Buffers for a plan and models of these shapes."""
    by_splits = plan.mixed > SPLIT * A
    return Scratch(
        words=np.empty(
            4 + max(2 * sampling.CHUNK, 4 * min(A, plan.largest // SPLIT + 1)), np.uint32
        ),
        pool=np.empty(sampling.POOLED * min(plan.largest, SPLIT * A), np.uint32),
        tree=np.empty(A + 1 if plan.chosen > 0 else 0, np.int64),
        ends=np.zeros((W, C + 1), np.int64),
        past=np.zeros(A if by_splits else 0, np.int64),
        drawn=np.empty(A, np.int64),
        tally=np.zeros(A, np.int64),
        met=np.empty(A, np.int32),
    )


@inlined
def is_direct(plan, row):
    """Whether the generation's training set is what it draws from one past model."""
    direct = False
    if plan.mixed == 0 and plan.keeps == KEEP_NOTHING:
        start = plan.starts[row]
        direct = plan.starts[row + 1] - start == 1 and plan.sources[start] > 0
    return direct


@inlined
def draw(plan, initial, models, work, row, direct, r, m, replicate, k0, k1):
    """Draw the samples of generation m: into tally, if `direct` into drawn.

    Returns how many tokens are listed in met, and the slots of the last model drawn from.
    """
    living, slots, first, block, W = np.int64(0), 0, 0, 0, models.alive.shape[1]
    if plan.mixed > SPLIT * initial.p.size:
        sampling.split_mixed(
            work.tally, plan.mixed, initial.cdf, work.past, work.words, m, replicate,
            MIXED_SPLIT, k0, k1,
        )  # fmt: skip
    elif plan.mixed > 0:
        living = sampling.pick_mixed(
            work.tally, work.met, plan.mixed, initial.cdf, models.ids[r], work.ends,
            models.alive[r], work.words, m, replicate, MIXED, k0, k1,
        )  # fmt: skip
    else:
        for e in range(plan.starts[row], plan.starts[row + 1]):
            size, w = plan.sizes[e], plan.sources[e] % W
            if plan.sources[e] == 0:
                living = _draw_real(initial, work, size, living, m, replicate, k0, k1)
                continue
            slots = models.alive[r, w]
            if slots == 1:
                work.drawn[0] = size
            elif size > SPLIT * slots:
                sampling.split(
                    work.drawn, size, work.ends[w], slots, work.words, block, m, replicate,
                    PHASE_SPLIT, k0, k1,
                )  # fmt: skip
                block += slots
            else:
                sampling.pick(
                    work.drawn, size, work.ends[w], slots, work.pool, work.words, first, m,
                    replicate, PHASE_PICK, k0, k1,
                )  # fmt: skip
                first += 4 * ((size + 3) // 4)
            if not direct:
                for j in range(slots):
                    if work.drawn[j] > 0:
                        token = models.ids[r, w, j]
                        if work.tally[token] == 0:
                            work.met[living] = token
                            living += 1
                        work.tally[token] += work.drawn[j]
    return living, slots


@inlined
def _draw_real(initial, work, size, living, m, replicate, k0, k1):
    """Add `size` samples of p(0), the first source, to tally; returns how many tokens are met."""
    A = initial.p.size
    if size > SPLIT * A:
        sampling.split(
            work.drawn, size, initial.cdf, A, work.words, 0, m, replicate, PHASE_REAL_SPLIT,
            k0, k1,
        )  # fmt: skip
        for token in range(A):
            if work.drawn[token] > 0:
                work.met[living] = token
                living += 1
            work.tally[token] = work.drawn[token]
    else:
        living = sampling.pick_real(
            work.tally, work.met, living, size, initial.cdf, work.words, m, replicate,
            PHASE_REAL, k0, k1,
        )  # fmt: skip
    return living


@inlined
def select(plan, pool, work, living, r, m, replicate, k0, k1):
    """Turn tally from what is drawn into the training set, and list its tokens, rising, in met.

    Returns how many tokens are listed, and how many are in the pool.
    """
    A, held = work.tally.size, 0
    scan = plan.mixed > SPLIT * A or 16 * living > A  # else sorting the list costs less
    if plan.keeps != KEEP_NOTHING:
        held = _keep(plan.keeps, pool, work.tally, r, m)
        scan = True
    if plan.chosen > 0:
        _subsample(work.tally, plan.chosen, work.drawn, work.words, work.tree, m, replicate, k0, k1)
    if scan:
        living = 0
        for token in range(A):
            if work.tally[token] > 0:
                work.met[living] = token
                living += 1
    else:
        _sort(work.met, living)
    return living, held


@inlined
def _keep(keeps, pool, tally, r, m):
    """Keep what is drawn, and add what is kept to it; returns how many tokens are in the pool."""
    held = 0
    if keeps == KEEP_WINDOW:
        place = m % pool.sets.shape[1]
        for token in range(tally.size):
            pool.kept[r, token] += tally[token] - pool.sets[r, place, token]
            pool.sets[r, place, token] = tally[token]
            tally[token] = pool.kept[r, token]
    elif keeps == KEEP_ALL or m == 1:
        for token in range(tally.size):
            pool.kept[r, token] += tally[token]
            tally[token] = pool.kept[r, token]
    else:
        for token in range(tally.size):
            tally[token] += pool.kept[r, token]
    for token in range(tally.size):
        held += pool.kept[r, token] > 0
    return held


@compiled
def _subsample(tally, chosen, drawn, words, tree, m, r, k0, k1):
    """Reduce tally to `chosen` of its samples, without replacement; to all if they are fewer."""
    slots, tokens = np.int64(0), np.empty(tally.size, np.int32)
    ends = np.zeros(tally.size + 1, np.int64)
    for token in range(tally.size):
        if tally[token] > 0:
            tokens[slots] = token
            ends[slots + 1] = ends[slots] + tally[token]
            slots += 1
    if ends[slots] <= chosen:
        return
    if chosen > SPLIT * slots:
        sampling.choose_by_splits(
            drawn, chosen, ends, slots, words, m, r, PHASE_CHOOSE_SPLIT, k0, k1
        )
    else:
        sampling.choose_by_picks(
            drawn, chosen, ends, slots, words, tree, m, r, PHASE_CHOOSE, k0, k1
        )
    for j in range(slots):
        tally[tokens[j]] = drawn[j]


@compiled
def _sort(values, count):
    values[:count].sort()


@inlined
def estimate(plan, models, work, row, direct, living, slots, r, w):
    """Write the model to place w of the ring, and clear tally; returns its living tokens."""
    if direct:
        source, living = plan.sources[plan.starts[row]] % models.alive.shape[1], 0
        for j in range(slots):
            if work.drawn[j] > 0:
                models.ids[r, w, living] = models.ids[r, source, j]
                models.counts[r, w, living] = work.drawn[j]
                living += 1
    else:
        for j in range(living):
            models.ids[r, w, j] = work.met[j]
            models.counts[r, w, j] = work.tally[work.met[j]]
            work.tally[work.met[j]] = 0
    models.alive[r, w] = living
    return living


@inlined
def weigh(models, work, r, w):
    """Set the weights by which later generations draw from the model at place w: its counts."""
    for j in range(models.alive[r, w]):
        work.ends[w, j + 1] = work.ends[w, j] + models.counts[r, w, j]
        if work.past.size > 0:
            work.past[models.ids[r, w, j]] += models.counts[r, w, j]
