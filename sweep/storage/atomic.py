"""Atomic writes: a file is replaced completely or not at all."""

import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO


def replace_file(path: Path, write_to: Callable[[BinaryIO], object], *, safe: bool = True) -> None:
    """Replace `path` with what `write_to` writes, completely or not at all.

    safe: also survive a power cut, which costs some milliseconds. Raises OSError if the
    file cannot be written; `path` is then unchanged.
    """
    # Not named by process id: two nodes of a cluster may share one.
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with open(temporary, "wb") as file:
            write_to(file)
            if safe:
                file.flush()
                os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_bytes(path: Path, content: bytes, *, safe: bool = True) -> None:
    """Write a file atomically; see `replace_file`."""
    replace_file(path, lambda file: file.write(content), safe=safe)
