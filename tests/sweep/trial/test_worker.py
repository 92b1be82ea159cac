"""Running cells: failures stay alone, nothing is lost, nothing is doubled."""

from collections.abc import Generator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sweep.cells import thinning
from sweep.cells.cell import Cell
from sweep.cells.outcome import CellProgress, Curves
from sweep.grid.expand import expand
from sweep.kinds.statistical import cost
from sweep.kinds.statistical.simulate import simulate
from sweep.results import summary
from sweep.results.arrays import load
from sweep.results.theory import theory_of
from sweep.tracking.base import RunSpec
from sweep.tracking.folder_tracker import FolderTracker
from sweep.trial import spool
from sweep.trial.upload import UploadTarget
from sweep.trial.worker import Job, Outcome, run_cells
from tests.helpers.configs import settings
from tests.helpers.jobs import finish, job_at

CELLS = expand(settings("+experiment=smoke"))[0]


@pytest.fixture
def tracker(tmp_path: Path) -> FolderTracker:
    return FolderTracker(tmp_path / "runs")


def new_job(tracker: FolderTracker, tmp_path: Path) -> Job:
    parent = tracker.start_run(RunSpec(key="s", kind="sweep", name="s", parent=None, start_ms=1)).id
    return job_at(UploadTarget(parent=parent, spool=tmp_path / "spool", patience=0.0))


def ended(events: Iterator[Outcome | CellProgress]) -> list[Outcome]:
    return [event for event in events if isinstance(event, Outcome)]


def test_every_cell_is_logged(tracker: FolderTracker, tmp_path: Path) -> None:
    job = new_job(tracker, tmp_path)
    outcomes = ended(run_cells(CELLS, job, tracker))
    assert [outcome.error for outcome in outcomes] == [None] * len(CELLS)
    rows = {row.key: row for row in tracker.runs(job.target.parent)}
    for cell in CELLS:
        row = rows[cell.id]
        assert row.status == "FINISHED"
        assert row.params == cell.params
        points = tracker.points(row.id)
        assert sorted(points["sigma/mean"]) == list(range(1, 21))
        curves = load(tracker.download_artifact(row.id, "curves.npz", tmp_path))
        assert curves["sigma"].shape == (20, 20)
        assert points["sigma/mean"][20] == curves["sigma"][:, -1].mean()
        assert points["sigma/exact"][1] == pytest.approx(theory_of(cell).curves["sigma/exact"][0])
        assert all(np.isfinite(v) for row in points.values() for v in row.values())
    assert not list(job.target.spool.iterdir())  # all delivered


def test_a_failing_cell_fails_alone(tracker: FolderTracker, tmp_path: Path) -> None:
    job = new_job(tracker, tmp_path)

    def compute(cell: Cell, job: Job) -> Generator[CellProgress, None, Curves]:
        if cell == CELLS[1]:
            raise MemoryError("no room for this one")
        return (yield from simulate(cell, job.target.spool))

    outcomes = ended(run_cells(CELLS, job, tracker, compute=compute))
    assert [outcome.error is None for outcome in outcomes] == [True, False, True, True]
    rows = {row.key: row for row in tracker.runs(job.target.parent)}
    failed = rows[CELLS[1].id]
    assert failed.status == "FAILED"
    assert failed.tags["error"] == "MemoryError: no room for this one"
    assert (
        "Traceback" in tracker.download_artifact(failed.id, "traceback.txt", tmp_path).read_text()
    )
    # The next attempt uses the same run, and runs nothing else again.
    before = rows
    attempts: list[str] = []

    def counted(cell: Cell, job: Job) -> Generator[CellProgress, None, Curves]:
        attempts.append(cell.id)
        return (yield from simulate(cell, job.target.spool))

    list(run_cells(CELLS, job, tracker, before=before, compute=counted))
    assert attempts == [CELLS[1].id]
    again = {row.key: row for row in tracker.runs(job.target.parent)}
    assert {row.status for row in again.values()} == {"FINISHED"}
    assert {key: row.id for key, row in again.items()} == {k: r.id for k, r in rows.items()}


class Outage(FolderTracker):
    """A store that goes away in the middle of a cell."""

    def __init__(self, folder: Path, verb: str) -> None:
        super().__init__(folder)
        self.verb = verb

    def __getattribute__(self, name: str) -> Any:
        if name != "verb" and name == object.__getattribute__(self, "verb"):
            raise KeyboardInterrupt  # like a kill: nothing of ours handles it
        return object.__getattribute__(self, name)


