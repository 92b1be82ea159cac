"""The compiled inner loop of the statistical model.

    R     replicates, A tokens of the support, W models kept in the ring
    C     slots of one model: at most min(A, n^(m)) tokens are alive in it
    L     tokens that are alive in one model, `alive[r, w]`
    G     generations advanced in one call: m0 + 1 .. m1

A model is held as its living tokens in rising order, `ids[r, w, :L]`, and how
many samples of each, `counts[r, w, :L]` (w = t mod W). Samples of a model are
drawn in one of two ways, which size and L alone decide, so that neither the
vocabulary nor a large n costs anything:

    picks    size <= SPLIT L: so many uniform picks from the model's samples
    splits   above: the samples are halved over the L tokens by L - 1 binomials

Where p(0) is drawn from, and where each sample picks its model, L is A.

Random numbers are those of `models.statistical.variates`: a generation depends on key and
counter alone. Draws for generation m with more than one source are numbered on.
"""

import math

import numpy as np

from models.statistical import sampling
from models.statistical.jit import compiled, inlined

PHASE_REAL, PHASE_PICK, PHASE_MODEL, PHASE_CHOOSE = np.arange(4)
PHASE_REAL_SPLIT, PHASE_SPLIT, PHASE_MODEL_SPLIT, PHASE_CHOOSE_SPLIT = np.arange(4, 8)
"""Fourth word of the counter: samples of p(0), of a model, which model to draw
from (schedule `random`), which kept samples to train on (`accumulate_subsample`);
by picks, and by splits. numba would compile every draw anew for each plain constant."""
NOTED = 1024
"""Tokens, and generations, that are measured at one go."""
KEEP_NOTHING, KEEP_REAL, KEEP_ALL, KEEP_WINDOW = 0, 1, 2, 3
"""What of the draws later generations are trained on again; see `models.schedules.Rule`."""
SPLIT = 24
"""Picks that cost as much as the binomial of one living token. A fixed number: bits
depend on it."""


@compiled
def _log(x):
    """log x of a positive normal x, below 1 ulp, by fdlibm's series (Sun 1993): it vectorises."""
    bits = np.float64(x).view(np.int64)
    power = (bits - 0x3FE6A09E667F3BCD) >> 52
    f = np.int64(bits - (power << 52)).view(np.float64) - 1.0
    s = f / (2.0 + f)
    z = s * s
    w = z * z
    odd = z * (0.6666666666666735130 + w * (0.2857142874366239149 + w * (
        0.1818357216161805012 + w * 0.1479819860511658591)))  # fmt: skip
    even = w * (0.3999999999940941908 + w * (0.2222219843214978396 + w * 0.1531383769920937332))
    half = 0.5 * f * f
    return (
        s * (half + odd + even) + power * 1.90821492927058770002e-10
    ) - half + f + power * 6.93147180369123816490e-01  # fmt: skip


@inlined
def _note(noted, at, row, sums, ids, counts, alive, total, p1, p0):
    """Note the tokens of generation `row` from slot `at` of noted = (p, q) on.

    sums[row]: what can be summed in whole numbers. The distances run over the
    living tokens alone: a dead token adds p1 (or p0), and those sum to 1.
    """
    squares, largest, rare, size = np.int64(0), np.int64(0), np.int64(0), float(total)
    p1_total = p1[p1.size - 1]
    distance = total * p1_total
    for j in range(alive):
        token, c = np.uint32(ids[j]), counts[j]
        c1, q = p1[token], p0[token]
        squares += c * c
        largest = max(largest, c)
        distance += abs(c * p1_total - c1 * total) - c1 * total
        rare += c if q * p0.size < 1 else 0
        noted[0, at + j] = c / size
        noted[1, at + j] = q
    sums[row, 0] = squares / (size * size)
    sums[row, 1] = largest / size
    sums[row, 2] = distance / (size * p1_total)
    sums[row, 3] = rare / size


@compiled
def _measure(terms, p, q, count):
    """Terms of deviation_p0, entropy and js_p0 of noted tokens: no loop carries anything over."""
    for j in range(count):
        half = (p[j] + q[j]) / 2
        terms[0, j] = abs(p[j] - q[j]) - q[j]
        terms[1, j] = p[j] * _log(p[j])
        # 1e-300: log 0 is never asked for, and 0 log 0 is 0.
        terms[2, j] = q[j] * _log(max(q[j], 1e-300)) - 2 * half * _log(half)


