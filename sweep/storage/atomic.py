"""Files that are written whole or not at all."""

import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO


def replace_file(path: Path, write_to: Callable[[BinaryIO], object], *, safe: bool = True) -> None:
    """Have `write_to` write a file that takes the place of `path`, whole or not at all.

    safe: also after a power cut, which costs some milliseconds.
    """
    # Not the process id: two nodes of a cluster may have the same.
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
    """Write a file, whole or not at all; see `replace_file`."""
    replace_file(path, lambda file: file.write(content), safe=safe)
