"""Distribution of cells over packs. A pack is one Tune trial, whose overhead its cells share.

Measured: a Tune trial on a reused worker costs 20-40 ms, a packed cell under
1 ms in addition to its computation. Packs never change a result, only its time.
Pure functions.
"""

import heapq
from collections.abc import Sequence

PACK_SECONDS = 5.0
"""Work per pack that makes the overhead of a trial negligible."""
PACKS_PER_SLOT = 4
"""Packs for each worker, if they are then PACK_SECONDS / PACKS_PER_SLOT or longer, so that no
worker waits long for the last pack."""


def pack(costs: Sequence[float], slots: int) -> list[list[int]]:
    """Distribute the indices 0..len(costs)-1 over packs of about equal cost.

    costs: estimated seconds. slots: how many packs run at once. Returns at most
    len(costs) packs, none of them empty, the most expensive first; indices rise within
    a pack.
    """
    if not costs:
        return []
    total = sum(costs)
    share = total / (slots * PACKS_PER_SLOT)
    target = min(PACK_SECONDS, max(share, PACK_SECONDS / PACKS_PER_SLOT))
    count = min(len(costs), max(1, round(total / target)))
    packs: list[list[int]] = [[] for _ in range(count)]
    loads = [(0.0, k) for k in range(count)]
    # Longest processing time first, within 4/3 of the optimum (Graham 1969).
    for index in sorted(range(len(costs)), key=lambda i: (-costs[i], i)):
        load, lightest = heapq.heappop(loads)
        packs[lightest].append(index)
        heapq.heappush(loads, (load + costs[index], lightest))
    return [sorted(packs[k]) for _, k in sorted(loads, key=lambda pair: (-pair[0], pair[1]))]