@pytest.mark.parametrize("verb", ["start_run", "log", "log_artifact", "end_run"])
def test_a_crash_at_any_point_loses_and_doubles_nothing(tmp_path: Path, verb: str) -> None:
    whole = FolderTracker(tmp_path / "whole")
    job = new_job(whole, tmp_path / "a")
    list(run_cells(CELLS, job, whole))
    crashed = FolderTracker(tmp_path / "crashed")
    job = new_job(crashed, tmp_path / "b")
    with pytest.raises(KeyboardInterrupt):
        list(run_cells(CELLS, job, Outage(tmp_path / "crashed", verb)))
    attempts: list[str] = []

    def counted(cell: Cell, job: Job) -> Generator[CellProgress, None, Curves]:
        attempts.append(cell.id)
        return (yield from simulate(cell, job.target.spool))

    known = frozenset(row.key for row in crashed.runs(job.target.parent))  # as the driver does
    job = replace(job, target=replace(job.target, maybe_logged=known))
    list(run_cells(CELLS, job, crashed, compute=counted))
    assert attempts == [cell.id for cell in CELLS[1:]]  # the first was spooled
    rows = crashed.runs(job.target.parent)
    assert len(rows) == len(CELLS)
    expected = {row.key: row for row in whole.runs(whole.runs(None)[0].id)}
    for row in rows:
        assert row.status == "FINISHED"
        assert crashed.points(row.id) == whole.points(expected[row.key].id)


def test_a_long_cell_goes_on_from_its_last_generation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sweep.models.statistical import model

    cell = CELLS[3]
    whole = finish(simulate(cell, tmp_path / "whole"))
    # Blocks of one replicate, four steps of five generations each: dies in the second block.
    seconds = 5.5 * cost.generation_seconds(cell, 1)
    monkeypatch.setattr("sweep.kinds.statistical.simulate.STEP_SECONDS", seconds)
    real_step = model.step
    steps: list[int] = []

    def dies(setting: Any, state: Any, generations: int = 1) -> Any:
        if len(steps) == 7:
            raise KeyboardInterrupt
        steps.append(state.m)
        return real_step(setting, state, generations)

    monkeypatch.setattr(model, "step", dies)
    with pytest.raises(KeyboardInterrupt):
        finish(simulate(cell, tmp_path / "cut", checkpoint_seconds=-1))
    assert steps == [0, 5, 10, 15, 0, 5, 10]
    later: list[tuple[int, int]] = []

    def counted(setting: Any, state: Any, generations: int = 1) -> Any:
        later.append((setting.first_replicate, state.m))
        return real_step(setting, state, generations)

    monkeypatch.setattr(model, "step", counted)
    cut = finish(simulate(cell, tmp_path / "cut", checkpoint_seconds=1e9))
    assert later[:2] == [(1, 15), (2, 0)]
    monkeypatch.setattr(model, "step", real_step)
    assert whole.keys() == cut.keys()
    for name in whole:
        assert np.array_equal(whole[name], cut[name]), name
    # A checkpoint that cannot be read is not an obstacle.
    path = tmp_path / "cut" / cell.id / "checkpoint.npz"
    path.write_bytes(path.read_bytes()[:100])
    again = finish(simulate(cell, tmp_path / "cut"))
    assert np.array_equal(whole["sigma"], again["sigma"])


def test_a_torn_spool_file_is_computed_anew(tmp_path: Path) -> None:
    cell = CELLS[0]
    result = spool.Result(curves=finish(simulate(cell, tmp_path)), start_ms=5, seconds=0.1)
    spool.write(tmp_path, cell.id, result, cell.params)
    stored = spool.read(tmp_path, cell.id)
    assert stored is not None
    assert stored.start_ms == 5
    assert np.array_equal(stored.curves["sigma"], result.curves["sigma"])
    path = spool.curves_file(tmp_path, cell.id)
    path.write_bytes(path.read_bytes()[:-50])
    assert spool.read(tmp_path, cell.id) is None
    assert spool.read(tmp_path, "0" * 12) is None


def test_long_horizons_are_thinned_with_both_ends() -> None:
    assert thinning.steps(200).tolist() == list(range(1, 201))
    sent = thinning.steps(100_000)
    assert sent[0] == 1
    assert sent[-1] == 100_000
    assert len(sent) == thinning.MOST_STEPS


def test_totals_know_about_runs_that_have_not_collapsed() -> None:
    cell = CELLS[0]
    base = finish(simulate(cell, Path("nowhere")))
    done = {**base, "collapse_time": np.full(20, 4), "absorption_time": np.full(20, 5)}
    values = {p.key: p.value for p in summary.totals(cell, done, theory_of(cell))}
    assert values["collapse_time/mean"] == 4
    assert values["collapse_time/std"] == 0
    assert values["absorption_time/mean"] == 5
    assert values["censored"] == 0
    assert "collapse_time/restricted_mean" not in values
    open_ended = {**base, "collapse_time": np.array([0] * 10 + [4] * 10)}
    values = {p.key: p.value for p in summary.totals(cell, open_ended, theory_of(cell))}
    assert values["censored"] == 10
    assert values["collapse_time/restricted_mean"] == 12
    assert "collapse_time/mean" not in values
