"""Write the tables, the figures and the page of a sweep, from the tracking store alone."""

import contextlib
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sweep.cells import thinning
from sweep.config.validate import ConfigError
from sweep.report import cell_runs, draw, text_tables, verdicts
from sweep.report.cell_runs import CellRun
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
    """What was written."""

    folder: Path
    """Where it is."""
    entries: list[CellRun]
    """Empty where several sweeps are compared."""
    files: list[Path]
    """Figures first, then summary.csv and report.html."""
    page: str
    """Path of the cells in charts, on the pages of the store; empty if it has none."""
    answers: list[ThresholdResult]
    """Of a threshold search."""

    def text(self) -> str:
        """For the terminal: the table of the answers, if there are any, or of the cells."""
        if self.answers:
            return threshold_table.text(self.answers)
        return f"{text_tables.text(self.entries)}\n\n{verdicts.text(self.entries)}".rstrip()


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


def build(tracker: Tracker, parent: Run, rows: Sequence[Run], output: Path) -> Report:
    """Write all files of a sweep below `output`, and store them with its run."""
    told = page.ReportContext(
        name=parent.tags.get("experiment", "sweep"),
        parent=parent,
        entries=cell_runs.cell_runs(rows),
    )
    entries = list(told.entries)
    folder = output / f"{told.name}-{parent.key[:8]}"
    folder.mkdir(parents=True, exist_ok=True)
    drawn = draw.draw(tracker, parent, entries, folder)
    answers = draw.answers_of(tracker, parent)
    files = list(drawn.files)
    table = folder / "summary.csv"
    table.write_text(text_tables.csv_text(entries))
    html = folder / "report.html"
    with tempfile.TemporaryDirectory() as scratch:
        beside = [table]
        with contextlib.suppress(FileNotFoundError):  # of a sweep that was cut off
            beside.append(tracker.download_artifact(parent.id, "config.yaml", Path(scratch)))
        html.write_text(
            page.page(
                told,
                images=drawn.images,
                chart=drawn.chart,
                notes=_notes([e for e in entries if e.run.status == "FINISHED"]),
                files=beside,
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
        entries,
        purpose=told.purpose,
        commit=told.commit,
        figure=f"{FIGURES}/{draw.PREVIEW}" if drawn.images else None,
        verdicts=threshold_table.lines(answers) if answers else verdicts.judge(entries).overall,
    )
    return Report(folder=folder, entries=entries, files=files, page=shown, answers=answers)


def close(tracker: Tracker, parent: Run, rows: Sequence[Run], cells: int) -> Status:
    """End the run of a sweep: FINISHED if all its cells are, else FAILED."""
    finished = sum(row.status == "FINISHED" for row in rows)
    status: Status = "FINISHED" if finished == cells else "FAILED"
    if parent.status != status:
        tracker.end_run(parent.id, status, end_ms=now_ms())
    return status


def _notes(entries: Sequence[CellRun]) -> list[str]:
    """The remarks of theory on the cells, each once, with the first cells it holds for."""
    found: dict[str, list[str]] = {}
    for entry in entries[: thinning.MOST_ROWS]:
        if note := display_of([entry.cell]).note(entry.run.metrics):
            found.setdefault(note, []).append(entry.cell.name)
    for entry in entries[: thinning.MOST_ROWS]:
        for note in theory_of(entry.cell, deviation=0).notes:
            found.setdefault(note, []).append(entry.cell.name)
    told = min(len(entries), thinning.MOST_ROWS)
    return [
        note
        if len(names) == told
        else f"{', '.join(names[:3])}{' and others' if len(names) > 3 else ''}: {note}"
        for note, names in found.items()
    ]