@compiled
def _record(curves, r, row, alive, rows, sums, noted, terms):
    """Write the eight curves of generations row .. row + rows - 1, noted one after the other.

    To the Jensen-Shannon divergence a dead token adds p0 log(2) / 2.
    """
    _measure(terms, noted[0], noted[1], alive[:rows].sum())
    at = 0
    for g in range(rows):
        gap, plogp, divergence, met = 0.0, 0.0, 0.0, 0.0
        for j in range(at, at + alive[g]):
            gap += terms[0, j]
            plogp += terms[1, j]
            divergence += terms[2, j]
            met += noted[1, j]
        at += alive[g]
        divergence += plogp + max(0.0, 1.0 - met) * math.log(2.0)
        curves[0, r, row + g] = sums[g, 0]
        curves[1, r, row + g] = sums[g, 1]
        curves[2, r, row + g] = sums[g, 2]
        curves[3, r, row + g] = max(0.0, 1.0 + gap)
        curves[4, r, row + g] = alive[g]
        curves[5, r, row + g] = 0.0 if alive[g] == 1 else max(0.0, -plogp)
        curves[6, r, row + g] = max(0.0, divergence / 2)
        curves[7, r, row + g] = sums[g, 3]


@compiled
def _subsample(tally, chosen, drawn, words, tree, m, r, k0, k1):
    """Leave `chosen` of the samples in tally, drawn without replacement; all if they are fewer."""
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
def advance(
    key, first, m0, m1, starts, sources, sizes, mixed, last_real, keeps, chosen, largest,
    cdf, p0,
    ids, counts, alive, kept, sets, p1, collapsed_at, absorbed_at, curves,
):  # fmt: skip
    """Take every replicate from generation m0 to m1; see `models.statistical.model` for the shapes.

    starts, sources, sizes: what is drawn for each generation; row m - m0 - 1 is
    starts[row] .. starts[row + 1]. mixed: n where each sample picks its model,
    else 0. last_real: the last generation that draws from p(0). keeps: one of
    the KEEP_ codes. chosen: how many of the kept samples are trained on, 0 for
    all. largest: most samples drawn of one source or chosen. cdf: (A + 1,), from
    0 to 1. first: the number of the first replicate. The last entry of p1[r] is
    its sum.
    """
    R, W, C = ids.shape
    A = p0.size
    k0, k1 = key
    by_splits = mixed > SPLIT * A
    picking = (PHASE_MODEL, PHASE_PICK, PHASE_REAL)
    splitting = (PHASE_MODEL_SPLIT, PHASE_SPLIT, PHASE_REAL_SPLIT)
    words = np.empty(4 + max(2 * sampling.CHUNK, 4 * min(A, largest // SPLIT + 1)), np.uint32)
    pool = np.empty(sampling.POOLED * min(largest, SPLIT * A), np.uint32)
    ends, drawn = np.zeros((W, C + 1), np.int64), np.empty(A, np.int64)
    tally, met = np.zeros(A, np.int64), np.empty(A, np.int32)
    tree = np.empty(A + 1 if chosen > 0 else 0, np.int64)
    past = np.zeros(A if by_splits else 0, np.int64)
    # Generations that are measured together, and their tokens.
    noted, terms = np.empty((2, NOTED + C)), np.empty((3, NOTED + C))
    sums, lives = np.empty((NOTED, 4)), np.empty(NOTED, np.int64)

    for r in range(R):
        who = first + r
        past[:] = 0
        for w in range(W if absorbed_at[r] == 0 else 0):
            for j in range(alive[r, w]):
                ends[w, j + 1] = ends[w, j] + counts[r, w, j]
                if by_splits:
                    past[ids[r, w, j]] += counts[r, w, j]
        rows, at = 0, 0
        for m in range(m0 + 1, m1 + 1):
            row, w = m - m0 - 1, m % W
            if absorbed_at[r] > 0:
                break

            # 1. Draw: counts by token in `tally`; of one model alone by its slots, in `drawn`.
            living, slots = 0, 0
            begin, end = (0, 0) if mixed > 0 else (starts[row], starts[row + 1])
            alone = keeps == KEEP_NOTHING and end - begin == 1 and sources[begin] > 0
            if by_splits:
                sampling.split_mixed(tally, mixed, cdf, past, words, m, who, splitting, k0, k1)
            elif mixed > 0:
                living = sampling.pick_mixed(
                    tally, met, mixed, cdf, ids[r], ends, alive[r], words, m, who, picking,
                    k0, k1,
                )  # fmt: skip
            draw, block = 0, 0
            for e in range(begin, end):
                size, v = sizes[e], sources[e] % W
                if sources[e] == 0:
                    if size > SPLIT * A:
                        sampling.split(
                            drawn, size, cdf, A, words, 0, m, who, PHASE_REAL_SPLIT, k0, k1
                        )
                        for token in range(A):
                            if drawn[token] > 0:
                                met[living] = token
                                living += 1
                            tally[token] = drawn[token]
                    else:
                        living = sampling.pick_real(
                            tally, met, living, size, cdf, words, m, who, PHASE_REAL, k0, k1
                        )
                    continue
                slots = alive[r, v]
                if slots == 1:
                    drawn[0] = size
                elif size > SPLIT * slots:
                    sampling.split(
                        drawn, size, ends[v], slots, words, block, m, who, PHASE_SPLIT, k0, k1,
                    )  # fmt: skip
                    block += slots
                else:
                    sampling.pick(
                        drawn, size, ends[v], slots, pool, words, draw, m, who, PHASE_PICK,
                        k0, k1,
                    )  # fmt: skip
                    draw += 4 * ((size + 3) // 4)
                if not alone:
                    for j in range(slots):
                        if drawn[j] > 0:
                            token = ids[r, v, j]
                            if tally[token] == 0:
                                met[living] = token
                                living += 1
                            tally[token] += drawn[j]
            scan = by_splits or 16 * living > A

            # 2. Put together with what is kept.
            held = 0
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
                scan = True
                for token in range(A):
                    held += kept[r, token] > 0
            if chosen > 0:
                _subsample(tally, chosen, drawn, words, tree, m, who, k0, k1)

            # 3. Train: the model is the list of its living tokens, in rising order.
            if alone:
                v, living = sources[begin] % W, 0
                for j in range(slots):
                    if drawn[j] > 0:
                        ids[r, w, living] = ids[r, v, j]
                        counts[r, w, living] = drawn[j]
                        living += 1
            else:
                if scan:
                    living = 0
                    for token in range(A):
                        if tally[token] > 0:
                            met[living] = token
                            living += 1
                else:
                    met[:living].sort()
                for j in range(living):
                    ids[r, w, j] = met[j]
                    counts[r, w, j] = tally[met[j]]
                    tally[met[j]] = 0
            alive[r, w] = living
            for j in range(living):
                ends[w, j + 1] = ends[w, j] + counts[r, w, j]
                if by_splits:
                    past[ids[r, w, j]] += counts[r, w, j]
            if m == 1:
                for j in range(living):
                    p1[r, ids[r, w, j]] = counts[r, w, j]
                p1[r, A] = ends[w, living]
            _note(
                noted, at, rows, sums, ids[r, w], counts[r, w], living, ends[w, living], p1[r], p0
            )
            lives[rows] = living
            at += living
            rows += 1
            if at >= NOTED or rows == NOTED or m == m1:
                _record(curves, r, row + 1 - rows, lives, rows, sums, noted, terms)
                rows, at = 0, 0

            # 4. Collapsed; absorbed if all that is left to draw from is one and the same token.
            if living == 1:
                if collapsed_at[r] == 0:
                    collapsed_at[r] = m
                same = m >= last_real and held <= 1
                for back in range(1, min(W, m)):
                    v = (m - back) % W
                    same = same and alive[r, v] == 1 and ids[r, v, 0] == ids[r, w, 0]
                if same:
                    absorbed_at[r] = m

        # 5. From absorption on nothing changes.
        if absorbed_at[r] > 0:
            done, w = max(0, absorbed_at[r] - m0), absorbed_at[r] % W
            if done == 0:
                total = counts[r, w, 0]
                _note(noted, 0, 0, sums, ids[r, w], counts[r, w], 1, total, p1[r], p0)
                lives[0], rows, done = 1, 1, 1
            if rows > 0:
                _record(curves, r, done - rows, lives, rows, sums, noted, terms)
            for k in range(8):
                curves[k, r, done:] = curves[k, r, done - 1]
