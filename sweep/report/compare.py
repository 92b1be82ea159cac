"""Several sweeps on one page, side by side, from the store alone."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from sweep.cells import thinning
from sweep.cells.labels import labels
from sweep.config.validate import ConfigError
from sweep.report import cell_curves
from sweep.report.cell_curves import LITTLE_WORK, CellCurves
from sweep.report.cell_runs import CellRun, cell_runs
from sweep.report.figures.axes import COLOURS
from sweep.report.figures.curves import schedules_figure
from sweep.report.figures.files import save
from sweep.report.find import Sweeps
from sweep.report.html import charts, page
from sweep.tracking.base import Tracker

FEWEST_CURVES = 3
"""Cells of each sweep that are drawn, however many sweeps there are."""


def build(picked: Sweeps, output: Path) -> list[Path]:
    """Write the page of several sweeps, and its figure: the files. Raises ConfigError."""
    sweeps: list[page.ReportContext] = []
    drawn: list[list[CellCurves]] = []
    each = max(FEWEST_CURVES, charts.MOST_CELLS // len(picked))
    for tracker, parent in picked:
        entries = cell_runs(tracker.runs(parent.id))
        if not entries:
            raise ConfigError(f"sweep: {parent.key} has no cells yet; run its command again")
        name = parent.tags.get("experiment", "sweep")
        sweeps.append(page.ReportContext(name=name, parent=parent, entries=entries))
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


def _panels(tracker: Tracker, entries: Sequence[CellRun], most: int) -> list[CellCurves]:
    done = [entry for entry in entries if entry.run.status == "FINISHED"]
    names = labels([entry.cell for entry in done])[0] if done else []
    work = dict.fromkeys(thinning.chosen(len(done), most), LITTLE_WORK)
    return list(cell_curves.load(tracker, done, names, charts.NEEDED, work).values())


def _figure(
    drawn: Sequence[Sequence[CellCurves]], letters: Sequence[str], folder: Path
) -> tuple[list[Path], list[tuple[Path, str]]]:
    """The means of all sweeps on the same axes, for paper."""
    most = max(2, len(COLOURS) // len(drawn))
    lines = [
        replace(own[i], title=f"{name}: {own[i].title}")
        for name, own in zip(letters, drawn, strict=True)
        for i in thinning.chosen(len(own), most)
    ]
    if not lines:
        return [], []
    lines = [lines[i] for i in thinning.chosen(len(lines), len(COLOURS))]
    count = sum(map(len, drawn))
    title = "side by side" + (f": {len(lines)} of {count} cells" if len(lines) < count else "")
    files = save(schedules_figure(lines, title), folder, "compare")
    names = ", ".join(panel.title for panel in lines)
    words = f"mean sigma and deviation against the generation for {names}"
    return files, [(files[0], words)]
