"""Every command in the docs is run: for real, as a dry run, or composed; the rest says why not.

A command is a line of a fenced block, or a span of code that begins like one.
Each stands in exactly one of the lists below; one that is new fails until it does.
"""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from sweep import metrics
from sweep.cli import main
from tests.helpers.paths import ROOT

PAGES = [
    ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "mlflow" / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
]  # fmt: skip
PROGRAMS = ("python -m ", "make ", "mlflow ", "ray ", "docker ", "pip ", "collapse-sweep")
FENCE = re.compile(r"^ *```(\w*)\n(.*?)^ *```$", re.M | re.S)
SWEEP = "python -m sweep +experiment="
FEW = SWEEP + "full grid.n=[10,37] grid.S0=0.3"

RUN = [
    "python -m sweep --help",
    SWEEP + "partial",
    SWEEP + "partial dry_run=true",
    SWEEP + "smoke cluster=inline tracking=memory",
    FEW,
    "python -m sweep.report [sweep=ID]",
    "python -m sweep.report deliver=true",
]
"""Run as they stand, in this order, in one folder; but one sweep on Ray is enough."""
DRY = [
    SWEEP + name
    for name in (
        "simplex", "collapse_time", "partial_n", "partial_S0", "windows", "schedules", "gpt_demo",
        "gpt_demo model=statistical", "threshold", "threshold_gpt",
        "threshold grid.N=400 threshold.level=0.1 threshold.m=[2,10,50]",
        "threshold threshold.criterion=sigma threshold.level=1.1",
        "threshold threshold.support=[10,52,300] grid.S0=0.2 grid.N=100",
        "partial search=optuna 'optuna.axes={S0:[0.05,0.5]}'",
        "gpt_demo search=optuna 'optuna.axes={temperature:[0.5,1.5]}' optuna.metric=loss/val",
    )
]  # fmt: skip
"""Run with dry_run=true: the sweeps themselves take up to a minute each."""
COMPOSED = [
    SWEEP + "gpt",  # needs a download, and a GPU
    SWEEP + "gpt_demo corpus=shakespeare grid.temperature=[0.8,1.0]",  # needs a download
    SWEEP + "partial tracking=server tracking.uri=http://127.0.0.1:5000",  # test_server runs it
    SWEEP + "partial tracking=server tracking.uri=http://HOST:5000",
    SWEEP + "gpt cluster=ray cluster.storage=/mnt/lab tracking=server tracking.uri=http://HOST:5000",
    "ray job submit --address http://127.0.0.1:8265 --working-dir . -- " + SWEEP + "partial "
    "cluster=ray cluster.storage=/tmp/lab tracking=server tracking.uri=http://127.0.0.1:5000",
    "ray job submit --address http://127.0.0.1:8265 --working-dir . -- " + SWEEP + "partial "
    "cluster=ray cluster.storage=/mnt/lab tracking=server tracking.uri=http://10.0.0.1:5000",
]  # fmt: skip
"""Composed and checked with --cfg job; tests/end_to_end/test_cluster.py submits such a job."""
MAKE = [
    "make run", "make test", "make check", "make verify", "make bench", "make constraints",
    "make tracking-up", "make tracking-down",
    'make tracking-up TRACKING="folder=/data/lab port=5001"',
]  # fmt: skip
"""make -n: that the target is there; the tests themselves are run by one."""
OTHERWISE = {
    "python -m sweep.metrics > docs/metrics.md": "test_the_metrics_page_is_up_to_date",
}
"""Run by another test of this file."""
SERVER = "tests/sweep/server/test_server.py runs it, with folders and ports of its own"
DOCKER = "no Docker engine here; tests/end_to_end/test_deployment.py checks the files"
CLUSTER = "tests/end_to_end/test_cluster.py starts such nodes, with addresses of its own"
ADMIN = (
    "needs a running server with users; tests/sweep/server/test_server.py makes and changes some"
)
NAMED = "names a program in a sentence"
ELSEWHERE = {
    "source mlflow-server/credentials": SERVER,
    "python -m sweep.report tracking.uri=http://127.0.0.1:5000": SERVER,
    "python -m sweep.server backup  to=/backups/2026-11-23": SERVER,
    "python -m sweep.server restore from=/backups/2026-11-23 folder=mlflow-server-new": SERVER,
    "export MLFLOW_TRACKING_USERNAME=.. MLFLOW_TRACKING_PASSWORD=..": SERVER,
    "mlflow db upgrade ADDRESS/mlflow": "needs a store of an older MLflow",
    "python -m mlflow.server.auth db upgrade --url ADDRESS/mlflow_auth": "as above",
    "ray get-auth-token --generate": CLUSTER,
    "ray get-auth-token --generate; export RAY_AUTH_MODE=token": CLUSTER,
    "export RAY_AUTH_MODE=token": CLUSTER,
    "ray start --head": CLUSTER,
    "ray start --head --node-ip-address=10.0.0.1 --port=6379": CLUSTER,
    "ray start --address=10.0.0.1:6379": CLUSTER,
    "ray start --dashboard-agent-listen-port=PORT": CLUSTER,
    "ray job stop ID": CLUSTER,
    "ray stop; make tracking-down": "would stop every Ray of this machine",
    "make tracking-up; source mlflow-server/credentials": SERVER,
    "mkdir -p /tmp/lab": "makes a folder",
    "python -m sweep.report deliver=true cluster.storage=/mnt/lab tracking.uri=..": CLUSTER,
    "pip install --constraint .ci/constraints.txt .": "make install does the same",
    "python -m tests.benchmarks gpt": "minutes; make bench",
    "python -m tests.benchmarks sweeps": "minutes; make bench",
    "python -m tests.benchmarks NAME": "minutes; make bench",
    "python -m tests.benchmarks.tracking": "minutes; make bench",
    "cp mlflow/.env.example mlflow/.env && chmod 600 mlflow/.env": DOCKER,
    "docker compose -f mlflow/compose.yaml up --detach --build --wait": DOCKER,
    "docker compose -f mlflow/compose.yaml down": DOCKER,
    "docker compose build --pull": DOCKER,
    "docker compose run --rm --entrypoint sh server": DOCKER,
    "mlflow/backup.sh  /backups/2026-11-23": DOCKER,
    "mlflow/restore.sh /backups/2026-11-23": DOCKER,
    "api=http://127.0.0.1:5000/api/2.0/mlflow/users; json='Content-Type: application/json'": ADMIN,
    "me=$MLFLOW_TRACKING_USERNAME:$MLFLOW_TRACKING_PASSWORD": ADMIN,
    "ray up": "calls a cloud",
    "mlflow ui --backend-store-uri sqlite:///mlflow.db": "test_browser.py opens it",
    "python -m sweep.report sweep=all tracking.experiment=gpt_demo": "test_html.py: `all`",
    "python -m sweep.report sweep=3ed5f6,9f2c": "ids of a store; test_html.py has its own",
    "python -m sweep": NAMED,
    "python -m sweep.report": NAMED,
    "collapse-sweep": NAMED,
    "mlflow server": NAMED,
    "pip install": NAMED,
    "pip install 'collapse-sweep[optuna]'": "is on no index yet; make install does the same",
}
"""What cannot be run here, or is by other tests, and why."""


