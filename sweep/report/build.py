"""Write the tables, the figures and the page of a sweep, from the tracking store alone."""

import contextlib
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sweep.cells import thinning
from sweep.config.validate import ConfigError
from sweep.report import draw, text_tables, verdicts
from sweep.report.cell_runs import CellRun, sorted_cell_runs
from sweep.report.display import display_of
from sweep.report.html import page
from sweep.report.mlflow_ui import display
from sweep.results.theory import theory_of
from sweep.search import threshold_table
from sweep.search.threshold_result import ThresholdResult
from sweep.storage.clock import now_ms
from sweep.tracking.base import Run, Status, Tracker

FIGURES = "figures"
"""Folder of a sweep's artifacts."""


@dataclass(frozen=True, kw_only=True)
class Report:
    """The files of a sweep, or of several on one page."""

    folder: Path
    """Where they are."""
    cell_runs: list[CellRun]
    """Empty where several sweeps are compared."""
    files: list[Path]
    """Figures first, then summary.csv and report.html."""
    page: str
    """Path of the charts of the cells, on the pages of the store; empty if it has none."""
    answers: list[ThresholdResult]
    """The results of a threshold search; empty for other sweeps."""

    def text(self) -> str:
        """The table for the terminal: of the answers, if there are any, else of the cells."""
        if self.answers:
            return threshold_table.text(self.answers)
        return f"{text_tables.text(self.cell_runs)}\n\n{verdicts.text(self.cell_runs)}".rstrip()


def check_output(folder: str) -> None:
    """Refuse a folder for figures that cannot be written. Raises ConfigError."""
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise ConfigError(
            f"output: got {folder!r}; allowed: a folder that can be written ({error})"
        ) from None


def build(tracker: Tracker, parent: Run, runs: Sequence[Run], output: Path) -> Report:
    """Write all files of a sweep below `output`, and store them with its run."""
    context = page.ReportContext(
        name=parent.tags.get("experiment", "sweep"),
        parent=parent,
        cell_runs=sorted_cell_runs(runs),
    )
    cell_runs = list(context.cell_runs)
    folder = output / f"{context.name}-{parent.key[:8]}"
    folder.mkdir(parents=True, exist_ok=True)
    drawn = draw.draw(tracker, parent, cell_runs, folder)
    answers = draw.answers_of(tracker, parent)
    files = list(drawn.files)
    table = folder / "summary.csv"
    table.write_text(text_tables.csv_text(cell_runs))
    html = folder / "report.html"
    with tempfile.TemporaryDirectory() as scratch:
        offered = [table]
        with contextlib.suppress(FileNotFoundError):  # a sweep that was cut off lacks it
            offered.append(tracker.download_artifact(parent.id, "config.yaml", Path(scratch)))
        html.write_text(
            page.page(
                context,
                images=drawn.images,
                chart=drawn.chart,
                notes=_notes([done for done in cell_runs if done.run.status == "FINISHED"]),
                files=offered,
                answers=answers,
            ),
            encoding="utf-8",
        )
    files += [table, html]
    for path in files:
        tracker.log_artifact(parent.id, path, FIGURES if path.suffix in (".png", ".pdf") else None)
    if drawn.images:
        tracker.log_artifact(parent.id, folder / draw.PREVIEW, FIGURES)
    shown = display(
        tracker,
        parent,
        cell_runs,
        purpose=context.purpose,
        commit=context.commit,
        figure=f"{FIGURES}/{draw.PREVIEW}" if drawn.images else None,
        verdicts=threshold_table.lines(answers) if answers else verdicts.judge(cell_runs).overall,
    )
    return Report(folder=folder, cell_runs=cell_runs, files=files, page=shown, answers=answers)


def close(tracker: Tracker, parent: Run, runs: Sequence[Run], cells: int) -> Status:
    """End the run of a sweep: FINISHED if all its cells are, else FAILED."""
    finished = sum(run.status == "FINISHED" for run in runs)
    status: Status = "FINISHED" if finished == cells else "FAILED"
    if parent.status != status:
        tracker.end_run(parent.id, status, end_ms=now_ms())
    return status


def _notes(cell_runs: Sequence[CellRun]) -> list[str]:
    """The remarks of theory on the cells, each once, with the first cells that it holds for."""
    cells_of: dict[str, list[str]] = {}
    for cell_run in cell_runs[: thinning.MOST_ROWS]:
        if note := display_of([cell_run.cell]).note(cell_run.run.metrics):
            cells_of.setdefault(note, []).append(cell_run.cell.name)
    for cell_run in cell_runs[: thinning.MOST_ROWS]:
        for note in theory_of(cell_run.cell, deviation=0).notes:
            cells_of.setdefault(note, []).append(cell_run.cell.name)
    examined = min(len(cell_runs), thinning.MOST_ROWS)
    return [
        note
        if len(names) == examined
        else f"{', '.join(names[:3])}{' and others' if len(names) > 3 else ''}: {note}"
        for note, names in cells_of.items()
    ]
