"""Where the logs of failed cells are: beside the report, whatever the store."""

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
"""Beside the report."""
MOST = 10
"""Failures that are told one by one."""


@dataclass(frozen=True, kw_only=True)
class Failure:
    """A cell that did not finish."""

    entry: CellRun
    log: Path | None
    """Its traceback as a file; None if the store has none."""

    @property
    def reason(self) -> str:
        return self.entry.run.tags.get("error", self.entry.run.status)


def save(tracker: Tracker, built: Report) -> list[Failure]:
    """The failed cells of a sweep; their tracebacks are copied out of the store."""
    folder = built.folder / FOLDER
    shutil.rmtree(folder, ignore_errors=True)  # those of the last try
    found = []
    for entry in built.entries:
        if entry.run.status == "FINISHED":
            continue
        grouped = entry.run.curves.startswith("curves/")
        artifact = f"{TRACEBACKS}/{entry.cell.id}.txt" if grouped else "traceback.txt"
        log: Path | None = None
        with contextlib.suppress(FileNotFoundError):
            with tempfile.TemporaryDirectory() as scratch:
                text = tracker.download_artifact(entry.run.id, artifact, Path(scratch)).read_text()
            folder.mkdir(parents=True, exist_ok=True)
            log = folder / f"{entry.cell.id}.txt"
            log.write_text(text)
        found.append(Failure(entry=entry, log=log))
    return found


def lines(failed: list[Failure], cells: int, *, runs: bool) -> list[str]:
    """What the user is told last; runs: whether the runs can be found in MLflow."""
    if not failed:
        return []
    told = []
    for one in failed[:MOST]:
        told.append(f"FAILED  {one.entry.cell.name}: {one.reason}")
        if one.log is not None:
            told.append(f"  log   {short(one.log)}")
        if runs:
            told.append(f"  run   {one.entry.run.id}")
    if len(failed) > MOST:
        logs = [one.log for one in failed if one.log is not None]
        where = f", in {short(logs[0].parent)}" if logs else ""
        told.append(f"and {len(failed) - MOST} more{where}")
    told.append(f"sweep: {len(failed)} of {cells} cells failed; the same command tries them again")
    return told


def say(line: str) -> None:
    """One line on stderr, wrapped; FAILED in red on a terminal, unless NO_COLOR is set."""
    wrapped = textwrap.fill(
        line, 79, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
    )
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    if line.startswith("FAILED") and sys.stderr.isatty() and not plain:  # no-color.org
        wrapped = f"\033[31mFAILED\033[0m{wrapped.removeprefix('FAILED')}"
    print(wrapped, file=sys.stderr)