def commands(text: str) -> set[str]:
    """The commands of a page."""
    found = set()
    for kind, block in FENCE.findall(text):
        if kind in ("python", "text"):
            continue
        lines = re.sub(r"\\\n\s*", "", block).splitlines()
        if any(line.startswith("$ ") for line in lines):  # with what they print
            lines = [line[2:] for line in lines if line.startswith("$ ")]
        found |= {re.sub(r"(^|\s+)#\s.*$", "", line).strip() for line in lines} - {""}
    spans = re.findall(r"(?<!`)`([^`\n]+)`(?!`)", FENCE.sub("", text))
    return found | {span for span in spans if span.startswith(PROGRAMS)}


def test_every_command_is_in_one_list() -> None:
    lists = [*RUN, *DRY, *COMPOSED, *MAKE, *OTHERWISE, *ELSEWHERE]
    assert len(set(lists)) == len(lists)
    found = {c for page in PAGES for c in commands(page.read_text()) if not c.startswith("curl ")}
    assert found - set(lists) == set(), "add each of these to one list"
    assert set(lists) - found == set(), "no page has these any more"


@pytest.fixture(scope="module")
def folder(make_store_folder: Callable[[str], Path]) -> Path:
    return make_store_folder("docs")


def environment() -> dict[str, str]:
    return os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}


@pytest.mark.parametrize("command", RUN)
def test_it_runs(command: str, folder: Path) -> None:
    if "[sweep=ID]" in command:
        (made,) = folder.glob("outputs/partial-*")
        command = command.replace("[sweep=ID]", f"sweep={made.name.removeprefix('partial-')}")
    words = shlex.split(command) + ["cluster=inline"] * (command == FEW)
    done = subprocess.run(words, cwd=folder, env=environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if not line.startswith("http")]
    assert max(map(len, lines)) <= 80


@pytest.mark.parametrize("command", [*DRY, *COMPOSED])
def test_it_composes(
    command: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = shlex.split(command.split("-- ")[-1])[3:]
    more = ["dry_run=true"] if command in DRY else ["--cfg", "job"]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["sweep", *arguments, *more])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 0
    told = capsys.readouterr().out
    assert ("core seconds" if command in DRY else "purpose:") in told


@pytest.mark.parametrize("command", MAKE)
def test_the_target_is_there(command: str) -> None:
    python = f"PYTHON={sys.executable}"  # else a second goes by until one is found
    subprocess.run([*shlex.split(command), "-n", python], cwd=ROOT, check=True, capture_output=True)


def test_the_metrics_page_is_up_to_date() -> None:
    assert (ROOT / "docs" / "metrics.md").read_text() == metrics.markdown()


def test_every_package_is_in_the_layout() -> None:
    """CONTRIBUTING's tree: a line a package, indented by its depth."""
    text = (ROOT / "CONTRIBUTING.md").read_text().split("## Layout")[1]
    folders: list[str] = []
    shown = set()
    for line in text.split("```")[1].splitlines():
        if found := re.match(r"( *)(\w+)/ ", line):
            folders[len(found[1]) // 2 :] = [found[2]]
            shown.add("/".join(folders))
    packages = {
        str(path.parent.relative_to(ROOT))
        for top in ("models", "sweep", "tests")
        for path in (ROOT / top).rglob("__init__.py")
    }
    assert len(packages) > 20
    mirrored = {p for p in packages if p.startswith(("tests/models", "tests/sweep"))}
    assert packages - mirrored - shown == set()


def test_the_page_of_faults_names_tests_that_are_there() -> None:
    named = set(re.findall(r"\btest_\w+", (ROOT / "docs" / "faults.md").read_text()))
    assert len(named) > 10
    assert named <= {path.stem for path in (ROOT / "tests").rglob("test_*.py")}


def test_links_lead_somewhere() -> None:
    links = [
        (page, target)
        for page in PAGES
        for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text())
    ]
    assert len(links) > 20
    for page, target in links:
        assert target.startswith("http") or (page.parent / target).exists(), (page, target)
