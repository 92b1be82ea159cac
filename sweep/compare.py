"""Several sweeps on one page, side by side, from the store alone."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from sweep import charts, figures, page, panels
from sweep.checks import ConfigError
from sweep.panels import LITTLE_WORK
from sweep.tables import Entry, entries_of, labels
from sweep.tracking import Row, Tracker

MOST_SWEEPS = 8
"""Sweeps of one page."""
FEWEST_CURVES = 3
"""Cells of each sweep that are drawn, however many sweeps there are."""

Found = tuple[Tracker, Row]
"""The run of a sweep, and the tracker that knows it."""


def pick(found: Sequence[Found], asked: str) -> list[Found]:
    """The sweeps that ids, or beginnings of ids, between commas name; all; nothing: the latest.

    Of a sweep that was run anew, the latest run. Raises ConfigError.
    """
    latest = {row.key: (tracker, row) for tracker, row in sorted(found, key=_started)}
    known = f"this store has: {', '.join(sorted(latest)[:10]) or 'none'}"
    if not latest:
        raise ConfigError(f"sweep: got {asked!r}; {known}")
    if asked == "":
        return [max(latest.values(), key=_started)]
    if asked == "all":
        if len(latest) > MOST_SWEEPS:
            raise ConfigError(
                f"sweep: all are {len(latest)} here; allowed: up to {MOST_SWEEPS} on a page; "
                "name them, sweep=ID1,ID2, or give tracking.experiment=NAME"
            )
        return list(latest.values())
    picked = []
    for name in dict.fromkeys(asked.split(",")):
        matching = [key for key in latest if name and key.startswith(name)]
        if not matching:
            raise ConfigError(f"sweep: got {name!r}; {known}")
        if len(matching) > 1:
            raise ConfigError(
                f"sweep: got {name!r}, which begins several: {', '.join(sorted(matching)[:10])}; "
                "write more of it"
            )
        picked.append(latest[matching[0]])
    if len(picked) > MOST_SWEEPS:
        raise ConfigError(f"sweep: got {len(picked)} ids; allowed: up to {MOST_SWEEPS} on a page")
    return list({row.key: (tracker, row) for tracker, row in picked}.values())


def build(picked: Sequence[Found], output: Path) -> list[Path]:
    """Write the page of several sweeps, and its figure: the files. Raises ConfigError."""
    sweeps: list[page.Told] = []
    drawn: list[list[panels.Panel]] = []
    each = max(FEWEST_CURVES, charts.MOST_CELLS // len(picked))
    for tracker, parent in picked:
        entries = entries_of(tracker.read(parent.run))
        if not entries:
            raise ConfigError(f"sweep: {parent.key} has no cells yet; run its command again")
        name = parent.tags.get("experiment", "sweep")
        sweeps.append(page.Told(name=name, parent=parent, entries=entries))
        drawn.append(_panels(tracker, entries, each))
    keys = ",".join(told.parent.key for told in sweeps)
    folder = output / f"compare-{hashlib.sha256(keys.encode()).hexdigest()[:8]}"
    folder.mkdir(parents=True, exist_ok=True)
    letters = [page.letter(k) for k in range(len(sweeps))]
    files, images = _figure(drawn, letters, folder)
    html = folder / "report.html"
    groups = [f"{a} {told.name}" for a, told in zip(letters, sweeps, strict=True)]
    data = charts.data(drawn, groups)
    html.write_text(page.comparison(sweeps, images=images, chart=data), encoding="utf-8")
    return [*files, html]


def _panels(tracker: Tracker, entries: Sequence[Entry], most: int) -> list[panels.Panel]:
    done = [entry for entry in entries if entry.row.status == "FINISHED"]
    names = labels([entry.cell for entry in done])[0] if done else []
    work = dict.fromkeys(figures.chosen(len(done), most), LITTLE_WORK)
    return list(panels.load(tracker, done, names, charts.NEEDED, work).values())


def _figure(
    drawn: Sequence[Sequence[panels.Panel]], letters: Sequence[str], folder: Path
) -> tuple[list[Path], list[tuple[Path, str]]]:
    """The means of all sweeps on the same axes, for paper."""
    most = max(2, len(figures.COLOURS) // len(drawn))
    lines = [
        replace(own[i], title=f"{name}: {own[i].title}")
        for name, own in zip(letters, drawn, strict=True)
        for i in figures.chosen(len(own), most)
    ]
    if not lines:
        return [], []
    lines = [lines[i] for i in figures.chosen(len(lines), len(figures.COLOURS))]
    count = sum(map(len, drawn))
    title = "side by side" + (f": {len(lines)} of {count} cells" if len(lines) < count else "")
    files = figures.save(figures.schedules_figure(lines, title), folder, "compare")
    names = ", ".join(panel.title for panel in lines)
    words = f"mean sigma and deviation against the generation for {names}"
    return files, [(files[0], words)]


def _started(pair: Found) -> int:
    return pair[1].start_ms
