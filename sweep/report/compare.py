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
from sweep.report.cell_runs import CellRun, sorted_cell_runs
from sweep.report.figures.axes import COLOURS
from sweep.report.figures.curves import schedules_figure
from sweep.report.figures.files import own_style, save
from sweep.report.find import Sweeps
from sweep.report.html import charts, page
from sweep.tracking.base import Tracker

FEWEST_CURVES = 3
"""Fewest cells drawn of each sweep, however many sweeps there are."""


def build(picked: Sweeps, output: Path) -> list[Path]:
    """Write the page of several sweeps and its figure; returns the files. Raises ConfigError."""
    sweeps: list[page.ReportContext] = []
    drawn: list[list[CellCurves]] = []
    each = max(FEWEST_CURVES, charts.MOST_CELLS // len(picked))
    for tracker, parent in picked:
        cell_runs = sorted_cell_runs(tracker.runs(parent.id))
        if not cell_runs:
            raise ConfigError(f"sweep: {parent.key} has no cells yet; run its command again")
        name = parent.tags.get("experiment", "sweep")
        sweeps.append(page.ReportContext(name=name, parent=parent, cell_runs=cell_runs))
        drawn.append(_curves(tracker, cell_runs, each))
    keys = ",".join(context.parent.key for context in sweeps)
    folder = output / f"compare-{hashlib.sha256(keys.encode()).hexdigest()[:8]}"
    folder.mkdir(parents=True, exist_ok=True)
    letters = [page.letter(k) for k in range(len(sweeps))]
    files, images = _figure(drawn, letters, folder)
    html = folder / "report.html"
    groups = [f"{letter} {context.name}" for letter, context in zip(letters, sweeps, strict=True)]
    data = charts.data(drawn, groups)
    html.write_text(page.comparison(sweeps, images=images, chart=data), encoding="utf-8")
    return [*files, html]


def _curves(tracker: Tracker, cell_runs: Sequence[CellRun], most: int) -> list[CellCurves]:
    done = [cell_run for cell_run in cell_runs if cell_run.run.status == "FINISHED"]
    names = labels([cell_run.cell for cell_run in done])[0] if done else []
    work = dict.fromkeys(thinning.chosen(len(done), most), LITTLE_WORK)
    return list(cell_curves.load(tracker, done, names, charts.NEEDED, work).values())


def _figure(
    drawn: Sequence[Sequence[CellCurves]], letters: Sequence[str], folder: Path
) -> tuple[list[Path], list[tuple[Path, str]]]:
    """Draw the means of all sweeps on the same axes, for paper."""
    most = max(2, len(COLOURS) // len(drawn))
    lines = [
        replace(cells[i], title=f"{name}: {cells[i].title}")
        for name, cells in zip(letters, drawn, strict=True)
        for i in thinning.chosen(len(cells), most)
    ]
    if not lines:
        return [], []
    lines = [lines[i] for i in thinning.chosen(len(lines), len(COLOURS))]
    count = sum(map(len, drawn))
    title = "side by side" + (f": {len(lines)} of {count} cells" if len(lines) < count else "")
    with own_style():
        files = save(schedules_figure(lines, title), folder, "compare")
    names = ", ".join(cell.title for cell in lines)
    words = f"mean sigma and deviation against the generation for {names}"
    return files, [(files[0], words)]
