"""Run a generator that tells of its progress to its end."""

from collections.abc import Generator
from typing import TypeVar

Told = TypeVar("Told")
Made = TypeVar("Made")


def finish(work: Generator[Told, None, Made]) -> Made:
    """What the work returns."""
    return tell(work)[1]


def tell(work: Generator[Told, None, Made]) -> tuple[list[Told], Made]:
    """Everything the work tells, and what it returns."""
    told = []
    while True:
        try:
            told.append(next(work))
        except StopIteration as end:
            return told, end.value
