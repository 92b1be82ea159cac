"""Estimated cost of a cell of the statistical model: seconds, fitted to measurements on one core,
and memory."""

import itertools
import math

from sweep.cells.cell import Cell
from sweep.models.theory import collapse_time
from sweep.models.theory.deviation import LARGEST_TABLE
from sweep.results.theory import DEVIATION_WORK


def seconds(cell: Cell) -> float:
    """Estimate the seconds to simulate a cell on one core."""
    M = cell.generations
    # Costs change slowly with m: a few generations represent those around them.
    points = sorted({round(M ** (k / 24)) for k in range(25)})
    ends = [1, *((a + b + 1) // 2 for a, b in itertools.pairwise(points)), M + 1]
    computing: float = sum(
        (last - first) * at_work(cell, m) * generation_seconds(cell, m)
        for m, (first, last) in zip(points, itertools.pairwise(ends), strict=True)
    )
    storing = 6e-8 * M
    return cell.replicates * (computing + storing)


def at_work(cell: Cell, m: int) -> float:
    """Estimate the share of runs that are not absorbed by generation m; E[T] is about 2n."""
    schedule = cell.schedule
    if schedule.N is not None or schedule.rule.real_for_ever:
        return 1.0
    return math.exp(-m / (2 * schedule.total(m) * (schedule.K or 1)))


def living(cell: Cell, m: int) -> int:
    """Estimate the tokens alive in model m: without real data about 2n / m are left."""
    schedule, support = cell.schedule, cell.source.support
    total = schedule.total(m)
    if schedule.rule.keeps == "real" or schedule.rule.keeps == "all":
        return min(support, total, schedule.N or 1)
    if schedule.N is None and not schedule.rule.real_for_ever:
        return min(support, total, 1 + 2 * total * (schedule.K or 1) // m)
    return min(support, total)


def generation_seconds(cell: Cell, m: int) -> float:
    """Estimate the seconds of generation m of one run on one core, drawn by picks or by splits."""
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
            # In a pool much larger than the number of picks, each pick is a search.
            pick = 2 if schedule.total(t) <= 4 * size else 5
            cost += 40 + min(pick * size, 40 * alive)
    if schedule.rule.keeps != "nothing":
        cost += 5 * A
    if schedule.rule.subsample:
        cost += min(25 * n, 150 * alive)
    return cost * 1e-9


def theory_seconds(cell: Cell) -> float:
    """Estimate the seconds of all theory, within a factor of about two of measurements."""
    schedule, M = cell.schedule, cell.generations
    n, N, total = schedule.n or 0, schedule.N or 0, 0.0
    name = "full" if schedule.name == "recent" and schedule.K == 1 else schedule.name
    if name == "full" and n <= collapse_time.LARGEST_N:
        total += 4e-8 * n**2 + 4e-6 * M
    if name in ("full", "partial", "matched"):
        full, first = name == "full", n if name == "full" else N
        expected = float(cell.source.probabilities().max()) * first
        starts = min(first + 1.0, expected + 6 * expected**0.5 + 10)
        entries = (n + 1.0) * (n + 1 if full else N + n + 1)
        row = (n + 1.0 if full else min(n + 1.0, 40 * (n / 4 + 1) ** 0.5)) ** 2 / 8
        work = M * starts * (row + 1e5 * (not full))
        if entries <= LARGEST_TABLE and work <= DEVIATION_WORK:
            moves = starts * (min(M, 20 * n) if full else M)
            total += 3e-8 * entries + moves * (2e-10 if full else 1e-9) * row
            total += 1.2e-5 * moves * (not full)
    return total


def memory(cell: Cell) -> int:
    """Estimate the bytes of the models of one run and of the loop, without the curves.

    Runs are simulated in blocks; a block of many small runs needs little. The loop holds
    words and pool (`models.statistical.steps.SPLIT` samples a token), ends of slots, and
    some distributions.
    """
    schedule, support = cell.schedule, cell.source.support
    alive = min(support, schedule.largest_total(cell.generations))
    most = max(schedule.n or 0, schedule.N or 0)
    words = 16 * min(support, most) + 16 * min(most, 24 * support)
    scratch = 8 * schedule.reach(cell.generations) * alive + 40 * alive + 80 * support
    return models_memory(cell) + words + scratch


def models_memory(cell: Cell) -> int:
    """Estimate the bytes of the models of one run, doubled because a step copies them."""
    schedule, support = cell.schedule, cell.source.support
    alive = min(support, schedule.largest_total(cell.generations))
    window = (schedule.K or 0) if schedule.rule.keeps == "window" else 0
    return 2 * (12 * schedule.reach(cell.generations) * alive + 8 * (window + 2) * support)
