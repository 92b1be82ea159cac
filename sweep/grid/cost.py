"""Estimated cost of cells, in seconds on one core. Pure."""

import itertools
import math

from models.gpt.config import Recipe
from models.theory import collapse_time
from models.theory import deviation as drift
from sweep.cells.cell import Cell
from sweep.cells.gpt import network_size
from sweep.cells.thinning import MOST_STEPS


def theory_seconds(cell: Cell) -> float:
    """Estimated seconds that `laws` takes on one core; measured, within a factor of two or so."""
    if cell.recipe is not None or cell.contexts is not None:
        return 0.0
    schedule, M = cell.schedule, cell.generations
    n, N, found = schedule.n or 0, schedule.N or 0, 0.0
    name = "full" if schedule.name == "recent" and schedule.K == 1 else schedule.name
    if name == "full" and n <= collapse_time.LARGEST_N:
        found += 4e-8 * n**2 + 4e-6 * M
    if name in ("full", "partial", "matched"):
        full, first = name == "full", n if name == "full" else N
        expected = float(cell.source.probabilities().max()) * first
        starts = min(first + 1.0, expected + 6 * expected**0.5 + 10)
        entries = (n + 1.0) * (n + 1 if full else N + n + 1)
        row = (n + 1.0 if full else min(n + 1.0, 40 * (n / 4 + 1) ** 0.5)) ** 2 / 8
        if entries <= drift.LARGEST_TABLE and M * starts * (row + 1e5 * (not full)) <= DRIFT_WORK:
            moves = starts * (min(M, 20 * n) if full else M)
            found += 3e-8 * entries + moves * (2e-10 if full else 1e-9) * row
            found += 1.2e-5 * moves * (not full)
    return found


CPU_OPERATIONS = 9e10
"""Operations that one core does in a second while it trains."""
STEP_SECONDS = 0.4e-3
"""Of a training step for each layer, and once more, however small they are."""


WRITE_SECONDS, JUDGE_SECONDS = 6e-6, 12e-6
"""To write, and to write and judge, a token, however small the network is."""


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
    return theory_seconds(cell) + 0.03 + 0.00015 * 18 * min(cell.generations, MOST_STEPS)


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


DRIFT_WORK = 4 * 10**9
"""Most multiplications for a cell's exact deviation: about two seconds."""
