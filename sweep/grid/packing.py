"""Cells to packs: one pack is one Tune trial, so that its cost is shared. Pure.

Measured: a Tune trial on a reused worker costs 20-40 ms, a packed cell under
1 ms besides its own work. Packs never change a result, only when it comes.
"""

import heapq
from collections.abc import Sequence

PACK_SECONDS = 5.0
"""Work that makes the cost of a pack small."""
PACKS_PER_SLOT = 4
"""Packs each worker should get, if that leaves them PACK_SECONDS / PACKS_PER_SLOT or more, so
that none waits long for the last."""


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
