"""Which workers of a sweep are alive, by a lock that ends with its process, on any node.

A killed driver leaves workers behind for a moment. Each worker holds a shared lock; a
driver that starts the sweep again waits until it can take the lock exclusively.
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
    """Count as a worker of the sweep with the run `parent`, in the context."""
    with locked(_lock(store, parent), wait=True, shared=True):
        yield


def gone(store: Store, parent: str, seconds: float) -> bool:
    """Wait until no worker of the sweep is left; False if some are left after these seconds."""
    deadline = time.monotonic() + seconds
    with open(_lock(store, parent), "a+") as file:
        while not try_lock(file):
            if time.monotonic() > deadline:
                return False
            time.sleep(0.1)  # the end of a process gives no signal
    return True
