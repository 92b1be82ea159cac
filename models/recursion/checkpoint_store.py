"""The interface through which a long computation stores its finished pieces.

A piece is a set of arrays under a name that determines what it depends on. `shared`
pieces serve every cell of a store; the others belong to one cell.
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

from numpy.typing import NDArray

Arrays = dict[str, NDArray[Any]]


class MissingCheckpointError(Exception):
    """Raised if model t, which was finished, is no longer in the store."""

    def __init__(self, t: int) -> None:
        super().__init__(f"model {t} is not in the checkpoint store")
        self.t = t


class CheckpointStore(Protocol):
    """Pieces by name."""

    def load(self, name: str, *, shared: bool = False) -> Arrays | None:
        """The piece, or None if there is no readable one."""
        ...

    def save(self, name: str, arrays: Mapping[str, NDArray[Any]], *, shared: bool = False) -> None:
        """Store a piece, completely or not at all."""
        ...

    def remove(self, name: str, *, shared: bool = False) -> None:
        """Remove a piece, if there is one."""
        ...

    def claim(self, name: str) -> AbstractContextManager[bool]:
        """A context in which no other process makes this piece; False if one already does."""
        ...


class InMemoryCheckpoints:
    """A store that lasts as long as the process, for tests and for models without `sweep`."""

    def __init__(self) -> None:
        self.pieces: dict[str, Arrays] = {}

    def load(self, name: str, *, shared: bool = False) -> Arrays | None:
        return self.pieces.get(name)

    def save(self, name: str, arrays: Mapping[str, NDArray[Any]], *, shared: bool = False) -> None:
        self.pieces[name] = dict(arrays)

    def remove(self, name: str, *, shared: bool = False) -> None:
        self.pieces.pop(name, None)

    def claim(self, name: str) -> AbstractContextManager[bool]:
        return nullcontext(True)
