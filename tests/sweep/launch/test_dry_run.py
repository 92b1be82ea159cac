"""`dry_run=true` says of each cell what will happen to it, and why."""

from pathlib import Path

from sweep.cells.cell import sweep_id
from sweep.grid.expand import expand
from sweep.launch.dry_run import plan
from sweep.search.grid_search import GridSearch
from sweep.tracking.base import RunSpec, Store
from sweep.tracking.folder_tracker import FolderTracker
from sweep.trial.upload import UploadTarget
from sweep.trial.worker import Job, run_cells
from tests.helpers.configs import settings
from tests.helpers.jobs import job_at


def test_every_state_is_told_with_its_reason(tmp_path: Path) -> None:
    given = settings("+experiment=smoke")
    cells, _ = expand(given)
    search = GridSearch(cells=cells)
    store = Store(kind="memory", uri=str(tmp_path / "runs"), experiment="smoke", state=tmp_path)
    tracker = FolderTracker(tmp_path / "runs")

    def sweep(key: str) -> Job:
        parent = tracker.start_run(
            RunSpec(key=key, kind="sweep", name=key, parent=None, start_ms=1)
        ).id
        return job_at(UploadTarget(parent=parent, spool=tmp_path / "spool" / parent))

    assert "4 of 4 cells to do" in plan(given, search, store)
    own = sweep(sweep_id("smoke", cells))
    list(run_cells(cells[:1], own, tracker))
    list(run_cells(cells[1:2], sweep("other"), tracker))
    (tmp_path / "spool" / own.target.parent / cells[2].id).mkdir(parents=True)
    old = tracker.start_run(
        RunSpec(
            key="0" * 12, kind="cell", name="old", parent=sweep("old").target.parent, start_ms=1
        )
    ).id
    tracker.log(old, [], start_ms=1, params={**cells[3].params, "cell": "0" * 12})
    tracker.end_run(old, "FINISHED", end_ms=2)
    text = plan(given, search, store)
    states = {
        cell.id: line.split(cell.id)[1].split("  ")[1].strip()
        for cell in cells
        for line in text.splitlines()
        if cell.id in line
    }
    assert list(states.values()) == ["done", "there", "partial", "stale"]
    assert "stale: finished by a version of this program with other bits: will be run again" in text
    assert "2 of 4 cells to do" in text
    forced = settings("+experiment=smoke", "force=true")
    assert "4 of 4 cells to do" in plan(forced, search, store)
