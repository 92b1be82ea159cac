"""Checkpoints of GPT cells on disk, see `models.recursion.checkpoint_store`.

Each checkpoint is an .npz file with checksums, complete or absent, that records
what it belongs to. One that is unreadable, or belongs to something else, is
rejected with a reason and made again.
"""

import json
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sweep.models.recursion.checkpoint_store import Arrays
from sweep.results.arrays import load, save
from sweep.storage.locks import locked

ABOUT = "about"
"""Name of the array that records what a checkpoint belongs to."""


class DiskCheckpoints:
    """Checkpoints of one cell in its folder, and shared ones in another folder.

    owner: id of the cell. machine: fingerprint of the device, see `models.gpt.device`.
    refused: reasons why checkpoints were rejected, for the record of the run; whoever
    reads them may clear the list.
    """

    def __init__(self, folder: Path, shared: Path, *, owner: str, machine: str) -> None:
        self._folder, self._shared = folder, shared
        self._owner, self._machine = owner, machine
        self.refused: list[str] = []

    def load(self, name: str, *, shared: bool = False) -> Arrays | None:
        path = self._path(name, shared)
        if not path.exists():
            return None
        try:
            pieces: Arrays = load(path)
            about = json.loads(str(pieces.pop(ABOUT)))
            owner, machine = about["owner"], about["machine"]
        except Exception as error:  # a flipped bit can make zipfile raise almost anything
            self._note(f"{name} cannot be read ({type(error).__name__}): made again")
            path.unlink(missing_ok=True)
            return None
        if owner != self._named(name, shared):
            self._note(f"{name} belongs to {owner}: made again")
            return None
        if machine != self._machine and name.endswith("-training"):
            self._note(f"{name} was started on {machine}: started again")
            return None
        if machine != self._machine:
            self._note(f"{name} was made on {machine} and used on {self._machine}")
        return pieces

    def save(self, name: str, arrays: Mapping[str, NDArray[Any]], *, shared: bool = False) -> None:
        path = self._path(name, shared)
        path.parent.mkdir(parents=True, exist_ok=True)
        about = {"owner": self._named(name, shared), "machine": self._machine}
        save(path, {**arrays, ABOUT: np.array(json.dumps(about))})

    def remove(self, name: str, *, shared: bool = False) -> None:
        self._path(name, shared).unlink(missing_ok=True)

    def claim(self, name: str) -> AbstractContextManager[bool]:
        self._shared.mkdir(parents=True, exist_ok=True)
        return locked(self._shared / f"{name}.lock")

    def _path(self, name: str, shared: bool) -> Path:
        return (self._shared if shared else self._folder) / f"{name}.npz"

    def _named(self, name: str, shared: bool) -> str:
        return name if shared else f"{name} of cell {self._owner}"

    def _note(self, text: str) -> None:
        if text not in self.refused:
            self.refused.append(text)
