"""The command as users type it: real processes, real Ray, a real SQLite store."""

import os
import re
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest

from sweep import spool
from sweep.tracking_mlflow import MlflowTracker

SMOKE = ("+experiment=smoke",)
LONG = (
    "+experiment=full",
    f"grid.n=[{','.join(str(n) for n in range(40, 80))}]",
    "generations=1500",
    "replicates=150",
)
"""Forty cells, about ten seconds of work on two cores."""


def start(folder: Path, *arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "sweep", *arguments],
        cwd=folder,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,  # so that a test can kill it with all it started
    )


def sweep(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    process = start(folder, *arguments)
    out, err = process.communicate(timeout=300)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def dump(folder: Path) -> dict[str, int]:
    """How many rows each table of the store has."""
    with sqlite3.connect(folder / "mlflow.db") as connection:
        return {
            table: connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
            for table in ("experiments", "runs", "metrics", "params", "tags", "latest_metrics")
        }


def results(folder: Path, experiment: str) -> dict[str, dict[str, np.ndarray]]:
    """Cell id -> stored curves, of the one sweep in a store; checks that all is in order."""
    tracker = MlflowTracker(f"sqlite:///{folder / 'mlflow.db'}", experiment)
    (parent,) = tracker.read(None)
    assert parent.status == "FINISHED"
    rows = tracker.read(parent.run)
    assert len({row.key for row in rows}) == len(rows), "a cell was logged twice"
    assert {row.status for row in rows} == {"FINISHED"}
    with tempfile.TemporaryDirectory() as scratch:
        return {
            row.key: spool.load(tracker.fetch(row.run, "curves.npz", Path(scratch))) for row in rows
        }


def metric_rows(folder: Path) -> list[tuple[str, str, int, float]]:
    """Every stored point as (cell, key, step, value), sorted; doubled points appear twice."""
    with sqlite3.connect(folder / "mlflow.db") as connection:
        query = (
            "SELECT t.value, m.key, m.step, m.value FROM metrics m "
            "JOIN tags t ON t.run_uuid = m.run_uuid AND t.key = 'cell'"
        )
        return sorted(connection.execute(query).fetchall())


def assert_same(a: dict[str, dict[str, np.ndarray]], b: dict[str, dict[str, np.ndarray]]) -> None:
    assert a.keys() == b.keys()
    for key in a:
        assert a[key].keys() == b[key].keys()
        for name in a[key]:
            assert np.array_equal(a[key][name], b[key][name]), (key, name)


def wait_for_cells(folder: Path, least: int, timeout: float = 90) -> None:
    """Until the store has that many finished cells."""
    deadline = time.monotonic() + timeout
    query = "SELECT count(*) FROM runs WHERE status = 'FINISHED'"
    while time.monotonic() < deadline:
        try:
            with sqlite3.connect(folder / "mlflow.db", timeout=10) as connection:
                if connection.execute(query).fetchone()[0] >= least:
                    return
        except sqlite3.OperationalError:
            pass
        time.sleep(0.05)
    raise AssertionError(f"{least} cells were not finished in {timeout} s")


@pytest.fixture(scope="module")
def smoke(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The smoke sweep on Ray, run once: its folder and what it printed."""
    folder = tmp_path_factory.mktemp("smoke")
    done = sweep(folder, *SMOKE)
    assert done.returncode == 0, done.stderr
    return folder, done.stdout + done.stderr


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("long")
    assert sweep(folder, *LONG, "cluster=inline").returncode == 0
    return folder


def test_the_main_job(smoke: tuple[Path, str]) -> None:
    folder, printed = smoke
    lines = printed.splitlines()
    assert max(map(len, lines)) <= 80, printed
    for chatter in ("ray", "tune", "alembic", "INFO", "WARNING"):
        assert not re.search(rf"\b{chatter}\b", printed, flags=re.I), printed
    assert "4/4 cells" in printed
    assert re.search(r"^full +0\.\d+ +0\.8906 ", printed, flags=re.M), printed
    assert "mlflow ui --backend-store-uri sqlite:///mlflow.db" in printed
    for path in re.findall(r"^(?:figure|report) +(\S+)$", printed, flags=re.M):
        assert (folder / path).stat().st_size > 1000
    assert len(results(folder, "smoke")) == 4
    assert sorted(p.name for p in folder.iterdir()) == [
        "mlflow-artifacts", "mlflow-state", "mlflow.db", "outputs",
    ]  # fmt: skip
    assert not list((folder / "mlflow-state" / "spool").iterdir())


def test_the_same_command_again_adds_nothing(smoke: tuple[Path, str]) -> None:
    folder, _ = smoke
    before, points = dump(folder), metric_rows(folder)
    again = sweep(folder, *SMOKE)
    assert again.returncode == 0
    assert "4 of 4 cells finished, 4 of them before" in again.stdout
    assert dump(folder) == before
    assert metric_rows(folder) == points


def test_neither_ray_nor_worker_count_nor_order_moves_a_bit(
    smoke: tuple[Path, str], tmp_path: Path
) -> None:
    on_ray = results(smoke[0], "smoke")
    for name, arguments in {
        "inline": ("cluster=inline", "grid.schedule=[random,recent,partial,full]"),
        "one": ("cluster.num_cpus=1",),
    }.items():
        (tmp_path / name).mkdir()
        assert sweep(tmp_path / name, *SMOKE, *arguments).returncode == 0
        assert_same(on_ray, results(tmp_path / name, "smoke"))
        assert metric_rows(tmp_path / name) == metric_rows(smoke[0])


def test_a_report_from_mlflow_alone(smoke: tuple[Path, str], tmp_path: Path) -> None:
    folder, _ = smoke
    (made,) = (folder / "outputs").iterdir()
    done = subprocess.run(
        [sys.executable, "-m", "sweep.report", f"tracking.uri=sqlite:///{folder}/mlflow.db"],
        cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    (rebuilt,) = (tmp_path / "outputs").iterdir()
    for path in made.iterdir():
        assert (rebuilt / path.name).read_bytes() == path.read_bytes(), path.name
    assert "full" in done.stdout
    html = (rebuilt / "report.html").read_text()
    assert "python -m sweep +experiment=smoke" in html
    assert not re.search(r'(src|href)="(?!data:)', html), "the page needs the network"
    wrong = subprocess.run(
        [sys.executable, "-m", "sweep.report", "sweep=nope",
         f"tracking.uri=sqlite:///{folder}/mlflow.db"],
        cwd=tmp_path, capture_output=True, text=True,
    )  # fmt: skip
    assert wrong.returncode == 2
    assert wrong.stderr.startswith("sweep.report: sweep: got 'nope'; this store has: ")


def test_memory_keeps_only_figures_and_tables(tmp_path: Path) -> None:
    done = sweep(tmp_path, *SMOKE, "tracking=memory", "cluster=inline")
    assert done.returncode == 0, done.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["outputs"]


def test_force_runs_everything_anew_and_keeps_the_old(tmp_path: Path) -> None:
    for extra in ((), ("force=true",)):
        assert sweep(tmp_path, *SMOKE, "cluster=inline", *extra).returncode == 0
    tracker = MlflowTracker(f"sqlite:///{tmp_path / 'mlflow.db'}", "smoke")
    parents = tracker.read(None)
    assert len(parents) == 2
    assert parents[0].key == parents[1].key
    for parent in parents:
        assert [row.status for row in tracker.read(parent.run)] == ["FINISHED"] * 4


def test_a_failing_cell_is_reported_and_tried_again(tmp_path: Path) -> None:
    """A file where the second cell wants its folder: a real failure of one cell alone."""
    plan = sweep(tmp_path, *SMOKE, "dry_run=true")
    assert plan.returncode == 0
    assert [p.name for p in tmp_path.iterdir()] == []
    (cell,) = re.findall(r"^partial .*?([0-9a-f]{12})", plan.stdout, flags=re.M)
    obstacle = tmp_path / "mlflow-state" / "spool" / cell
    obstacle.parent.mkdir(parents=True)
    obstacle.touch()
    done = sweep(tmp_path, *SMOKE)
    assert done.returncode == 1
    assert "3 of 4 cells finished" in done.stdout
    assert re.search(r"^FAILED +partial n=10 N=100 S0=0.1: \w+Error", done.stderr, flags=re.M)
    obstacle.unlink()
    plan = sweep(tmp_path, *SMOKE, "dry_run=true")
    assert plan.stdout.count("  done ") == 3
    again = sweep(tmp_path, *SMOKE, "cluster=inline")
    assert again.returncode == 0
    assert "4 of 4 cells finished, 3 of them before" in again.stdout
    assert len(results(tmp_path, "smoke")) == 4


def test_ctrl_c_keeps_what_is_finished_and_the_command_goes_on(
    tmp_path: Path, uninterrupted: Path
) -> None:
    process = start(tmp_path, *LONG)
    wait_for_cells(tmp_path, 3)
    os.killpg(process.pid, signal.SIGINT)  # what a terminal does
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert re.search(r"interrupted; \d+ of 40 cells are finished and kept", err), err
    again = sweep(tmp_path, *LONG)
    assert again.returncode == 0, again.stderr
    assert re.search(r"40 of 40 cells finished, [1-9]\d* of them before", again.stdout)
    assert_same(results(tmp_path, "full"), results(uninterrupted, "full"))
    assert metric_rows(tmp_path) == metric_rows(uninterrupted)


def workers(driver: int) -> list[int]:
    """Process ids of the trials of one driver: Ray renames its workers after what they run."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if path.read_bytes().startswith(b"ray::") and b"Trainable" in path.read_bytes():
                pid = int(path.parent.name)
                if os.getsid(pid) == driver or _descends(pid, driver):
                    found.append(pid)
        except OSError:
            continue
    return found


def _descends(pid: int, ancestor: int) -> bool:
    while pid > 1:
        if pid == ancestor:
            return True
        stat = Path(f"/proc/{pid}/stat").read_text()
        pid = int(stat.rsplit(")", 1)[1].split()[1])
    return False


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="finds workers in /proc")
def test_a_killed_worker_and_a_killed_driver_cost_nothing(
    tmp_path: Path, uninterrupted: Path
) -> None:
    process = start(tmp_path, *LONG)
    wait_for_cells(tmp_path, 2)
    victims = workers(process.pid)
    assert victims
    os.kill(victims[0], signal.SIGKILL)
    wait_for_cells(tmp_path, 12)
    process.kill()
    process.communicate(timeout=60)
    again = sweep(tmp_path, *LONG)
    assert again.returncode == 0, again.stderr
    assert_same(results(tmp_path, "full"), results(uninterrupted, "full"))
    assert metric_rows(tmp_path) == metric_rows(uninterrupted)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "no experiment given; write +experiment=NAME, with one of: "),
        (("+experiment=partia",), "did you mean partial?"),
        (("experiment=partial",), "write +experiment=NAME, with the plus"),
        ((*SMOKE, "grid.n=10,37"), "grid.n: got 10,37; write a list: grid.n=[10,37]"),
        (("-m", *SMOKE), "-m: a sweep is one command with lists"),
        ((*SMOKE, "--dry-run"), "--dry-run: options are keys; write dry_run=VALUE"),
        ((*SMOKE, "grid.m=3"), "grid.m: unknown key; did you mean grid.n?"),
        ((*SMOKE, "model=gtp"), "model: got 'gtp'; allowed: "),
        ((*SMOKE, "grid.n=[1,"), "cannot read one of: "),
        ((*SMOKE, "seed=${nope}"), "Interpolation key 'nope' not found"),
        ((*SMOKE, "cluster.cpus_per_trial=4096", "tracking=memory"), "allowed: 1 to "),
        ((*SMOKE, "output=/proc/nope"), "output: got '/proc/nope'; allowed: a folder"),
        ((*SMOKE, "tracking.uri=sqlite:////no/such/x.db"), "there is no folder /no/such"),
    ],
)
def test_refusals_are_one_line_and_status_2(
    arguments: tuple[str, ...],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from sweep.cli import main

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["sweep", *arguments])
    with pytest.raises(SystemExit) as caught:
        main()
    err = capsys.readouterr().err
    assert caught.value.code == 2
    assert message in err
    assert err.startswith("sweep: ")
    assert err.count("\n") == 1


def test_help_lists_the_experiments(tmp_path: Path) -> None:
    done = sweep(tmp_path, "--help")
    assert done.returncode == 0
    for name in ("smoke", "partial", "full"):
        assert re.search(rf"^  {name} +\S", done.stdout, flags=re.M)
    assert max(map(len, done.stdout.splitlines())) <= 80
    composed = sweep(tmp_path, *SMOKE, "--cfg", "job")
    assert composed.returncode == 0
    assert "name: smoke" in composed.stdout
