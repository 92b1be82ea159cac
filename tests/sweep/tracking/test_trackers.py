"""The MLflow tracker on a real SQLite store."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from sweep.tracking import mlflow_tracker
from sweep.tracking import uri as stores
from sweep.tracking.base import Point, RunSpec, StoreError
from sweep.tracking.mlflow_tracker import MlflowTracker
from tests.helpers.shells import reading


@pytest.fixture(scope="module")
def uri(make_store_folder: Callable[[str], Path]) -> str:
    return f"sqlite:///{make_store_folder('store') / 'mlflow.db'}"


def rows_of(uri: str, table: str) -> int:
    with reading(stores.sqlite_file(uri).parent) as connection:
        return int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


def test_a_new_store_is_whole_and_in_wal_mode(tmp_path: Path, store_template: Path) -> None:
    """So is the copy that most tests begin with."""
    MlflowTracker(f"sqlite:///{tmp_path / 'mlflow.db'}", "x")
    (made,) = (p for p in tmp_path.iterdir() if not p.name.endswith(("-wal", "-shm")))
    schemas = []
    for path in (made, store_template):
        assert path.name == "mlflow.db"
        with reading(path.parent) as connection:
            assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
            assert connection.execute("SELECT count(*) FROM runs").fetchone() == (0,)
            assert connection.execute("SELECT count(*) FROM alembic_version").fetchone() == (1,)
            schemas.append(set(connection.execute("SELECT type, name FROM sqlite_master")))
    assert schemas[0] == schemas[1]
    assert len(schemas[0]) > 50


def test_a_replay_adds_nothing(uri: str, tmp_path: Path) -> None:
    tracker = MlflowTracker(uri, "replay")
    parent = tracker.start_run(
        RunSpec(key="abc", kind="sweep", name="s", parent=None, start_ms=1000)
    ).id
    cell = RunSpec(key="c1", kind="cell", name="full n=3", parent=parent, start_ms=1000)
    points = [Point("sigma/mean", m, m / 1000) for m in range(1, 1501)]
    counts = []
    for _ in range(2):
        run = tracker.start_run(cell).id
        tracker.log(run, points, start_ms=1000, params={"n": "3"})
        (tmp_path / "a.txt").write_text("x")
        tracker.log_artifact(run, tmp_path / "a.txt")
        tracker.end_run(run, "FINISHED", end_ms=2000)
        counts.append([rows_of(uri, t) for t in ("runs", "metrics", "params", "tags")])
    assert counts[0] == counts[1]
    assert counts[0][:2] == [2, 1500]
    (row,) = tracker.runs(parent)
    assert (row.key, row.status, row.params, row.start_ms) == ("c1", "FINISHED", {"n": "3"}, 1000)
    assert row.metrics == {"sigma/mean": 1.5}
    assert row.tags["mlflow.parentRunId"] == parent
    assert row.tags["sweep.kind"] == "cell"
    assert tracker.download_artifact(run, "a.txt", tmp_path).read_text() == "x"
    with pytest.raises(FileNotFoundError):
        tracker.download_artifact(run, "b.txt", tmp_path)
    # Artifacts lie beside the SQLite file, wherever the process runs.
    assert list(stores.sqlite_file(uri).parent.glob("mlflow-artifacts/**/a.txt"))


def test_runs_of_other_sweeps_are_not_found(uri: str) -> None:
    tracker = MlflowTracker(uri, "others")
    parents = [
        tracker.start_run(RunSpec(key=k, kind="sweep", name=k, parent=None, start_ms=at)).id
        for at, k in enumerate(("one", "two"), start=1)
    ]
    for parent in parents:
        tracker.start_run(RunSpec(key="c", kind="cell", name="c", parent=parent, start_ms=1))
    assert len(tracker.runs(parents[0])) == 1
    assert [row.key for row in tracker.runs(None)] == ["two", "one"]
    assert (
        tracker.start_run(RunSpec(key="one", kind="sweep", name="x", parent=None, start_ms=9)).id
        == (parents[0])
    )
    again = RunSpec(key="one", kind="sweep", name="x", parent=None, start_ms=9)
    assert tracker.start_run(again, always_new=True).id != parents[0]


def test_reading_creates_no_experiment(uri: str) -> None:
    before = rows_of(uri, "experiments")
    assert MlflowTracker(uri, "never begun").runs(None) == []
    assert rows_of(uri, "experiments") == before


def test_a_deleted_experiment_is_named(uri: str) -> None:
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri=uri)
    client.delete_experiment(client.create_experiment("gone"))
    with pytest.raises(StoreError, match="'gone' is deleted in this store; restore it"):
        MlflowTracker(uri, "gone")


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("foo", "got 'foo'; allowed: sqlite:///FILE.db"),
        ("sqlite://", "allowed: sqlite:///FILE.db"),
        ("file:///tmp/x", "allowed: sqlite:///FILE.db"),
        ("sqlite:////no/such/folder/x.db", "there is no folder /no/such/folder"),
        ("http://127.0.0.1:9", "no MLflow server answers at http://127.0.0.1:9"),
    ],
)
def test_stores_that_cannot_be_opened_are_refused_at_once(uri: str, message: str) -> None:
    start = time.monotonic()
    with pytest.raises(StoreError) as caught:
        mlflow_tracker.probe(stores.absolute(uri))
    assert message in str(caught.value)
    assert time.monotonic() - start < 10


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mlflow.db"
    text = "not a database, but long enough to look at" * 100
    path.write_text(text)
    with pytest.raises(StoreError, match="cannot be opened for writing"):
        mlflow_tracker.probe(f"sqlite:///{path}")
    assert path.read_text() == text


def test_passwords_are_not_shown() -> None:
    assert stores.redact("http://me:secret@host:5000") == "http://***@host:5000"
    with pytest.raises(StoreError) as caught:
        stores.absolute("ftp://me:secret@host")
    assert "secret" not in str(caught.value)
