"""The logs of failed cells, saved next to the report whatever the store."""

import contextlib
import os
import shutil
import sys
import tempfile
import textwrap
from dataclasses import dataclass
from pathlib import Path

from sweep.report.build import Report
from sweep.report.cell_runs import CellRun
from sweep.tracking.base import Tracker
from sweep.tracking.grouped_runs import TRACEBACKS
from sweep.tracking.uri import short

FOLDER = "failed"
"""Folder of the logs, next to the report."""
MOST = 10
"""Most failures that are listed."""


@dataclass(frozen=True, kw_only=True)
class Failure:
    """A cell that did not finish."""

    cell_run: CellRun
    log: Path | None
    """Its traceback as a file; None if the store has none."""

    @property
    def reason(self) -> str:
        return self.cell_run.run.tags.get("error", self.cell_run.run.status)


def save(tracker: Tracker, built: Report) -> list[Failure]:
    """Copy the tracebacks of failed cells out of the store; returns the failures."""
    folder = built.folder / FOLDER
    shutil.rmtree(folder, ignore_errors=True)  # logs of the last try
    failures = []
    for cell_run in built.cell_runs:
        if cell_run.run.status == "FINISHED":
            continue
        grouped = cell_run.run.curves.startswith("curves/")
        artifact = f"{TRACEBACKS}/{cell_run.cell.id}.txt" if grouped else "traceback.txt"
        log: Path | None = None
        with contextlib.suppress(FileNotFoundError):
            with tempfile.TemporaryDirectory() as scratch:
                text = tracker.download_artifact(
                    cell_run.run.id, artifact, Path(scratch)
                ).read_text()
            folder.mkdir(parents=True, exist_ok=True)
            log = folder / f"{cell_run.cell.id}.txt"
            log.write_text(text)
        failures.append(Failure(cell_run=cell_run, log=log))
    return failures


def lines(failed: list[Failure], cells: int, *, runs: bool) -> list[str]:
    """The last lines that the user reads; runs: whether the runs are in MLflow."""
    if not failed:
        return []
    messages = []
    for failure in failed[:MOST]:
        messages.append(f"FAILED  {failure.cell_run.cell.name}: {failure.reason}")
        if failure.log is not None:
            messages.append(f"  log   {short(failure.log)}")
        if runs:
            messages.append(f"  run   {failure.cell_run.run.id}")
    if len(failed) > MOST:
        logs = [failure.log for failure in failed if failure.log is not None]
        where = f", in {short(logs[0].parent)}" if logs else ""
        messages.append(f"and {len(failed) - MOST} more{where}")
    messages.append(
        f"sweep: {len(failed)} of {cells} cells failed; the same command tries them again"
    )
    return messages


def say(line: str) -> None:
    """Print a line on stderr, wrapped; FAILED in red on a terminal, unless NO_COLOR is set."""
    wrapped = textwrap.fill(
        line, 79, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
    )
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    if line.startswith("FAILED") and sys.stderr.isatty() and not plain:  # no-color.org
        wrapped = f"\033[31mFAILED\033[0m{wrapped.removeprefix('FAILED')}"
    print(wrapped, file=sys.stderr)
