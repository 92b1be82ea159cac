"""File locks, which the system releases when their process ends, on whichever node it runs.

Only a lock that another process holds counts as held. On a file system without
locks these functions raise OSError, which callers turn into their own messages.
"""

import contextlib
import fcntl
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any


def try_lock(file: IO[Any], *, shared: bool = False) -> bool:
    """Lock an open file, exclusively or shared; return False if another process holds it.

    Raises OSError where the file system has no locks.
    """
    how = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    try:
        fcntl.flock(file, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextlib.contextmanager
def locked(path: Path, *, wait: bool = False, shared: bool = False) -> Iterator[bool]:
    """Hold the lock of a file, which is created if needed; its folder must exist.

    Yields False, and holds nothing, if another process holds the lock; with `wait` it
    waits for the lock instead. Raises OSError where the file system has no locks.
    """
    with open(path, "a+") as file:
        if wait:
            fcntl.flock(file, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
            yield True
        else:
            yield try_lock(file, shared=shared)
