"""The command as users type it: real processes, real Ray, a real SQLite store."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from sweep.report import __main__ as report
from sweep.tracking.mlflow_tracker import MlflowTracker
from tests.helpers.shells import (
    SMOKE,
    assert_same,
    dump,
    metric_rows,
    results,
    run_here,
    start,
    sweep,
    sweep_here,
    wait_for_cells,
)


@pytest.fixture(scope="module")
def smoke(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The smoke sweep on Ray in a new folder, run once: the folder and what it printed."""
    folder = tmp_path_factory.mktemp("smoke")
    done = sweep(folder, *SMOKE)
    assert done.returncode == 0, done.stderr
    return folder, done.stdout + done.stderr


def test_the_main_job(smoke: tuple[Path, str]) -> None:
    folder, printed = smoke
    lines = printed.splitlines()
    (link,) = (line for line in lines if line.startswith("http://127.0.0.1:5000/#/experiments/"))
    assert max(len(line) for line in lines if line != link) <= 80, printed
    for chatter in ("ray", "tune", "alembic", "INFO", "WARNING"):
        assert not re.search(rf"\b{chatter}\b", printed, flags=re.I), printed
    assert "4/4 cells" in printed
    assert re.search(r"^full +0\.\d+ +0\.8906 ", printed, flags=re.M), printed
    assert "mlflow ui --backend-store-uri sqlite:///mlflow.db" in printed
    files = re.findall(r"^(?:figure|report) +(\S+)$", printed, flags=re.M)
    assert {Path(file).suffix for file in files} == {".png", ".html"}
    for file in files:
        assert (folder / file).stat().st_size > 1000
    journal = folder / "mlflow.db-wal"  # empty: the store can be copied alone
    assert not journal.exists() or journal.stat().st_size == 0
    assert len(results(folder, "smoke")) == 4
    assert sorted(p.name for p in folder.iterdir() if not p.name.startswith("mlflow.db-")) == [
        "mlflow-artifacts", "mlflow-state", "mlflow.db", "outputs",
    ]  # fmt: skip
    assert not list((folder / "mlflow-state" / "spool").iterdir())


def test_the_same_command_again_adds_nothing(smoke: tuple[Path, str]) -> None:
    folder, _ = smoke
    before, points = dump(folder), metric_rows(folder)
    again = sweep_here(folder, *SMOKE)
    assert again.returncode == 0
    assert "4 of 4 cells finished, 4 of them earlier" in again.stdout
    assert dump(folder) == before
    assert metric_rows(folder) == points


def test_neither_ray_nor_worker_count_nor_order_moves_a_bit(
    smoke: tuple[Path, str], make_store_folder: Callable[[str], Path]
) -> None:
    on_ray = results(smoke[0], "smoke")
    inline, single = make_store_folder("inline"), make_store_folder("single")
    reordered = ("cluster=inline", "grid.schedule=[random,recent,partial,full]")
    assert sweep_here(inline, *SMOKE, *reordered).returncode == 0
    assert sweep(single, *SMOKE, "cluster.num_cpus=1").returncode == 0
    for folder in (inline, single):
        assert_same(on_ray, results(folder, "smoke"))
        assert metric_rows(folder) == metric_rows(smoke[0])


