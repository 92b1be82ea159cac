"""Standard streams that may be closed, full, or left by their reader, without harm to a command."""

import os
import sys
from typing import Any, TextIO, cast


class Tolerant:
    """A stream that falls silent at its first failed write, as `| head` and a full disk cause."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write as the stream does."""
        try:
            return self._stream.write(text)
        except OSError:
            self._silence()
            return len(text)

    def flush(self) -> None:
        """Flush as the stream does."""
        try:
            self._stream.flush()
        except OSError:
            self._silence()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def _silence(self) -> None:
        # What is buffered also goes there: at its exit, Python would fail on it once more.
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, self._stream.fileno())
        os.close(null)


def tolerate() -> None:
    """Let this process go on without any of its standard streams."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            # Otherwise the next file opened, perhaps a database, would become this stream.
            os.open(os.devnull, os.O_RDWR)
    # Python starts without the streams that are closed.
    if sys.stdout is None:
        sys.stdout = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")
    if sys.stderr is None:
        sys.stderr = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")
    sys.stdout = cast(TextIO, Tolerant(sys.stdout))
    sys.stderr = cast(TextIO, Tolerant(sys.stderr))
