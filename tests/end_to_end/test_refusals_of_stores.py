"""Stores that cannot be locked, or hold what this version does not know: one line, exit 2."""

import errno
import fcntl
import json
from pathlib import Path

import pytest

from sweep.report import __main__ as report
from sweep.search import threshold_result
from sweep.tracking.base import StoreError
from sweep.tracking.mlflow_tracker import MlflowTracker
from tests.helpers.shells import SMOKE, run_here, sweep_here


def test_a_file_system_without_locks(store_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_locks(file: object, how: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    refused = sweep_here(store_folder, *SMOKE, "cluster=inline")
    assert refused.returncode == 2
    assert refused.stderr.count("\n") == 1
    assert "cannot be locked (No locks available); put the store on" in refused.stderr


def test_a_cell_of_a_kind_that_this_version_lacks(store_folder: Path) -> None:
    assert sweep_here(store_folder, *SMOKE, "cluster=inline").returncode == 0
    tracker = MlflowTracker(f"sqlite:///{store_folder / 'mlflow.db'}", "smoke")
    (parent,) = tracker.runs(None)
    cell = tracker.runs(parent.id)[0]
    other = tracker._client.create_run(
        tracker._experiment,
        tags={"sweep.kind": "cell", "cell": "0" * 12, "mlflow.parentRunId": parent.id},
    )
    params = cell.params | {"model": "toy"}
    tracker.log(other.info.run_id, [], start_ms=0, params=params)
    refused = run_here(report.main, store_folder)
    assert refused.returncode == 2
    assert refused.stderr == (
        "sweep.report: sweep: model: got 'toy'; this version has: statistical, gpt\n"
    )


@pytest.mark.parametrize("content", ["[{}]", "3", "not json"])
def test_answers_that_are_none(tmp_path: Path, content: str) -> None:
    path = tmp_path / "threshold.json"
    path.write_text(content)
    with pytest.raises(StoreError, match="cannot be read"):
        threshold_result.read(path)


def test_a_text_keeps_its_support_in_the_name_of_an_answer(store_folder: Path) -> None:
    """Metrics of the sweep's run are named by it."""
    found = sweep_here(
        store_folder, "+experiment=threshold", "source.family=text", "grid.S0=null", "grid.N=25",
        "threshold.level=0.3", "generations=3", "replicates=10", "threshold.cap=30",
        "cluster=inline",
    )  # fmt: skip
    assert found.returncode == 0, found.stderr
    (file,) = store_folder.glob("mlflow-artifacts/**/threshold.json")
    (answer,) = json.loads(file.read_text())
    assert " support=37 m=3" in answer["name"]
