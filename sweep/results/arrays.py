"""Curves of a cell as a file of arrays."""

from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np

from sweep.cells.outcome import Curves
from sweep.storage.atomic import replace_file


def save(path: Path, arrays: Curves, *, safe: bool = True) -> None:
    """Write an .npz that is either whole or absent; `safe`: also after a power cut."""
    # numpy's stubs take any of **arrays for its own keyword allow_pickle.
    replace_file(path, lambda file: np.savez(file, **arrays), safe=safe)  # type: ignore[arg-type]


def load(path: Path, names: Collection[str] | None = None) -> Curves:
    """The arrays of an .npz, or some of them; pickles are refused."""
    with np.load(path, allow_pickle=False) as file:
        return {name: file[name] for name in file.files if names is None or name in names}


def joined(parts: Sequence[Curves], axis: int) -> Curves:
    """Curves of the same names, put together along an axis."""
    return {name: np.concatenate([p[name] for p in parts], axis=axis) for name in parts[0]}
