"""Cells to packs: one pack is one Tune trial, so that its cost is shared. Pure.

Measured: a Tune trial on a reused worker costs 20-40 ms, a packed cell under
1 ms besides its own work. Packs never change a result, only when it comes.
"""

import heapq
from collections.abc import Sequence

from models.recipe import Recipe
from sweep.grid import Cell
from sweep.grid_gpt import network_size
from sweep.summary import MOST_STEPS

PACK_SECONDS = 5.0
"""Work that makes the cost of a pack small."""
CPU_OPERATIONS = 9e10
"""Operations that one core does in a second while it trains."""
PACKS_PER_SLOT = 4
"""Packs each worker should get, if that leaves them PACK_SECONDS / PACKS_PER_SLOT or more, so
that none waits long for the last."""


def seconds(cell: Cell) -> float:
    """Estimated seconds to compute and log a cell on one core."""
    schedule, M = cell.schedule, cell.generations
    if cell.recipe is not None:
        return _training_seconds(cell, cell.recipe)
    if cell.contexts is not None:
        table = cell.contexts.count(cell.source.s) * cell.source.s
        samples = schedule.largest_total(M) * (cell.contexts.draw == "text")
        return cell.replicates * M * (2e-4 + 1e-7 * table + 2e-6 * samples)
    picks = schedule.largest_pool(M)
    alive = min(cell.source.support, picks)
    computing = cell.replicates * M * (60 + 6 * picks + 4 * alive) * 1e-9
    logging = 0.03 + 0.00015 * 18 * min(M, MOST_STEPS)
    return computing + logging


def _training_seconds(cell: Cell, recipe: Recipe) -> float:
    """Six operations a parameter and token, and half of that again for all the rest."""
    network, training, M = recipe.network, recipe.training, cell.generations
    size = network_size(network, cell.source.s)
    tokens = sum(
        training.length(cell.schedule.total(m), network.context) for m in range(1, M + 1)
    ) * (training.batch * network.context)
    return 1.5 * 6 * size * tokens * cell.replicates / CPU_OPERATIONS


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
