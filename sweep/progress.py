"""One progress bar: cells done, rate, time left; plain lines when nobody watches a terminal."""

import sys
import time
from collections.abc import Iterable, Mapping
from typing import TextIO

from tqdm import tqdm

LINE_SECONDS = 30.0
"""Least time between two plain lines, besides the last."""
AT_WORK_SECONDS = 2.0
"""Cells are named once the sweep has lasted this long."""


class Progress:
    """Counts cells on stderr, those at work by their share; use as a context.

    cells: id -> name of every cell.
    """

    def __init__(self, cells: Mapping[str, str], stream: TextIO = sys.stderr) -> None:
        self._cells = cells
        self._ended: set[str] = set()
        self._failed: set[str] = set()
        self._at: dict[str, tuple[float, str]] = {}
        self._stream = stream
        self._started = self._spoke = time.monotonic()
        self._bar = (
            tqdm(
                total=len(cells),
                file=stream,
                unit="cell",
                dynamic_ncols=True,
                smoothing=0.1,
                bar_format="{desc}{percentage:3.0f}% |{bar}| {n:.3g}/{total_fmt} cells"
                " [{elapsed}, {remaining} left{postfix}]",
            )
            if stream.isatty()
            else None
        )

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.set_postfix_str("")
            self._bar.close()
        elif self._ended:
            self._line()

    def __call__(
        self,
        ended: Iterable[str],
        failed: Iterable[str] = (),
        at: Mapping[str, tuple[float, str]] | None = None,
    ) -> None:
        """Count cells by id, each once however often it is told.

        at: of cells at work, how much is done, and what they are doing.
        """
        self._ended |= set(ended)
        self._failed |= set(failed)
        self._at |= at or {}
        self._at = {cell: state for cell, state in self._at.items() if cell not in self._ended}
        waited = time.monotonic() - self._spoke
        if self._bar is not None:
            if self._failed:
                self._bar.set_description_str(f"{len(self._failed)} failed ")
            if time.monotonic() - self._started > AT_WORK_SECONDS:
                self._bar.set_postfix_str(self._working(short=True), refresh=False)
            done = len(self._ended) + sum(share for share, _ in self._at.values())
            self._bar.update(max(0.0, done - self._bar.n))
        elif len(self._ended) < len(self._cells) and waited > LINE_SECONDS:
            self._line()

    def _working(self, *, short: bool) -> str:
        """What is being done; short: of the cell that told last."""
        if not self._at:
            return ""
        told = [f"{self._cells[cell].split(' ')[0]} {what}" for cell, (_, what) in self._at.items()]
        return told[-1].replace("generation ", "m=") if short else "; ".join(told)

    def _line(self) -> None:
        self._spoke = time.monotonic()
        seconds = self._spoke - self._started
        failed = f", {len(self._failed)} failed" if self._failed else ""
        working = f"; {self._working(short=False)}" if self._at else ""
        print(
            f"{len(self._ended)}/{len(self._cells)} cells in {seconds:.1f} s{failed}{working}",
            file=self._stream,
            flush=True,
        )
