"""The compiled loop of the statistical model: all generations of all replicates.

Arrays come as the named tuples of `models.statistical.structs`; the parts of a generation
are those of `models.statistical.steps` and `models.statistical.measures`.

Cost of the tuples and parts, against one function of plain arrays, on one core over the
rows of `tests.benchmarks.engine`: compiled with numba's reference counts, each array read
from a tuple is counted, and a call took 1.04 to 2.8 times as long; without counts
(`models.statistical.jit.uncounted`), 0.88 to 1.03 times. They also add 9 us to a call, for
its arguments and buffers, and 2 s of 9 to a compilation.
"""

import numpy as np
from numpy.typing import NDArray

from . import measures, steps
from .jit import inlined, uncounted
from .structs import Initial, Models, Plan, Pool, Results


def advance(
    key: NDArray[np.uint32],
    first: int,
    m0: int,
    m1: int,
    plan: Plan,
    initial: Initial,
    models: Models,
    pool: Pool,
    results: Results,
) -> None:
    """Take every replicate from generation m0 to m1, in place.

    key: (2,) words of the stream; first: the number of the first replicate.
    """
    _, W, C = models.ids.shape
    work = steps.empty_scratch(plan, initial.p.size, W, C)
    batch = measures.empty_batch(C)
    _advance(key, first, m0, m1, plan, initial, models, pool, results, work, batch)


@inlined
def _remember_first(models, work, results, r, w):
    """Write p(1)."""
    alive = models.alive[r, w]
    for j in range(alive):
        results.p1[r, models.ids[r, w, j]] = models.counts[r, w, j]
    results.p1[r, results.p1.shape[1] - 1] = work.ends[w, alive]


@uncounted
def _mark(plan, models, results, held, r, m):
    """Mark collapse at m, and absorption: all that is left to draw from is the same token."""
    W = models.alive.shape[1]
    if results.collapsed_at[r] == 0:
        results.collapsed_at[r] = m
    token = models.ids[r, m % W, 0]
    absorbed = m >= plan.last_real and held <= 1
    for back in range(1, min(W, m)):
        w = (m - back) % W
        absorbed = absorbed and models.alive[r, w] == 1 and models.ids[r, w, 0] == token
    if absorbed:
        results.absorbed_at[r] = m


@uncounted
def _fill(batch, rows, initial, models, results, r, m0):
    """Record what is noted, and repeat the last to the end: after absorption nothing changes."""
    done, w = max(0, results.absorbed_at[r] - m0), results.absorbed_at[r] % models.ids.shape[1]
    if done == 0:
        measures.note(batch, 0, 0, models, models.counts[r, w, 0], results, initial, r, w)
        rows, done = 1, 1
    if rows > 0:
        measures.record(results.curves, r, done - rows, rows, batch)
    for k in range(results.curves.shape[0]):
        results.curves[k, r, done:] = results.curves[k, r, done - 1]


@uncounted
def _advance(key, first, m0, m1, plan, initial, models, pool, results, work, batch):
    R, W = models.alive.shape
    k0, k1 = key
    for r in range(R):
        replicate = first + r
        work.past[:] = 0
        for w in range(W if results.absorbed_at[r] == 0 else 0):
            steps.weigh(models, work, r, w)
        rows, at = 0, 0
        for m in range(m0 + 1, m1 + 1):
            if results.absorbed_at[r] > 0:
                break
            row, w, held = m - m0 - 1, m % W, 0
            direct = steps.is_direct(plan, row)
            living, slots = steps.draw(
                plan, initial, models, work, row, direct, r, m, replicate, k0, k1
            )
            if not direct:
                living, held = steps.select(plan, pool, work, living, r, m, replicate, k0, k1)
            living = steps.estimate(plan, models, work, row, direct, living, slots, r, w)
            steps.weigh(models, work, r, w)
            if m == 1:
                _remember_first(models, work, results, r, w)
            measures.note(batch, at, rows, models, work.ends[w, living], results, initial, r, w)
            at, rows = at + living, rows + 1
            if at >= measures.BATCH or rows == measures.BATCH or m == m1:
                measures.record(results.curves, r, row + 1 - rows, rows, batch)
                rows, at = 0, 0
            if living == 1:
                _mark(plan, models, results, held, r, m)
        if results.absorbed_at[r] > 0:
            _fill(batch, rows, initial, models, results, r, m0)
