"""The compiled measures of a model, the eight rows of `models.statistical.model.CURVES`.

Models are noted one after the other and recorded together, so that the loop
over logarithms is long enough to vectorise.
"""

import math

import numpy as np

from .jit import compiled, inlined
from .structs import Batch

BATCH = 1024
"""Tokens, or models, that are measured together."""


def empty_batch(C: int) -> Batch:
    """A batch for models of up to C tokens: the last one may begin at token BATCH - 1."""
    return Batch(
        noted=np.empty((2, BATCH + C)),
        terms=np.empty((3, BATCH + C)),
        sums=np.empty((BATCH, 4)),
        alive=np.empty(BATCH, np.int64),
    )


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
def note(batch, at, row, models, total, results, initial, r, w):
    """Note the model at place w as number `row` of the batch, its tokens from slot `at` on.

    total: its training samples. The distances run over the living tokens alone: a
    dead token adds p1 (or p0), and those sum to 1.
    """
    p1, p0, alive = results.p1[r], initial.p, models.alive[r, w]
    ids, counts = models.ids[r, w], models.counts[r, w]
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
        batch.noted[0, at + j] = c / size
        batch.noted[1, at + j] = q
    batch.sums[row, 0] = squares / (size * size)
    batch.sums[row, 1] = largest / size
    batch.sums[row, 2] = distance / (size * p1_total)
    batch.sums[row, 3] = rare / size
    batch.alive[row] = alive


@compiled
def _terms(terms, p, q, count):
    """Terms of deviation_p0, entropy and js_p0 of noted tokens, without a sum: it vectorises."""
    for j in range(count):
        half = (p[j] + q[j]) / 2
        terms[0, j] = abs(p[j] - q[j]) - q[j]
        terms[1, j] = p[j] * _log(p[j])
        # 1e-300: log 0 is never computed, and 0 log 0 is 0.
        terms[2, j] = q[j] * _log(max(q[j], 1e-300)) - 2 * half * _log(half)


@compiled
def record(curves, r, row, rows, batch):
    """Write the curves of the `rows` models of a batch to curves[:, r, row : row + rows].

    A dead token adds p0 log(2) / 2 to the Jensen-Shannon divergence.
    """
    noted, terms, sums, alive = batch
    _terms(terms, noted[0], noted[1], alive[:rows].sum())
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
