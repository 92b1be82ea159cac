"""The contract between a model that is trained recursively and whoever runs it.

A model is a module with `init(setting) -> state` and
`step(setting, state, generations) -> (state, record)`. A record holds arrays of
shape (R, G) and is logged, never fed back; the state alone decides what comes
next. All randomness is a function of the setting and of counters in the state.
"""

from collections.abc import Iterator
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

Setting = TypeVar("Setting", contravariant=True)
State = TypeVar("State")
Record = dict[str, NDArray[np.float64]]


class Model(Protocol[Setting, State]):
    """What `models.statistical` is, and any other model has to be."""

    def init(self, setting: Setting, /) -> State: ...

    def step(
        self, setting: Setting, state: State, generations: int = 1, /
    ) -> tuple[State, Record]: ...


def chunks(start: int, stop: int, size: int) -> Iterator[int]:
    """Lengths of the steps that take a run from generation start to stop, `size` at most."""
    while start < stop:
        length = min(size, stop - start)
        yield length
        start += length
