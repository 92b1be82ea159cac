"""Cells to packs: one pack is one Tune trial, so that its cost is shared. Pure.

Measured: a Tune trial on a reused worker costs 20-40 ms, a packed cell under
1 ms besides its own work. Packs never change a result, only when it comes.
"""

import heapq
import itertools
import math
from collections.abc import Sequence

from models.recipe import Recipe
from sweep import laws
from sweep.grid import Cell
from sweep.grid_gpt import network_size
from sweep.summary import MOST_STEPS

PACK_SECONDS = 5.0
"""Work that makes the cost of a pack small."""
CPU_OPERATIONS = 9e10
"""Operations that one core does in a second while it trains."""
STEP_SECONDS = 0.4e-3
"""Of a training step for each layer, and once more, however small they are."""
WRITE_SECONDS, JUDGE_SECONDS = 6e-6, 12e-6
"""To write, and to write and judge, a token, however small the network is."""
PACKS_PER_SLOT = 4
"""Packs each worker should get, if that leaves them PACK_SECONDS / PACKS_PER_SLOT or more, so
that none waits long for the last."""


def seconds(cell: Cell) -> float:
    """Estimated seconds to compute and log a cell on one core."""
    schedule, M = cell.schedule, cell.generations
    if cell.recipe is not None:
        return _network_seconds(cell, cell.recipe)
    if cell.contexts is not None:
        table = cell.contexts.count(cell.source.s) * cell.source.s
        samples = schedule.largest_total(M) * (cell.contexts.draw == "text")
        return cell.replicates * M * (2e-4 + 1e-7 * table + 2e-6 * samples)
    # Costs change slowly with m: a few generations stand for those around them.
    points = sorted({round(M ** (k / 24)) for k in range(25)})
    ends = [1, *((a + b + 1) // 2 for a, b in itertools.pairwise(points)), M + 1]
    computing: float = sum(
        (last - first) * at_work(cell, m) * generation_seconds(cell, m)
        for m, (first, last) in zip(points, itertools.pairwise(ends), strict=True)
    )
    storing = 6e-8 * M
    return cell.replicates * (computing + storing) + logging_seconds(cell)


def logging_seconds(cell: Cell) -> float:
    """Estimated seconds to log a cell, with what theory says of it."""
    return laws.seconds(cell) + 0.03 + 0.00015 * 18 * min(cell.generations, MOST_STEPS)


def at_work(cell: Cell, m: int) -> float:
    """Estimated share of the runs that are not absorbed by generation m; E[T] is about 2n."""
    schedule = cell.schedule
    if schedule.N is not None or schedule.rule.real_for_ever:
        return 1.0
    return math.exp(-m / (2 * schedule.total(m) * (schedule.K or 1)))


def living(cell: Cell, m: int) -> int:
    """Estimated tokens alive in model m: without real data about 2n / m are left."""
    schedule, support = cell.schedule, cell.source.support
    total = schedule.total(m)
    if schedule.rule.keeps == "real" or schedule.rule.keeps == "all":
        return min(support, total, schedule.N or 1)
    if schedule.N is None and not schedule.rule.real_for_ever:
        return min(support, total, 1 + 2 * total * (schedule.K or 1) // m)
    return min(support, total)


def generation_seconds(cell: Cell, m: int) -> float:
    """Estimated seconds of generation m of one run, measured on one core; picks or splits."""
    schedule, A = cell.schedule, cell.source.support
    n, N, K, alive = schedule.n or 0, schedule.N or 0, schedule.K or 0, living(cell, m)
    cost = 40 + 8 * alive
    if schedule.rule.draws is None:
        cost += min(40 * n, 90 * A)
    else:
        draws = schedule.rule.draws(m, n, N, K)
        size = draws.pop(0, 0)
        cost += min(20 * size, 45 * A)
        for t, size in draws.items():
            # From a pool far above the picks each pick is searched for.
            pick = 2 if schedule.total(t) <= 4 * size else 5
            cost += 40 + min(pick * size, 40 * alive)
    if schedule.rule.keeps != "nothing":
        cost += 5 * A
    if schedule.rule.subsample:
        cost += min(25 * n, 150 * alive)
    return cost * 1e-9


def _network_seconds(cell: Cell, recipe: Recipe) -> float:
    """Training: six operations a parameter and token, and half of that again for all the rest;
    a forward pass: two. Where networks are tiny, calls and the counting of k-grams outweigh them.
    """
    network, training, measure, M = (
        recipe.network,
        recipe.training,
        recipe.measure,
        cell.generations,
    )
    forward = 2 * network_size(network, cell.source.s) / CPU_OPERATIONS
    steps = sum(training.length(cell.schedule.total(m), network.context) for m in range(1, M + 1))
    step = STEP_SECONDS * (1 + network.layers) * (training.shards or 1)
    step += 1.5 * 3 * forward * training.batch * network.context
    fit = steps * step + M * forward * training.evaluations * measure.validation
    # p(1) a second time, and p(0), are one generation more each; others may have made them.
    more = (measure.retrain + (recipe.truth == "trained") / cell.replicates) / M
    write = (cell.schedule.n or 0) * (WRITE_SECONDS + forward)
    judge = measure.tokens * (JUDGE_SECONDS + 2 * forward)
    return cell.replicates * (fit * (1 + more) + M * (write + judge)) + logging_seconds(cell)


def pack(costs: Sequence[float], slots: int) -> list[list[int]]:
    """Indices 0..len(costs)-1 in packs of about equal cost, the dearest first.

    At most len(costs) packs, never an empty one, and within a pack in order.
    """
    if not costs:
        return []
    total = sum(costs)
    share = total / (slots * PACKS_PER_SLOT)
    target = min(PACK_SECONDS, max(share, PACK_SECONDS / PACKS_PER_SLOT))
    count = min(len(costs), max(1, round(total / target)))
    packs: list[list[int]] = [[] for _ in range(count)]
    loads = [(0.0, k) for k in range(count)]
    # Longest processing time first: within 4/3 of the best possible balance.
    for index in sorted(range(len(costs)), key=lambda i: (-costs[i], i)):
        load, lightest = heapq.heappop(loads)
        packs[lightest].append(index)
        heapq.heappush(loads, (load + costs[index], lightest))
    return [sorted(packs[k]) for _, k in sorted(loads, key=lambda pair: (-pair[0], pair[1]))]
