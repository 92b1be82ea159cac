"""Where a long computation keeps its finished pieces, passed in by who runs it.

A piece is a set of arrays under a name that says what it depends on. `shared`
pieces serve every cell of a store; the others belong to one cell.
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

from numpy.typing import NDArray

Arrays = dict[str, NDArray[Any]]


class MissingCheckpointError(Exception):
    """Model t, which was finished before, is not on the shelf any more."""

    def __init__(self, t: int) -> None:
        super().__init__(f"model {t} is not on the shelf")
        self.t = t


class CheckpointStore(Protocol):
    def load(self, name: str, *, shared: bool = False) -> Arrays | None:
        """The piece, or None if there is none that can be used."""
        ...

    def save(self, name: str, arrays: Mapping[str, NDArray[Any]], *, shared: bool = False) -> None:
        """Keep a piece, whole or not at all."""
        ...

    def remove(self, name: str, *, shared: bool = False) -> None:
        """Forget a piece, if it is there."""
        ...

    def claim(self, name: str) -> AbstractContextManager[bool]:
        """A context in which no other process makes this shared piece; False if one is at it."""
        ...


class InMemoryCheckpoints:
    """A shelf that lasts as long as the process: for tests, and to use models without the rest."""

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
