"""Files that are written whole or not at all."""

from pathlib import Path
from typing import BinaryIO

import pytest

from sweep.storage.atomic import replace_file, write_bytes


@pytest.mark.parametrize("safe", [True, False])
def test_what_fails_in_the_middle_leaves_the_old_file_alone(tmp_path: Path, safe: bool) -> None:
    path = tmp_path / "a"
    write_bytes(path, b"old", safe=safe)

    def fail(file: BinaryIO) -> None:
        file.write(b"half of the n")
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space left"):
        replace_file(path, fail, safe=safe)
    assert path.read_bytes() == b"old"
    write_bytes(path, b"new", safe=safe)
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]
