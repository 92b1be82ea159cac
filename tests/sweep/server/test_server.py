"""A real tracking server as `make tracking-up` starts it: PostgreSQL, and MLflow with passwords."""

import shutil
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from sweep.grid.expand import expand
from sweep.report import __main__ as report
from sweep.server import __main__, mlflow_server, postgres
from sweep.tracking import mlflow_tracker
from sweep.tracking.base import RunSpec, StoreError
from sweep.tracking.folder_tracker import FolderTracker
from sweep.tracking.mlflow_tracker import MlflowTracker
from sweep.trial.upload import UploadTarget
from sweep.trial.worker import Outcome, run_cells
from tests.helpers.configs import settings
from tests.helpers.jobs import job_at
from tests.helpers.servers import POINTS, Points, Running, curves_of, free_port, running, write
from tests.helpers.shells import assert_same, run_here, start, sweep_here, wait_for

SMOKE = ("+experiment=smoke", "cluster=inline", "tracking=server")


@pytest.fixture(scope="module")
def lab() -> Iterator[Running]:
    """The server; this process, and what it starts, is logged in as its admin."""
    with running() as (own, uri):
        yield Running(own, uri, mlflow_server.login(own)[1])


def computed_here(folder: Path, *overrides: str) -> FolderTracker:
    """The same sweep without a server."""
    tracker = FolderTracker(folder / "runs")
    parent = tracker.start_run(RunSpec(key="s", kind="sweep", name="s", parent=None, start_ms=1)).id
    job = job_at(UploadTarget(parent=parent, spool=folder))
    events = list(run_cells(expand(settings(*overrides))[0], job, tracker))
    assert not [event for event in events if isinstance(event, Outcome) and event.error]
    return tracker


def points_of(tracker: FolderTracker) -> Points:
    (parent,) = tracker.runs(None)
    return Counter(
        (row.key, key, step, value)
        for row in tracker.runs(parent.id)
        for key, values in tracker.points(row.id).items()
        for step, value in values.items()
    )


def test_a_sweep_runs_resumes_and_is_reported(lab: Running, tmp_path: Path) -> None:
    uri = f"tracking.uri={lab.uri}"
    first = sweep_here(tmp_path, *SMOKE, uri)
    assert first.returncode == 0, first.stderr
    here = computed_here(tmp_path / "here", "+experiment=smoke")
    assert lab.points("smoke") == points_of(here)
    # The login may stand in the address as well, and changes nothing.
    again = sweep_here(
        tmp_path, *SMOKE, f"tracking.uri={lab.uri.replace('://', f'://admin:{lab.password}@')}"
    )
    assert again.returncode == 0, again.stderr
    assert "4 of 4 cells finished, 4 of them earlier" in again.stdout
    assert lab.points("smoke") == points_of(here)
    rebuilt = run_here(report.main, tmp_path, uri, f"output={tmp_path / 'rebuilt'}")
    assert rebuilt.returncode == 0, rebuilt.stderr
    (table,) = (tmp_path / "rebuilt").glob("*/summary.csv")
    (original,) = (tmp_path / "outputs").glob("*/summary.csv")
    assert table.read_bytes() == original.read_bytes()
    assert list(table.parent.glob("*.png"))
    # Artifacts came and went through the server.
    ((place,),) = lab.query("SELECT artifact_location FROM experiments WHERE name = 'smoke'")
    assert str(place).startswith("mlflow-artifacts:")
    assert_same(curves_of(MlflowTracker(lab.uri, "smoke"), tmp_path), curves_of(here, tmp_path))
    assert_kept_secret(lab, tmp_path, first.stdout + first.stderr + again.stdout + again.stderr)


