"""Results on disk between being computed and being delivered to the tracker.

A cell's file is written whole or not at all, and holds arrays only, no pickles.
It stays until the tracker has everything, so a crash costs no finished work,
and it carries the time at which the cell started, so that a replay sends
points that are equal to those already sent.
"""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sweep.cells.outcome import Curves
from sweep.results.arrays import load, save
from sweep.storage.atomic import replace_file

EXPENSIVE_SECONDS = 1.0
"""What took longer to compute is forced to the disk, milliseconds; a torn file is computed anew."""


@dataclass(frozen=True, kw_only=True)
class Result:
    """A computed cell."""

    curves: Curves
    start_ms: int
    """When it was started, milliseconds since 1970."""
    seconds: float
    """How long it took to compute."""
    notes: tuple[str, ...] = ()
    """What the record of the run should say besides its numbers."""


def write(folder: Path, cell: str, result: Result, params: Mapping[str, str]) -> None:
    """Store a result under the cell's id; params: what the cell is, for who finds it here."""
    (folder / cell).mkdir(parents=True, exist_ok=True)
    safe = result.seconds > EXPENSIVE_SECONDS
    save(curves_file(folder, cell), result.curves, safe=safe)
    note = {
        "start_ms": result.start_ms, "seconds": result.seconds, "notes": result.notes,
        "params": dict(params),
    }  # fmt: skip
    # The note comes last: where it stands, the curves are whole.
    text = json.dumps(note).encode()
    replace_file(folder / cell / "result.json", lambda file: file.write(text), safe=safe)


def params(note: Path) -> dict[str, str] | None:
    """What cell the result is of whose result.json this is; None if it cannot be read."""
    try:
        return dict(json.loads(note.read_text())["params"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def read(folder: Path, cell: str) -> Result | None:
    """The stored result of a cell, or None if there is none that can be read."""
    try:
        note = json.loads((folder / cell / "result.json").read_text())
        note["notes"] = tuple(note["notes"])
        del note["params"]
        return Result(curves=load(curves_file(folder, cell)), **note)
    except Exception:  # a flipped bit can make zipfile raise almost anything: computed again
        return None


def finished(folder: Path, cell: str) -> bool:
    """Whether a result of the cell lies here."""
    return (folder / cell / "result.json").exists()


def started(folder: Path, cell: str) -> int | None:
    """When a long cell was first started, milliseconds since 1970; None if nothing says so."""
    try:
        return int((folder / cell / "started").read_text())
    except (OSError, ValueError):
        return None


def start(folder: Path, cell: str, start_ms: int) -> None:
    """Remember when a long cell was started: the times of its points derive from that."""
    (folder / cell).mkdir(parents=True, exist_ok=True)
    replace_file(folder / cell / "started", lambda file: file.write(str(start_ms).encode()))


def curves_file(folder: Path, cell: str) -> Path:
    """Where the curves of a cell are, under the name they have as an artifact."""
    return folder / cell / "curves.npz"


def remove(folder: Path, cell: str) -> None:
    """Forget a result that has been delivered."""
    shutil.rmtree(folder / cell, ignore_errors=True)
