"""Curves of a cell as a file of arrays."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sweep.storage.atomic import replace_file

Curves = dict[str, NDArray[Any]]
"""sigma, p_max, deviation, deviation_p0, support, entropy, js_p0, tail, collapsed:
shape (R, M); collapse_time, absorption_time: shape (R,), 0 where not reached by M."""


def save(path: Path, arrays: Curves, *, safe: bool = True) -> None:
    """Write an .npz that is either whole or absent; `safe`: also after a power cut."""
    # numpy's stubs take any of **arrays for its own keyword allow_pickle.
    replace_file(path, lambda file: np.savez(file, **arrays), safe=safe)  # type: ignore[arg-type]


def load(path: Path, names: Collection[str] | None = None) -> Curves:
    """The arrays of an .npz, or some of them; pickles are refused."""
    with np.load(path, allow_pickle=False) as file:
        return {name: file[name] for name in file.files if names is None or name in names}
