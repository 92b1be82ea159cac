"""What the pages of MLflow show of a sweep: charts, colours, and a note with the results."""

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
    cell_runs: Sequence[CellRun],
    *,
    purpose: str,
    commit: str,
    figure: str | None,
    verdicts: Sequence[str],
) -> str:
    """Set up the pages; returns the path of the charts, empty if the store has no pages.

    figure: an artifact that the note shows. verdicts: lines of the note.
    """
    cells, view = [cell_run.cell for cell_run in cell_runs], parent.id[:8]
    grouped = any(len(Path(cell_run.run.curves).parts) > 1 for cell_run in cell_runs)
    metrics = {key for cell_run in cell_runs for key in cell_run.run.metrics}
    views = {view: mlflow_views.of_sweep(cells, metrics, parent.id, grouped=grouped)}
    runs = tracker.arrange({**views, **mlflow_views.named(cells, metrics, parent.start_ms)})
    cell_colours = [] if grouped else mlflow_views.colours(cells, COLOURS)
    for cell_run, colour in zip(cell_runs, cell_colours, strict=False):
        if cell_run.run.tags.get("mlflow.runColor") != colour:
            tracker.set_tags(cell_run.run.id, {"mlflow.runColor": colour})
    text = note(
        purpose=purpose,
        cell_runs=cell_runs,
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
"""Most cells in the table of a note."""
TRAINING = "?workflowType=machine_learning"
"""Ends every link: without it MLflow shows its pages for chat bots."""
LONGEST = 2000
"""Most characters of a command; MLflow silently cuts a note at 8,000."""


def note(
    *,
    purpose: str,
    cell_runs: Sequence[CellRun],
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
    run: id of the sweep's run. runs: path of the page of runs, see `Tracker.arrange`; empty if
    there is none. view: key of the view of this sweep's cells.
    """
    finished = sum(cell_run.run.status == "FINISHED" for cell_run in cell_runs)
    answer = f"**{purpose}** {finished} of {len(cell_runs)} cells finished."
    parts = [answer]
    if verdicts:
        parts.append("\n".join(f"- {line}" for line in verdicts[:MOST_ROWS]))
    if runs:
        files = [("report", "report.html"), ("table of all cells", "summary.csv")]
        links = [f"[all cells in charts, theory dashed]({link(runs, view)})"]
        links += [f"[{what}]({runs}/{run}/artifacts/{file}{TRAINING})" for what, file in files]
        parts.append(" · ".join(links))
    parts.append(text_tables.markdown(cell_runs, MOST_ROWS))
    if runs and figure:
        parts.append(f"![figure](get-artifact?path={quote(figure, safe='')}&run_id={run})")
    shown = command if len(command) <= LONGEST else f"{command[:LONGEST]} .. (config.yaml)"
    source = f", commit {commit}" if commit else ""
    parts.append(f"Reproduce: `{shown}`, seed {cell_runs[0].cell.seed}{source}")
    return "\n\n".join(parts)


def description(purpose: str, runs: str) -> str:
    """The text above the runs of an experiment, in Markdown; runs: as for `note`."""
    if not runs:
        return purpose
    return " · ".join([purpose, *(f"[{title}]({link(runs, key)})" for key, title in NAMED.items())])


def link(runs: str, view: str) -> str:
    """The path of the charts of a view."""
    return f"{runs}{TRAINING}&compareRunsMode=CHART&viewStateShareKey={view}"
