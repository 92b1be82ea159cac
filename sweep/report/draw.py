"""The figures of a sweep, from the tracking store alone."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sweep.cells import labels, thinning
from sweep.cells.thinning import chosen
from sweep.report import cell_curves
from sweep.report.cell_curves import LITTLE_WORK
from sweep.report.cell_runs import CellRun
from sweep.report.display import display_of
from sweep.report.figures import threshold
from sweep.report.figures.against_n import overview_figure, series_name
from sweep.report.figures.axes import COLOURS
from sweep.report.figures.files import own_style, preview, save
from sweep.report.figures.registry import FIGURES
from sweep.report.html import charts
from sweep.results.theory import DEVIATION_WORK
from sweep.search import threshold_result, threshold_table
from sweep.search.threshold_result import ThresholdResult
from sweep.tracking.base import Run, Tracker

PREVIEW = "preview.png"
"""The first figure, small."""


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """The figures of a sweep, and the data of its charts."""

    files: list[Path] = field(default_factory=list)
    images: list[tuple[Path, str]] = field(default_factory=list)
    """Each PNG, with what it shows in words."""
    chart: dict[str, Any] = field(default_factory=dict)
    """`charts.data`."""


def draw(tracker: Tracker, parent: Run, cell_runs: Sequence[CellRun], folder: Path) -> Drawn:
    """Draw a sweep into the folder, as its `figure` tag says."""
    name = parent.tags.get("experiment", "sweep")
    kind = parent.tags.get("figure", "curves")
    answers = answers_of(tracker, parent) if kind == "threshold" else []
    with own_style():
        if answers:
            return _answers(tracker, parent, answers, name, folder)
        done = [cell_run for cell_run in cell_runs if cell_run.run.status == "FINISHED"]
        return _cells(tracker, name, kind, done, folder)


def answers_of(tracker: Tracker, parent: Run) -> list[ThresholdResult]:
    """The results of the threshold search of a sweep; none if they are not stored."""
    with tempfile.TemporaryDirectory() as scratch:
        try:
            path = tracker.download_artifact(parent.id, threshold_result.FILE, Path(scratch))
        except FileNotFoundError:
            return []
        return threshold_result.read(path)


def _answers(
    tracker: Tracker, parent: Run, answers: Sequence[ThresholdResult], name: str, folder: Path
) -> Drawn:
    """Draw a threshold search, next to the latest one of another model."""
    others: list[ThresholdResult] = []
    for run in tracker.runs(None):
        if run.tags.get("figure") == "threshold" and run.id != parent.id and not others:
            other = answers_of(tracker, run)
            if other and other[0].model != answers[0].model:
                others = [answer for answer in other if answer.criterion == answers[0].criterion]
    title = f"{name}: {threshold_table.shared(answers)}"
    figure = threshold.threshold_figure(answers, others, title)
    files = save(figure, folder, name)
    preview(figure, folder / PREVIEW)
    differ = threshold_table.differing(answers)
    lines = [
        f"{threshold_table.label(answer, differ)}: {threshold_table.interval(answer)}"
        for answer in answers
    ]
    words = "the largest harmless n over N, exact and from runs, and what the probes found: "
    words += "; ".join(lines[: thinning.MOST_ROWS])
    return Drawn(files=files, images=[(files[0], words)])


def _cells(tracker: Tracker, name: str, kind: str, done: Sequence[CellRun], folder: Path) -> Drawn:
    """Draw the finished cells of a sweep, and prepare the data of its charts."""
    if not done:
        return Drawn()
    display = display_of([cell_run.cell for cell_run in done])
    kind = display.figure or ("curves" if kind == "gpt" else kind)
    drawing = FIGURES.get(kind, FIGURES["curves"])
    names, shared = labels.labels([cell_run.cell for cell_run in done])
    picked = chosen(len(done), drawing.most or len(done))
    charted = thinning.shown(len(done))
    work = dict.fromkeys(picked, DEVIATION_WORK if drawing.deviation else 0)
    work |= {i: LITTLE_WORK for i in charted if not work.get(i)}
    loaded = cell_curves.load(tracker, done, names, {*drawing.stored, *charts.NEEDED}, work)
    shown = [loaded[i] for i in picked if i in loaded]
    if not shown:
        return Drawn()
    if kind == "simplex" and "laws" not in shown[0].curves:
        drawing = FIGURES["curves"]
    title = shared if name in shared.split(", ") else f"{name} ({shared})" if shared else name
    if len(shown) < len(done):
        title += f": {len(shown)} of {len(done)} cells"
    figure = drawing.draw(shown, title)
    files = save(figure, folder, name)
    preview(figure, folder / PREVIEW)
    words = drawing.words.format(
        cells=_some([curves.title for curves in shown]), first=shown[0].title
    )
    images = [(files[0], f"{words}. The table has the numbers of the last generation.")]
    alike = {series_name(cell_run.cell) for cell_run in done}
    if len(done) > 1 and kind == "curves" and len(alike) <= len(COLOURS):
        title = f"{name}: generation {done[0].cell.generations}, all cells"
        overview = overview_figure(
            [cell_run.cell for cell_run in done],
            [cell_run.run.metrics for cell_run in done],
            title,
        )
        files += save(overview, folder, f"{name}-overview")
        images.append((files[2], "sigma and deviation of the last generation against n"))
    data = charts.data([[loaded[i] for i in charted if i in loaded]], [""])
    return Drawn(files=files, images=images, chart=data)


def _some(names: Sequence[str]) -> str:
    """The names, or the first eight of many."""
    rest = f" and {len(names) - 8} others" if len(names) > 8 else ""
    return ", ".join(names[:8]) + rest
