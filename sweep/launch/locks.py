"""Which workers of a sweep are alive, by a lock that ends with its process, on whichever node.

A driver that was killed leaves workers behind for a moment. Each holds a share
of one lock; who starts the sweep again waits until it can have the lock whole.
"""

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

from sweep.storage.locks import locked, try_lock
from sweep.tracking.base import Store


def _lock(store: Store, parent: str) -> Path:
    path = store.state / "locks" / f"{parent}.workers"
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


@contextlib.contextmanager
def alive(store: Store, parent: str) -> Iterator[None]:
    """Count as a worker of the sweep, whose run is `parent`, in the context."""
    with locked(_lock(store, parent), wait=True, shared=True):
        yield


def gone(store: Store, parent: str, seconds: float) -> bool:
    """Wait until no worker of the sweep is left; False if some are after so many seconds."""
    deadline = time.monotonic() + seconds
    with open(_lock(store, parent), "a+") as file:
        while not try_lock(file):
            if time.monotonic() > deadline:
                return False
            time.sleep(0.1)  # a process that ends wakes nobody
    return True
