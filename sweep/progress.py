"""One progress bar: cells done, rate, time left; plain lines when nobody watches a terminal."""

import sys
import time
from collections.abc import Iterable
from typing import TextIO

from tqdm import tqdm

LINE_SECONDS = 30.0
"""Least time between two plain lines, besides the last."""


class Progress:
    """Counts cells on stderr; use as a context."""

    def __init__(self, total: int, stream: TextIO = sys.stderr) -> None:
        self._total = total
        self._ended: set[str] = set()
        self._failed: set[str] = set()
        self._stream = stream
        self._started = self._spoke = time.monotonic()
        self._bar = (
            tqdm(
                total=total,
                file=stream,
                unit="cell",
                dynamic_ncols=True,
                smoothing=0.1,
                bar_format="{desc}{percentage:3.0f}% |{bar}| {n_fmt}/{total_fmt} cells"
                " [{elapsed}, {remaining} left, {rate_fmt}]",
            )
            if stream.isatty()
            else None
        )

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()
        elif self._ended:
            self._line()

    def __call__(self, ended: Iterable[str], failed: Iterable[str] = ()) -> None:
        """Count cells by id, each once however often it is told."""
        new = set(ended) - self._ended
        self._ended |= new
        self._failed |= set(failed)
        if self._bar is not None:
            if self._failed:
                self._bar.set_description_str(f"{len(self._failed)} failed ")
            self._bar.update(len(new))
        elif len(self._ended) < self._total and time.monotonic() - self._spoke > LINE_SECONDS:
            self._line()

    def _line(self) -> None:
        self._spoke = time.monotonic()
        seconds = self._spoke - self._started
        failed = f", {len(self._failed)} failed" if self._failed else ""
        print(
            f"{len(self._ended)}/{self._total} cells in {seconds:.1f} s{failed}",
            file=self._stream,
            flush=True,
        )