def assert_kept_secret(lab: Running, folder: Path, said: str) -> None:
    """The password is nowhere but in the one file, and a hash of it among the users."""
    assert lab.password not in said
    dump = subprocess.run(
        [postgres.binaries() / "pg_dump", "-h", lab.own.postgres.data, "-U", "mlflow", "mlflow"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert "sigma/mean" in dump
    assert lab.password not in dump
    holders = [
        path
        for top in (lab.own.folder, folder)
        for path in top.rglob("*")
        if path.is_file() and lab.password.encode() in path.read_bytes()
    ]
    assert holders == [lab.own.credentials]
    assert lab.own.credentials.stat().st_mode & 0o777 == 0o600
    command = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True).stdout
    assert lab.password not in command


def test_a_wrong_password_is_refused(
    lab: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "not-the-password")
    refused = sweep_here(tmp_path, *SMOKE, f"tracking.uri={lab.uri}")
    assert refused.returncode == 2
    assert refused.stderr.count("\n") == 1
    assert "rejects this user name and password; set MLFLOW_TRACKING_USERNAME" in refused.stderr
    assert "not-the-password" not in refused.stdout + refused.stderr
    assert not list(tmp_path.iterdir())
    monkeypatch.delenv("MLFLOW_TRACKING_PASSWORD")
    message = refusal(lab.uri.replace("://", "://admin:not-the-password@"))
    assert "http://***@127.0.0.1" in message
    assert "rejects this user name and password" in message


def test_dead_and_silent_hosts_are_refused_in_seconds(lab: Running) -> None:
    """One takes connections and says nothing; one drops them, as a firewall does."""
    with socket.create_server(("127.0.0.1", 0)) as silent, socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(full.getsockname())
        addresses = [
            f"{scheme}://user:secret@127.0.0.1:{host.getsockname()[1]}/x"
            for scheme in ("http", "postgresql+psycopg2")
            for host in (silent, full)
        ]
        nobody = free_port()
        addresses += [f"http://127.0.0.1:{nobody}", f"postgresql+psycopg2://127.0.0.1:{nobody}/x"]
        started = time.monotonic()
        with ThreadPoolExecutor(len(addresses)) as pool:
            messages = list(pool.map(refusal, addresses))
        for one in waiting:
            one.close()
    assert time.monotonic() - started < 8
    for address, message in zip(addresses, messages, strict=True):
        assert message.startswith("tracking.uri: "), address
        assert "secret" not in message
        assert "\n" not in message


def refusal(uri: str) -> str:
    with pytest.raises(StoreError) as caught:
        mlflow_tracker.probe(uri, timeout=2.0)
    return str(caught.value)


def test_other_refusals_of_the_probe(lab: Running) -> None:
    missing = refusal("postgresql+psycopg://me:secret@127.0.0.1/x")
    assert "No module named 'psycopg'" in missing
    assert "pip install 'collapse-sweep[server]'" in missing
    assert "secret" not in missing
    address = lab.own.postgres.address("nosuch")
    assert 'database "nosuch" does not exist' in refusal(address)
    mlflow_tracker.probe(lab.own.postgres.address("mlflow"))
    assert "does not answer like an MLflow server (HTTP 404" in refusal(f"{lab.uri}/elsewhere")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("dwn", "dwn: allowed: up, down, backup, restore; did you mean down?"),
        ("backup", "to: is required; write to=VALUE"),
        ("up port=http", "port: got 'http'; allowed: whole numbers from 1 to 65535"),
        ("up prot=5001", "prot=5001: allowed: folder=.., host=.., port=.., workers=.."),
        ("backup folder=nowhere to=b", "no server is running in"),
        ("restore folder=new from=nowhere", "is not a backup: mlflow.dump is missing"),
        (f"up folder={'long' * 30}", "too long for a socket"),
    ],
)
def test_what_the_command_refuses(
    arguments: str,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["sweep.server", *arguments.split()])
    with pytest.raises(SystemExit) as caught:
        __main__.main()
    assert caught.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line


def test_a_port_that_is_taken_and_a_short_password_are_refused(
    lab: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "short")
    with pytest.raises(postgres.ServerError, match="has 5 characters; allowed: 12 or more"):
        mlflow_server.up(
            mlflow_server.Server(tmp_path / "a"), host="127.0.0.1", port=lab.port, workers=1
        )
    with pytest.raises(
        postgres.ServerError, match=r"cannot listen on .* choose another with port=PORT"
    ):
        mlflow_server.require_port("127.0.0.1", lab.port)


def test_eight_writers_lose_and_double_nothing(lab: Running) -> None:
    write(lab.uri, "writers", writers=8, runs=3)
    ((points, different, runs),) = lab.query(
        "SELECT count(*), count(DISTINCT (r.run_uuid, m.key, m.step, m.value)),"
        " count(DISTINCT r.run_uuid) FROM metrics m JOIN runs r USING (run_uuid)"
        " JOIN experiments e USING (experiment_id) WHERE e.name = 'writers'"
    )
    assert (points, different, runs) == (24 * len(POINTS), 24 * len(POINTS), 24)


