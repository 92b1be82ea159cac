"""numba's compiler, with a cache on disk that notices a change in any compiled file.

`njit(cache=True)` checks only the file of the function itself, so a caller would
keep the old code of a function imported from another file: wrong bits, silently.
Here every cached function is stamped with a hash of all compiled files.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from numba import njit

FILES = (
    "jit.py", "variates.py", "sampling.py", "structs.py", "steps.py", "measures.py", "kernel.py",
)  # fmt: skip
"""This file, and every one of this package that compiled code is made from."""


def _stamp() -> str:
    """A hash of the text of all `FILES`."""
    folder = Path(__file__).parent
    return hashlib.sha256(b"\0".join((folder / name).read_bytes() for name in FILES)).hexdigest()


STAMP = _stamp()


def compiled(function: Callable[..., Any], *, counted: bool = True) -> Any:
    """`numba.njit`, cached until any of `FILES` changes.

    Raises ImportError if numba's cache is not stamped as expected.
    """
    # error_model: division as in C, which vectorises. _nrt: never inherited from a caller.
    dispatcher = njit(function, error_model="numpy", _nrt=counted)
    dispatcher.enable_caching()
    file = dispatcher._cache._cache_file
    if not hasattr(file, "_source_stamp"):
        raise ImportError("numba stamps its cache otherwise: see models/statistical/jit.py")
    file._source_stamp = STAMP
    return dispatcher


def uncounted(function: Callable[..., Any]) -> Any:
    """`compiled` without reference counts: for a function that neither makes nor returns arrays.

    Slices, named tuples of arrays and inlined parts are then free in it.
    """
    return compiled(function, counted=False)


def inlined(function: Callable[..., Any]) -> Any:
    """`numba.njit` for a function that is copied into its compiled callers.

    Outside an `uncounted` function, passing arrays in a call costs as much as ten picks, in
    counts of references.
    """
    return njit(function, error_model="numpy", inline="always")
