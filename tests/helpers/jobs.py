"""Run a generator that tells of its progress to its end."""

from collections.abc import Generator
from pathlib import Path
from typing import TypeVar

from sweep.cells.workspace import Workspace
from sweep.grid import corpus
from sweep.grid.expand import expand
from sweep.report.cell_runs import CellRun, sorted_cell_runs
from sweep.tracking.base import RunSpec
from sweep.tracking.folder_tracker import FolderTracker
from sweep.trial.upload import UploadTarget
from sweep.trial.worker import Job, run_cells
from tests.helpers.configs import settings

Told = TypeVar("Told")
Made = TypeVar("Made")


def finish(work: Generator[Told, None, Made]) -> Made:
    """What the work returns."""
    return tell(work)[1]


def tell(work: Generator[Told, None, Made]) -> tuple[list[Told], Made]:
    """Everything the work tells, and what it returns."""
    told = []
    while True:
        try:
            told.append(next(work))
        except StopIteration as end:
            return told, end.value


def job_at(target: UploadTarget, shared: Path = Path()) -> Job:
    """A job whose cells are computed where their results are spooled."""
    return Job(target=target, workspace=Workspace(folder=target.spool, shared=shared))


def ran(folder: Path, *overrides: str) -> tuple[FolderTracker, list[CellRun]]:
    """A sweep, run in this process: where it is kept, and its cells."""
    tracker = FolderTracker(folder / "runs")
    parent = tracker.start_run(RunSpec(key="s", kind="sweep", name="s", parent=None, start_ms=1)).id
    target = UploadTarget(parent=parent, spool=folder / "spool", patience=0.0)
    job = job_at(target, folder / "shared")
    config = settings(*overrides)
    if text := corpus.fetch(config):
        corpus.keep(job.workspace.shared, text)
    list(run_cells(expand(config, text)[0], job, tracker))
    entries = sorted_cell_runs(tracker.runs(parent))
    assert {entry.run.status for entry in entries} == {"FINISHED"}
    return tracker, entries
