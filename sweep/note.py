"""The note on a sweep's run in MLflow: what was asked, what was found, where to look. Pure.

MLflow shows it as Markdown at the top of the run's page, and keeps links and
images, also relative ones.
"""

from collections.abc import Sequence
from urllib.parse import quote

from sweep import tables
from sweep.tables import Entry
from sweep.views import NAMED

MOST_ROWS = 12
"""Cells in the table of a note."""
TRAINING = "?workflowType=machine_learning"
"""Of every link: MLflow shows its pages for chat bots otherwise."""
LONGEST = 2000
"""Characters of a command; MLflow cuts a note at 8,000, unsaid."""


def note(
    *,
    purpose: str,
    entries: Sequence[Entry],
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
    finished = sum(entry.row.status == "FINISHED" for entry in entries)
    said = f"**{purpose}** {finished} of {len(entries)} cells finished."
    parts = [said]
    if verdicts:
        parts.append("\n".join(f"- {line}" for line in verdicts[:MOST_ROWS]))
    if runs:
        files = [("report", "report.html"), ("table of all cells", "summary.csv")]
        links = [f"[all cells in charts, theory dashed]({link(runs, view)})"]
        links += [f"[{what}]({runs}/{run}/artifacts/{file}{TRAINING})" for what, file in files]
        parts.append(" · ".join(links))
    parts.append(tables.markdown(entries, MOST_ROWS))
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
