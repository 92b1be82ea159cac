"""What the pages of MLflow show of a sweep: charts, colours, a note with what was found."""

from collections.abc import Sequence
from pathlib import Path

from sweep import figures, note, views
from sweep.tables import Entry
from sweep.tracking import Row, Tracker


def display(
    tracker: Tracker,
    parent: Row,
    entries: Sequence[Entry],
    *,
    purpose: str,
    commit: str,
    figure: str | None,
    verdicts: Sequence[str],
) -> str:
    """Set up the pages; gives the path of the cells in charts, empty if the store has no pages.

    figure: an artifact, for the note. verdicts: lines of it.
    """
    cells, view = [entry.cell for entry in entries], parent.run[:8]
    grouped = any(len(Path(entry.row.curves).parts) > 1 for entry in entries)
    metrics = {key for entry in entries for key in entry.row.metrics}
    own = {view: views.of_sweep(cells, metrics, parent.run, grouped=grouped)}
    runs = tracker.arrange({**own, **views.named(cells, metrics, parent.start_ms)})
    own_colours = [] if grouped else views.colours(cells, figures.COLOURS)
    for entry, colour in zip(entries, own_colours, strict=False):
        if entry.row.tags.get("mlflow.runColor") != colour:
            tracker.label(entry.row.run, {"mlflow.runColor": colour})
    text = note.note(
        purpose=purpose,
        entries=entries,
        figure=figure,
        run=parent.run,
        runs=runs,
        view=view,
        command=parent.tags.get("command", ""),
        commit=commit,
        verdicts=verdicts,
    )
    tracker.label(parent.run, {"mlflow.note.content": text})
    tracker.describe(note.description(purpose, runs))
    return runs and note.link(runs, view)