def test_two_users_sweep_at_once(lab: Running, tmp_path: Path) -> None:
    """From two folders, as from two machines: a new experiment, and grids that overlap."""
    made = requests.post(
        f"{lab.uri}/api/2.0/mlflow/users/create",
        json={"username": "bob", "password": "a password of bob"},
        auth=("admin", lab.password),
        timeout=30,
    )
    assert made.ok, made.text
    grids = ("grid.n=[10,11]", "grid.n=11")
    common = ("tracking.experiment=both", f"tracking.uri={lab.uri}")
    processes = []
    for name, grid in zip(("admin", "bob"), grids, strict=True):
        (tmp_path / name).mkdir()
        with pytest.MonkeyPatch.context() as environment:
            if name == "bob":
                environment.setenv("MLFLOW_TRACKING_USERNAME", "bob")
                environment.setenv("MLFLOW_TRACKING_PASSWORD", "a password of bob")
            processes.append(start(tmp_path / name, *SMOKE, grid, *common))
    for process in processes:
        _, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
    ((begun_by_both, ended_by_first),) = lab.query(
        "SELECT max(start_time), min(end_time) FROM runs JOIN experiments e USING (experiment_id)"
        " JOIN tags t USING (run_uuid)"
        " WHERE e.name = 'both' AND t.key = 'sweep.kind' AND t.value = 'sweep'"
    )
    assert int(str(begun_by_both)) < int(str(ended_by_first))
    # A cell that both have is in both sweeps, with the same numbers.
    assert lab.points("both") == sum(
        (points_of(computed_here(tmp_path / g, "+experiment=smoke", g)) for g in grids), Points()
    )


def test_a_back_up_brings_the_runs_back(lab: Running, tmp_path: Path) -> None:
    """Dump, drop, restore: runs, users and artifacts are as they were."""
    tracker = MlflowTracker(lab.uri, "kept")
    parent = tracker.start_run(RunSpec(key="k", kind="sweep", name="k", parent=None, start_ms=1)).id
    (tmp_path / "note.txt").write_text("kept")
    tracker.log_artifact(parent, tmp_path / "note.txt")
    tables = "SELECT count(*) FROM runs", "SELECT count(*) FROM metrics"
    before = [lab.query(table) for table in tables], lab.query("SELECT * FROM users", "mlflow_auth")
    mlflow_server.backup(lab.own, tmp_path / "backup")
    mlflow_server.down(lab.own)
    shutil.rmtree(lab.own.folder)
    mlflow_server.restore(lab.own, tmp_path / "backup")
    lab.start_again()
    after = [lab.query(table) for table in tables], lab.query("SELECT * FROM users", "mlflow_auth")
    assert before == after
    tracker = MlflowTracker(lab.uri, "kept")
    assert [row.id for row in tracker.runs(None)] == [parent]
    assert tracker.download_artifact(parent, "note.txt", tmp_path / "backup").read_text() == "kept"
    with pytest.raises(postgres.ServerError, match="is not empty; move it away"):
        mlflow_server.restore(lab.own, tmp_path / "backup")


LONG = (
    "+experiment=full", "cluster=inline", "tracking=server", "generations=30", "replicates=500",
    "figure=collapse_time", f"grid.n=[{','.join(str(n) for n in range(40, 52))}]",
)  # fmt: skip


def finished(lab: Running, experiment: str) -> int:
    ((count,),) = lab.query(
        "SELECT count(*) FROM runs JOIN experiments e USING (experiment_id)"
        f" WHERE e.name = '{experiment}' AND status = 'FINISHED'"
    )
    return int(str(count))


def undelivered(folder: Path) -> list[Path]:
    """Results that are computed and wait for the store."""
    return list(folder.glob("sweep-state-*/spool/*/*/result.json"))


def test_a_server_killed_in_mid_sweep(
    lab: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """First for too long for the sweep, then for a moment: nothing is lost, nothing is doubled."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "1")
    command = (*LONG, "tracking.experiment=killed", f"tracking.uri={lab.uri}")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
        process = start(tmp_path, *command, "tracking.patience_seconds=2")
    wait_for(lambda: finished(lab, "killed") >= 1, "finished cell")
    lab.kill()
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "the store does not answer" in err
    assert "Traceback" not in err
    waiting = undelivered(tmp_path)
    assert waiting
    lab.start_again()
    done = run_here(report.main, tmp_path, "deliver=true", f"tracking.uri={lab.uri}")
    assert f"{len(waiting)} results delivered" in done.stdout, done.stderr
    assert not undelivered(tmp_path)
    anew = (*LONG, "seed=5", "tracking.experiment=again", f"tracking.uri={lab.uri}")
    process = start(tmp_path, *anew)
    wait_for(lambda: finished(lab, "again") >= 4, "four finished cells")
    lab.kill()
    wait_for(lambda: len(undelivered(tmp_path)) >= 2, "two results that wait for the server")
    lab.start_again()
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert "12 of 12 cells finished" in out
    assert not list(tmp_path.glob("sweep-state-*/spool/*"))
    here = computed_here(tmp_path / "here", LONG[0], *LONG[3:], "seed=5")
    assert lab.points("again") == points_of(here)
    assert max(lab.points("killed").values()) == 1
