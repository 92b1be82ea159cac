"""What the pages of MLflow show of a sweep: charts, colours, a note with what was found."""

from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from sweep.report import mlflow_views, text_tables
from sweep.report.cell_runs import CellRun
from sweep.report.figures.axes import COLOURS
from sweep.report.mlflow_views import NAMED
from sweep.tracking.base import Run, Tracker


def display(
    tracker: Tracker,
    parent: Run,
    entries: Sequence[CellRun],
    *,
    purpose: str,
    commit: str,
    figure: str | None,
    verdicts: Sequence[str],
) -> str:
    """Set up the pages; gives the path of the cells in charts, empty if the store has no pages.

    figure: an artifact, for the note. verdicts: lines of it.
    """
    cells, view = [entry.cell for entry in entries], parent.id[:8]
    grouped = any(len(Path(entry.run.curves).parts) > 1 for entry in entries)
    metrics = {key for entry in entries for key in entry.run.metrics}
    own = {view: mlflow_views.of_sweep(cells, metrics, parent.id, grouped=grouped)}
    runs = tracker.arrange({**own, **mlflow_views.named(cells, metrics, parent.start_ms)})
    own_colours = [] if grouped else mlflow_views.colours(cells, COLOURS)
    for entry, colour in zip(entries, own_colours, strict=False):
        if entry.run.tags.get("mlflow.runColor") != colour:
            tracker.set_tags(entry.run.id, {"mlflow.runColor": colour})
    text = note(
        purpose=purpose,
        entries=entries,
        figure=figure,
        run=parent.id,
        runs=runs,
        view=view,
        command=parent.tags.get("command", ""),
        commit=commit,
        verdicts=verdicts,
    )
    tracker.set_tags(parent.id, {"mlflow.note.content": text})
    tracker.describe(description(purpose, runs))
    return runs and link(runs, view)


MOST_ROWS = 12
"""Cells in the table of a note."""
TRAINING = "?workflowType=machine_learning"
"""Of every link: MLflow shows its pages for chat bots otherwise."""
LONGEST = 2000
"""Characters of a command; MLflow cuts a note at 8,000, unsaid."""


def note(
    *,
    purpose: str,
    entries: Sequence[CellRun],
    figure: str | None,
    run: str,
    runs: str,
    view: str,
    command: str,
    commit: str,
    verdicts: Sequence[str] = (),
) -> str:
    """The note as Markdown.

    purpose: the question. verdicts: its answers, a line each. figure: an artifact, a PNG.
    run: of the sweep. runs: path of the page of runs, see `Tracker.arrange`; empty if there is
    none. view: key of the view of this sweep's cells.
    """
    finished = sum(entry.run.status == "FINISHED" for entry in entries)
    said = f"**{purpose}** {finished} of {len(entries)} cells finished."
    parts = [said]
    if verdicts:
        parts.append("\n".join(f"- {line}" for line in verdicts[:MOST_ROWS]))
    if runs:
        files = [("report", "report.html"), ("table of all cells", "summary.csv")]
        links = [f"[all cells in charts, theory dashed]({link(runs, view)})"]
        links += [f"[{what}]({runs}/{run}/artifacts/{file}{TRAINING})" for what, file in files]
        parts.append(" · ".join(links))
    parts.append(text_tables.markdown(entries, MOST_ROWS))
    if runs and figure:
        parts.append(f"![figure](get-artifact?path={quote(figure, safe='')}&run_id={run})")
    shown = command if len(command) <= LONGEST else f"{command[:LONGEST]} .. (config.yaml)"
    source = f", commit {commit}" if commit else ""
    parts.append(f"Reproduce: `{shown}`, seed {entries[0].cell.seed}{source}")
    return "\n\n".join(parts)


def description(purpose: str, runs: str) -> str:
    """What stands above the runs of an experiment, as Markdown; runs: as of `note`."""
    if not runs:
        return purpose
    return " · ".join([purpose, *(f"[{title}]({link(runs, key)})" for key, title in NAMED.items())])


def link(runs: str, view: str) -> str:
    """Path of the charts of a view."""
    return f"{runs}{TRAINING}&compareRunsMode=CHART&viewStateShareKey={view}"