def test_a_report_from_mlflow_alone(smoke: tuple[Path, str], tmp_path: Path) -> None:
    folder, _ = smoke
    (made,) = (folder / "outputs").iterdir()
    done = subprocess.run(
        [sys.executable, "-m", "sweep.report", f"tracking.uri=sqlite:///{folder}/mlflow.db"],
        cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    (rebuilt,) = (tmp_path / "outputs").iterdir()
    names = {path.name for path in made.iterdir()}
    assert {"report.html", "summary.csv"} < names == {path.name for path in rebuilt.iterdir()}
    for path in made.iterdir():
        assert (rebuilt / path.name).read_bytes() == path.read_bytes(), path.name
    assert re.search(r"^full +0\.\d+ +0\.8906 ", done.stdout, flags=re.M), done.stdout
    html = (rebuilt / "report.html").read_text()
    assert "python -m sweep +experiment=smoke" in html
    assert not re.search(r'(src|href)="(?!data:)', html), "the page needs the network"
    wrong = run_here(
        report.main, tmp_path, "sweep=nope", f"tracking.uri=sqlite:///{folder}/mlflow.db"
    )
    assert wrong.returncode == 2
    assert wrong.stderr.startswith("sweep.report: sweep: got 'nope'; this store has: ")


def test_memory_keeps_only_figures_and_tables(tmp_path: Path) -> None:
    done = sweep_here(tmp_path, *SMOKE, "tracking=memory", "cluster=inline")
    assert done.returncode == 0, done.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["outputs"]


def test_force_runs_everything_anew_and_keeps_the_old(store_folder: Path) -> None:
    for extra in ((), ("force=true",)):
        options = (*SMOKE, "cluster=inline", "figure=schedules", *extra)
        assert sweep_here(store_folder, *options).returncode == 0
    tracker = MlflowTracker(f"sqlite:///{store_folder / 'mlflow.db'}", "smoke")
    parents = tracker.runs(None)
    assert len(parents) == 2
    assert parents[0].key == parents[1].key
    for parent in parents:
        assert [row.status for row in tracker.runs(parent.id)] == ["FINISHED"] * 4


def test_dry_run_makes_nothing(tmp_path: Path) -> None:
    plan = sweep_here(tmp_path, *SMOKE, "dry_run=true")
    assert plan.returncode == 0
    assert plan.stdout.count("  to do ") == 4
    assert [p.name for p in tmp_path.iterdir()] == []


def test_a_failing_cell_is_reported_and_tried_again(store_folder: Path) -> None:
    """A file where the last cell wants its folder: a real failure of one cell alone."""
    arguments = (
        "+experiment=full", f"grid.n=[{','.join(map(str, range(40, 60)))}]",
        "replicates=200", "generations=20", "cluster=inline", "figure=collapse_time",
    )  # fmt: skip
    plan = sweep_here(store_folder, *arguments, "dry_run=true")
    (cell,) = re.findall(r"^full n=59 .*?([0-9a-f]{12})", plan.stdout, flags=re.M)
    process = start(store_folder, *arguments)
    wait_for_cells(store_folder, 1)
    tracker = MlflowTracker(f"sqlite:///{store_folder / 'mlflow.db'}", "full")
    (parent,) = tracker.runs(None)
    obstacle = store_folder / "mlflow-state" / "spool" / parent.id / cell
    obstacle.touch()
    out, err = process.communicate(timeout=120)
    assert process.returncode == 1, err
    assert "19 of 20 cells finished" in out
    assert re.search(r"^FAILED +full n=59 S0=0.1: \w+Error", err, flags=re.M)
    obstacle.unlink()
    plan = sweep_here(store_folder, *arguments, "dry_run=true")
    assert plan.stdout.count("  done ") == 19
    again = sweep_here(store_folder, *arguments)
    assert again.returncode == 0
    assert "20 of 20 cells finished, 19 of them earlier" in again.stdout
    assert len(results(store_folder, "full")) == 20
    assert not any("error" in row.tags for row in tracker.runs(parent.id))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "no experiment given; write +experiment=NAME, with one of: "),
        (("+experiment=partia",), "did you mean partial?"),
        (("experiment=partial",), "write +experiment=NAME, with the plus"),
        ((*SMOKE, "grid.n=10,37"), "grid.n: got 10,37; write a list: grid.n=[10,37]"),
        (("-m", *SMOKE), "-m: a sweep is one command with lists"),
        (
            (*SMOKE, "--dry-run"),
            "--dry-run: unknown flag; options are keys without dashes; write dry_run=VALUE",
        ),
        ((*SMOKE, "grid.m=3"), "grid.m: unknown key; did you mean grid.n?"),
        ((*SMOKE, "model=gtp"), "model: got 'gtp'; allowed: "),
        ((*SMOKE, "grid.n=[1,"), "grid.n=[1,: cannot be read; write key=value"),
        ((*SMOKE, "seed=${nope}"), "Interpolation key 'nope' not found"),
        ((*SMOKE, "cluster.cpus_per_trial=4096", "tracking=memory"), "allowed: 1 to "),
        ((*SMOKE, "output=/proc/nope"), "output: got '/proc/nope'; allowed: a folder"),
        ((*SMOKE, "tracking.uri=sqlite:////no/such/x.db"), "there is no folder /no/such"),
    ],
)
def test_refusals_are_one_line_and_status_2(
    arguments: tuple[str, ...], message: str, tmp_path: Path
) -> None:
    refused = sweep_here(tmp_path, *arguments)
    assert refused.returncode == 2
    assert message in refused.stderr
    assert refused.stderr.startswith("sweep: ")
    assert refused.stderr.count("\n") == 1


def test_help_lists_the_experiments(tmp_path: Path) -> None:
    done = sweep_here(tmp_path, "--help")
    assert done.returncode == 0
    for name in ("smoke", "partial", "full"):
        assert re.search(rf"^  {name} +\S", done.stdout, flags=re.M)
    assert max(map(len, done.stdout.splitlines())) <= 80
    composed = sweep_here(tmp_path, *SMOKE, "--cfg", "job")
    assert composed.returncode == 0
    assert "name: smoke" in composed.stdout


def test_gpus_that_do_not_exist_are_refused_and_leave_no_run(tmp_path: Path) -> None:
    """Ray itself would wait for them for ever."""
    done = sweep(tmp_path, *SMOKE, "cluster.gpus_per_trial=64")
    assert done.returncode == 2
    assert "cluster.gpus_per_trial: got 64; allowed: up to 0" in done.stderr
    assert not (tmp_path / "mlflow.db").exists()
