"""Results on disk, from being computed until they are delivered to the tracker.

The files of a cell are written atomically and hold arrays and JSON, no pickles.
They stay until the tracker has everything, so a crash loses no finished work,
and they include the start time of the cell, so that a replay sends the same
points again.
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
"""Results that took longer are synced to disk, which costs milliseconds; other results are computed
again if their file is torn."""


@dataclass(frozen=True, kw_only=True)
class Result:
    """A computed cell."""

    curves: Curves
    start_ms: int
    """Start of the computation, milliseconds since 1970."""
    seconds: float
    """Duration of the computation."""
    notes: tuple[str, ...] = ()
    """Remarks for the record of the run."""


def write(folder: Path, cell: str, result: Result, params: Mapping[str, str]) -> None:
    """Store a result under the id of its cell, with the params, from which the cell is rebuilt.

    Raises OSError if it cannot be written.
    """
    (folder / cell).mkdir(parents=True, exist_ok=True)
    safe = result.seconds > EXPENSIVE_SECONDS
    save(curves_file(folder, cell), result.curves, safe=safe)
    note = {
        "start_ms": result.start_ms, "seconds": result.seconds, "notes": result.notes,
        "params": dict(params),
    }  # fmt: skip
    # The note is written last: if it exists, the curves are complete.
    text = json.dumps(note).encode()
    replace_file(folder / cell / "result.json", lambda file: file.write(text), safe=safe)


def params(note: Path) -> dict[str, str] | None:
    """Read the params of the cell from a result.json; None if it cannot be read."""
    try:
        return dict(json.loads(note.read_text())["params"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def read(folder: Path, cell: str) -> Result | None:
    """Read the stored result of a cell; None if there is none, or it cannot be read."""
    try:
        note = json.loads((folder / cell / "result.json").read_text())
        note["notes"] = tuple(note["notes"])
        del note["params"]
        return Result(curves=load(curves_file(folder, cell)), **note)
    except Exception:  # a flipped bit can make zipfile raise almost anything: computed again
        return None


def finished(folder: Path, cell: str) -> bool:
    """Return whether a result of the cell is stored."""
    return (folder / cell / "result.json").exists()


def started(folder: Path, cell: str) -> int | None:
    """Return when a long cell was first started, milliseconds since 1970; None if not recorded."""
    try:
        return int((folder / cell / "started").read_text())
    except (OSError, ValueError):
        return None


def start(folder: Path, cell: str, start_ms: int) -> None:
    """Record when a long cell was started, from which the times of its points derive."""
    (folder / cell).mkdir(parents=True, exist_ok=True)
    replace_file(folder / cell / "started", lambda file: file.write(str(start_ms).encode()))


def curves_file(folder: Path, cell: str) -> Path:
    """Return the file of the curves of a cell; it is named like the artifact."""
    return folder / cell / "curves.npz"


def remove(folder: Path, cell: str) -> None:
    """Delete the folder of a cell whose result has been delivered."""
    shutil.rmtree(folder / cell, ignore_errors=True)
