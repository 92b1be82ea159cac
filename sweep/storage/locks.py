"""Locks on files, which end with the process that holds them, on whichever node it runs.

Only a lock that another process holds is reported as held. A file system
without locks raises OSError: its users say so in their own words.
"""

import contextlib
import fcntl
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any


def try_lock(file: IO[Any], *, shared: bool = False) -> bool:
    """Lock an open file, alone or shared; False if another process holds it.

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
    """A context that holds the lock of a file, made if need be, in a folder that exists.

    Gives False, and holds nothing, if another process holds it; with `wait` it
    waits for the lock instead. Raises OSError where the file system has no locks.
    """
    with open(path, "a+") as file:
        if wait:
            fcntl.flock(file, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
            yield True
        else:
            yield try_lock(file, shared=shared)
