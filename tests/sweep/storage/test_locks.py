"""Locks on files, held by real processes, and what becomes of them when those are killed."""

import subprocess
import sys
from pathlib import Path

import pytest

from sweep.storage.locks import locked

HOLD = """
import sys
from pathlib import Path
from sweep.storage.locks import locked
with locked(Path(sys.argv[1]), shared=sys.argv[2] == "shared") as mine:
    print(mine, flush=True)
    sys.stdin.read()
"""


def holder(path: Path, how: str) -> "subprocess.Popen[str]":
    """A process that holds the lock until its stdin is closed or it is killed."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path), how],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "True\n"
    return process


def test_a_lock_is_held_by_one_process_and_ends_with_it(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    process = holder(path, "alone")
    with locked(path) as mine, locked(path, shared=True) as share:
        assert (mine, share) == (False, False)
    process.kill()
    process.wait()
    with locked(path) as mine:
        assert mine


def test_shared_locks_keep_out_one_that_wants_it_alone(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    process = holder(path, "shared")
    with locked(path, shared=True) as share:
        assert share
    with locked(path) as mine:
        assert not mine
    process.communicate("")
    with locked(path, wait=True) as mine:
        assert mine


def test_a_file_that_cannot_be_made_is_no_lock_that_is_held(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), locked(tmp_path / "nowhere" / "lock"):
        pass
