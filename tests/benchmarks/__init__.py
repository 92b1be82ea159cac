"""Benchmarks on one core: `make bench`.

A module of this package with a function `main() -> Iterable[Table]` is a benchmark.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Table:
    """What a benchmark found."""

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""
    """How to read it."""


def fastest(*calls: Callable[[], object], rounds: int = 5) -> list[float]:
    """Least seconds of each call, taken in turns so that a busy machine slows all alike.

    A turn of a short call is some milliseconds of it; the first call of each,
    which may compile, does not count.
    """
    found = [float("inf")] * len(calls)
    for call in calls:
        call()
    for _ in range(rounds):
        for k, call in enumerate(calls):
            until = time.perf_counter() + 0.02
            while (start := time.perf_counter()) < until:
                call()
                found[k] = min(found[k], time.perf_counter() - start)
    return found
