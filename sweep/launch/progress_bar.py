"""A progress bar: cells done, rate, time left; plain lines where stderr is not a terminal."""

import os
import sys
import textwrap
import time
from collections.abc import Collection, Iterable, Mapping
from typing import TextIO

from tqdm import tqdm

from sweep.cells import labels
from sweep.cells.cell import Cell
from sweep.cells.outcome import Stage
from sweep.launch.eta import TimeLeft

FIRST_LINE, LAST_LINE = 5.0, 30.0
"""Seconds between two plain lines, except the last line: at first, then doubling, and at most."""
DRAW_SECONDS = 0.1
"""Least seconds between two updates of the bar."""
NAMED = 4
"""Most cells at work that a plain line names."""
BAR = 10
"""Least columns of the bar itself."""


class ProgressBar:
    """Counts cells on stderr, those at work by their share; use as a context.

    costs: cell id -> estimated seconds. before: ids of cells that were finished already.
    stream: stderr by default. title: name of the round, if there are several.
    """

    def __init__(
        self,
        cells: Iterable[Cell],
        costs: Mapping[str, float],
        before: Collection[str] = (),
        stream: TextIO | None = None,
        *,
        title: str = "",
    ) -> None:
        listed = list(cells)
        self._names = dict(zip((c.id for c in listed), labels.labels(listed)[0], strict=True))
        self._forecast = TimeLeft(costs, before)
        self._ended = set(before)
        self._failed: set[str] = set()
        self._at: dict[str, str] = {}
        stream = stream or sys.stderr
        self._stream, self._title = stream, title and f"{title}: "
        self._started = self._spoke = time.monotonic()
        self._gap = FIRST_LINE
        self._bar = (
            tqdm(
                total=1.0,
                file=stream,
                dynamic_ncols=True,
                bar_format=self._format(),
                leave=not title,
            )
            if stream.isatty()
            else None
        )

    def __enter__(self) -> "ProgressBar":
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._at = {}
            self._draw(self._bar)
            self._bar.close()
        elif self._ended:
            self._line()

    def begin(self, slots: int) -> None:
        """Set how many cells can be at work at once."""
        self._forecast.slots = slots

    def __call__(
        self,
        ended: Iterable[str],
        failed: Iterable[str] = (),
        at: Mapping[str, Stage] | None = None,
    ) -> None:
        """Count cells by id, each once however often it is reported; at: those at work."""
        now = time.monotonic()
        new = set(ended) - self._ended
        self._ended |= new
        self._failed |= set(failed)
        stages = {cell: Stage(*stage) for cell, stage in (at or {}).items()}
        self._at |= {cell: stage.what for cell, stage in stages.items()}
        self._at = {cell: what for cell, what in self._at.items() if cell not in self._ended}
        self._forecast.update(now, new, stages)
        if self._bar is not None:
            if now - self._spoke > DRAW_SECONDS:
                self._spoke = now
                self._draw(self._bar)
        elif len(self._ended) < len(self._names) and now - self._spoke > self._gap:
            self._gap = min(2 * self._gap, LAST_LINE)
            self._line()

    def _draw(self, bar: "tqdm") -> None:
        bar.bar_format = self._format()
        bar.n = self._forecast.share()
        bar.refresh()

    def _format(self) -> str:
        counts = f"{self._title}{len(self._ended)}/{len(self._names)} cells"
        if self._failed:
            counts += f", {len(self._failed)} failed"
        times = [tqdm.format_interval(time.monotonic() - self._started)]
        left, rate = self._forecast.left(), self._forecast.rate()
        if left is not None and self._at:
            times.append(f"{tqdm.format_interval(left)} left")
        if rate:
            times.append(_rate(rate))
        text = f"{counts} [{', '.join(times)}]"
        room = _columns(self._stream) - len(f"100%|| {text}") - BAR - 1
        text += self._working(room)
        return "{percentage:3.0f}%|{bar}| " + text.replace("{", "{{").replace("}", "}}")

    def _working(self, room: int) -> str:
        """Name the cells at work that fit into the room, the one that reported last first."""
        shown = ""
        for k, (cell, what) in enumerate(reversed(self._at.items())):
            rest = len(self._at) - k
            doing = what.replace("generation ", "m=")
            for name in (self._names[cell], self._names[cell].split(" ")[0]):
                longer = f"{shown}; {name} {doing}" if shown else f" {name} {doing}"
                if len(longer) + len(f" +{rest - 1}") * (rest > 1) <= room:
                    break
            else:
                return f"{shown} +{rest}" if shown else ""
            shown = longer
        return shown

    def _line(self) -> None:
        self._spoke = time.monotonic()
        seconds = self._spoke - self._started
        parts = [f"{self._title}{len(self._ended)}/{len(self._names)} cells in {seconds:.1f} s"]
        if self._failed:
            parts.append(f"{len(self._failed)} failed")
        left, rate = self._forecast.left(), self._forecast.rate()
        if left is not None and len(self._ended) < len(self._names):
            parts.append(f"{self._forecast.share():.0%} of the work")
            parts.append(f"about {left:.0f} s left")
            if rate:
                parts.append(_rate(rate).replace("/", " cells/"))
        text = ", ".join(parts)
        at_work = [f"{self._names[cell]} {what}" for cell, what in self._at.items()]
        if at_work:
            more = f" and {len(at_work) - NAMED} more" if len(at_work) > NAMED else ""
            text += f"; {'; '.join(at_work[:NAMED])}{more}"
        print(textwrap.fill(text, 79, subsequent_indent="  "), file=self._stream, flush=True)


def _rate(cells: float) -> str:
    """Format cells per second, in the unit that gives a number above one."""
    for unit, seconds in (("s", 1), ("min", 60)):
        if cells * seconds >= 1:
            return f"{cells * seconds:.3g}/{unit}"
    return f"{cells * 3600:.2g}/h"


def _columns(stream: TextIO) -> int:
    try:
        return os.get_terminal_size(stream.fileno()).columns or 80
    except OSError:
        return 80
