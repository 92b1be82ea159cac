"""The wheel holds what the command needs, and nothing here shadows the mlflow package."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.helpers.paths import ROOT

WHERE = "import mlflow, sys; print(mlflow.__file__); print(mlflow.__version__)"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            "wheel",
            "--quiet",
            "--no-deps",
            "-w",
            str(folder),
            str(ROOT),
        ],
        check=True,
    )
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds the wheel's content alone; put first on the path it wins over ROOT."""
    folder = tmp_path_factory.mktemp("installed")
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(folder),
         str(wheel)],
        check=True,
    )  # fmt: skip
    return folder


def test_the_wheel_holds_packages_and_configs(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    code = [*ROOT.glob("sweep/**/*.py"), *ROOT.glob("models/**/*.py")]
    templates = [p for p in ROOT.glob("sweep/report/html/templates/*") if p.is_file()]
    configs = list(ROOT.glob("conf/**/*.yaml"))
    assert len(code) > 100
    assert len(templates) > 4
    assert len(configs) > 20
    for path in code + templates:
        name = path.relative_to(ROOT).as_posix()
        assert (f"sweep/{name}" if name.startswith("models/") else name) in names
    for path in configs:
        assert f"sweep/{path.relative_to(ROOT)}" in names
    assert {name.split("/")[0] for name in names} == {
        "sweep",
        next(n for n in names if n.endswith("METADATA")).split("/")[0],
    }


def run(folder: Path, path: Path | None, *command: str) -> str:
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    if path is not None:
        environment["PYTHONPATH"] = str(path)
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_mlflow_is_the_package_from_everywhere(installed: Path, tmp_path: Path) -> None:
    for folder, path in ((ROOT, None), (tmp_path, None), (tmp_path, installed), (tmp_path, ROOT)):
        file, version = run(folder, path, sys.executable, "-c", WHERE).split()
        assert file.endswith("mlflow/__init__.py")
        assert not Path(file).is_relative_to(ROOT / "mlflow")
        assert version.startswith("3.")


def test_the_wheel_runs_in_any_folder(installed: Path, tmp_path: Path) -> None:
    printed = run(tmp_path, installed, sys.executable, "-c", "import sweep; print(sweep.__file__)")
    assert printed.strip().startswith(str(installed))
    script = installed / "bin" / "collapse-sweep"
    printed = run(
        tmp_path, installed, sys.executable, str(script),
        "+experiment=smoke", "cluster=inline", "tracking=memory",
    )  # fmt: skip
    assert "4 of 4 cells finished" in printed


@pytest.mark.parametrize("theirs", ["models.py", "models/__init__.py"])
def test_a_users_own_models_is_left_alone(tmp_path: Path, theirs: str) -> None:
    file = tmp_path / theirs
    file.parent.mkdir(exist_ok=True)
    file.write_text("MINE = 'the user wrote this'")
    printed = run(
        tmp_path, ROOT, sys.executable, "-c",
        "import sys, models; from sweep import run; "
        "run('smoke', {'cluster': 'inline', 'tracking': 'memory'}); "
        "print(models.MINE, *(name for name in sys.modules if name.startswith('models.')))",
    )  # fmt: skip
    assert "the user wrote this\n" in printed
    for option in ("cluster=local", "cluster=inline"):
        printed = run(
            tmp_path, ROOT, sys.executable, "-m", "sweep",
            "+experiment=smoke", option, "tracking=memory",
        )  # fmt: skip
        assert "4 of 4 cells finished" in printed
