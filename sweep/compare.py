"""Several sweeps on one page, side by side, from the store alone."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from sweep import charts, figures, page, panels
from sweep.checks import ConfigError
from sweep.panels import LITTLE_WORK
from sweep.stored import Sweeps
from sweep.tables import Entry, entries_of, labels
from sweep.tracking import Tracker

FEWEST_CURVES = 3
"""Cells of each sweep that are drawn, however many sweeps there are."""


def build(picked: Sweeps, output: Path) -> list[Path]:
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
