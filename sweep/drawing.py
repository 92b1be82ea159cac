"""The figures of a sweep, from the tracking store alone."""

import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sweep import answers, charts, figures, figures_gpt, figures_threshold, panels, tables
from sweep.laws import DRIFT_WORK
from sweep.panels import LITTLE_WORK
from sweep.tables import Entry
from sweep.tracking import Row, Tracker

PREVIEW = "preview.png"
"""The first figure, small."""


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """What is drawn of a sweep."""

    files: list[Path] = field(default_factory=list)
    images: list[tuple[Path, str]] = field(default_factory=list)
    """Each PNG with what it shows in words."""
    chart: dict[str, Any] = field(default_factory=dict)
    """`charts.data`."""


def draw(tracker: Tracker, parent: Row, entries: Sequence[Entry], folder: Path) -> Drawn:
    """Draw a sweep as its `figure` tag says, into the folder."""
    name = parent.tags.get("experiment", "sweep")
    kind = parent.tags.get("figure", "curves")
    found = answers_of(tracker, parent) if kind == "threshold" else []
    if found:
        return _answers(tracker, parent, found, name, folder)
    return _cells(tracker, name, kind, [e for e in entries if e.row.status == "FINISHED"], folder)


def answers_of(tracker: Tracker, parent: Row) -> list[answers.Told]:
    """What the threshold search of a sweep has found; nothing if that is not stored."""
    with tempfile.TemporaryDirectory() as scratch:
        try:
            path = tracker.fetch(parent.run, answers.FILE, Path(scratch))
        except FileNotFoundError:
            return []
        found: list[answers.Told] = json.loads(path.read_text())
        return found


def _answers(
    tracker: Tracker, parent: Row, found: Sequence[answers.Told], name: str, folder: Path
) -> Drawn:
    """The figure of a threshold search, with the latest one of another model beside it."""
    others: list[answers.Told] = []
    for row in tracker.read(None):
        if row.tags.get("figure") == "threshold" and row.run != parent.run and not others:
            other = answers_of(tracker, row)
            if other and other[0]["model"] != found[0]["model"]:
                others = [o for o in other if o["criterion"] == found[0]["criterion"]]
    figure = figures_threshold.threshold_figure(found, others, f"{name}: {answers.shared(found)}")
    files = figures.save(figure, folder, name)
    figures.preview(figure, folder / PREVIEW)
    differ = answers.differing(found)
    lines = [f"{answers.label(one, differ)}: {answers.interval(one)}" for one in found]
    words = "the largest harmless n over N, exact and from runs, and what the probes found: "
    words += "; ".join(lines[: tables.MOST_ROWS])
    return Drawn(files=files, images=[(files[0], words)])


def _cells(tracker: Tracker, name: str, kind: str, done: Sequence[Entry], folder: Path) -> Drawn:
    """The figures of a sweep, and the data of its charts."""
    if not done:
        return Drawn()
    if all(entry.cell.recipe is not None for entry in done):
        kind = "gpt"
    elif kind == "gpt":
        kind = "curves"
    names, shared = tables.labels([e.cell for e in done])
    most = figures.MOST_PANELS if kind in figures.ROWS else len(done)
    picked = figures.chosen(len(done), most)
    charted = tables.shown(len(done))
    work = dict.fromkeys(charted, LITTLE_WORK)
    if kind != "collapse_time":
        work |= dict.fromkeys(picked, DRIFT_WORK)
    work |= {i: 0 for i in picked if i not in work}
    stored = figures.DRAWN_GPT if kind == "gpt" else figures.DRAWN
    loaded = panels.load(tracker, done, names, {*stored, *charts.NEEDED}, work)
    shown = [loaded[i] for i in picked if i in loaded]
    if not shown:
        return Drawn()
    title = shared if name in shared.split(", ") else f"{name} ({shared})" if shared else name
    if len(shown) < len(done):
        title += f": {len(shown)} of {len(done)} cells"
    of = _some([panel.title for panel in shown])
    if kind == "gpt":
        figure = figures_gpt.gpt_figure(shown, title)
        words = f"deviation against the generation, and validation losses, for {of}"
    elif kind == "simplex" and "laws" in shown[0].curves:
        figure = figures.simplex_figure(shown[0], title)
        words = f"the laws of all contexts on the simplex over generations, for {names[0]}"
    elif kind == "collapse_time":
        figure = figures.collapse_time_figure(shown, title)
        words = "mean collapse time against n, with its exact value and lower bound"
    elif kind == "schedules":
        figure = figures.schedules_figure(shown, title)
        words = f"mean sigma and deviation against the generation for {of}"
    else:
        figure = figures.curves_figure(shown, title, figures.ROWS.get(kind, figures.ROWS["curves"]))
        words = f"sigma and deviation against the generation, with theory, for {of}"
    files = figures.save(figure, folder, name)
    figures.preview(figure, folder / PREVIEW)
    images = [(files[0], f"{words}. The table has the numbers of the last generation.")]
    series = {figures.series(e.cell) for e in done}
    if len(done) > 1 and kind == "curves" and len(series) <= len(figures.COLOURS):
        title = f"{name}: generation {done[0].cell.generations}, all cells"
        overview = figures.overview_figure(
            [e.cell for e in done], [e.row.metrics for e in done], title
        )
        files += figures.save(overview, folder, f"{name}-overview")
        images.append((files[2], "sigma and deviation of the last generation against n"))
    data = charts.data([[loaded[i] for i in charted if i in loaded]], [""])
    return Drawn(files=files, images=images, chart=data)


def _some(names: Sequence[str]) -> str:
    """The names, or the first of many."""
    rest = f" and {len(names) - 8} others" if len(names) > 8 else ""
    return ", ".join(names[:8]) + rest
