"""Curves of a cell as .npz files."""

from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np

from sweep.cells.outcome import Curves
from sweep.storage.atomic import replace_file


def save(path: Path, arrays: Curves, *, safe: bool = True) -> None:
    """Write an .npz atomically; `safe`: also survive a power cut. Raises OSError if that fails."""
    # numpy's stubs mistake **arrays for the keyword allow_pickle.
    replace_file(path, lambda file: np.savez(file, **arrays), safe=safe)  # type: ignore[arg-type]


def load(path: Path, names: Collection[str] | None = None) -> Curves:
    """Read the arrays of an .npz, or only those named. Raises ValueError for pickles."""
    with np.load(path, allow_pickle=False) as file:
        return {name: file[name] for name in file.files if names is None or name in names}


def joined(parts: Sequence[Curves], axis: int) -> Curves:
    """Concatenate curves that have the same names along an axis."""
    return {name: np.concatenate([p[name] for p in parts], axis=axis) for name in parts[0]}
