"""Rules of the layout that no type checker holds."""

import ast
import subprocess
import sys
from importlib.util import resolve_name
from pathlib import Path

import pytest

from sweep.models.statistical import jit
from tests import conftest
from tests.helpers.paths import ROOT

ROOMS = (
    {"models.corpus", "models.schedules", "models.source", "models.theory"},
    {"models.seeding"},
    {"models.statistical", "models.gpt"},
    {"models.recursion"},
    {"sweep.columns", "sweep.paths", "sweep.storage", "sweep.streams"},
    {"sweep.tracking"},
    {"sweep.cells"},
    {"sweep.config", "sweep.metrics"},
    {"sweep.grid", "sweep.options"},
    {"sweep.server"},
    {"sweep.results"},
    {"sweep.search", "sweep.trial"},
    {"sweep.launch"},
    {"sweep.report"},
    {"sweep.kinds", "sweep.plot", "sweep.runner"},
    {"sweep.api", "sweep.cli"},
    {"sweep", "sweep.__main__"},
)
"""Packages and top-level modules, bottom to top: each imports lower ones alone. `sweep.kinds` is
imported by none: its packages are loaded by name."""
ONLY_HERE = {
    "mlflow": {"sweep.tracking.mlflow_tracker"},
    "ray": {"sweep.launch.tune"},
    "hydra": {"sweep.config.compose", "sweep.config.overrides"},
    "pydantic": {
        "sweep.config.cluster",
        "sweep.kinds.gpt.config",
        "sweep.config.schema",
        "sweep.config.search",
        "sweep.config.section",
    },
    "matplotlib": {
        "sweep.plot",
        "sweep.report.figures.against_n",
        "sweep.report.figures.axes",
        "sweep.report.figures.curves",
        "sweep.report.figures.files",
        "sweep.report.figures.gpt",
        "sweep.report.figures.panels",
        "sweep.report.figures.registry",
        "sweep.report.figures.simplex",
        "sweep.report.figures.threshold",
    },
    "pandas": {"sweep.api", "sweep.plot", "sweep.report.dataframe"},
    "torch": {
        "models.gpt.data_parallel",
        "models.gpt.dataloader",
        "models.gpt.device",
        "models.gpt.evaluate",
        "models.gpt.generate",
        "models.gpt.gradients",
        "models.gpt.model",
        "models.gpt.trainer",
    },
    "numba": {"models.statistical.jit"},
    "optuna": {"sweep.search.optuna_search"},
    "jinja2": {"sweep.report.html.page"},
    "PIL": {"sweep.report.html.page"},
}
ENGINE = ("models.statistical", "models.gpt", "models.recursion")


def modules(top: str = "") -> dict[str, Path]:
    """Every module of the two packages by its name, or those of one of their packages."""
    found = {}
    for package in ("models", "sweep"):
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            if f"{name}.".startswith(f"{top}." if top else ""):
                found[name] = path
    assert found
    return found


MODULES = modules()


def room(module: str) -> str:
    """The package below `models` or `sweep` that a module is in, or the module itself."""
    return ".".join(module.split(".")[:2])


def imports(path: Path) -> set[str]:
    """Every module a file imports, anywhere in it; a package only if it is imported itself.

    `sweep.models` is the folder models/, by the link in sweep/.
    """
    found = set()
    package = ".".join(path.relative_to(ROOT).parts[:-1])
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            module = resolve_name("." * node.level + (node.module or ""), package)
            module = module.removeprefix("sweep.") if module.startswith("sweep.models") else module
            for alias in node.names:
                inner = f"{module}.{alias.name}"
                found.add(inner if inner in MODULES else module)
    return found


def test_every_module_has_a_room() -> None:
    rooms = {room(name) for name, path in MODULES.items() if path.read_text() or "." in name}
    assert rooms - {"models"} == set().union(*ROOMS)
    assert len(MODULES) > 100


def test_rooms_import_lower_rooms_alone() -> None:
    floor = {name: k for k, names in enumerate(ROOMS) for name in names}
    arrows = {
        (room(name), room(other))
        for name, path in MODULES.items()
        for other in imports(path) & MODULES.keys()
        if other not in ("models", "sweep")
    }
    assert len(arrows) > 20
    for user, used in arrows:
        assert user == used or floor[used] < floor[user], f"{user} imports {used}"


def test_modules_of_a_room_import_each_other_one_way() -> None:
    used = {name: imports(path) & MODULES.keys() - {name} for name, path in MODULES.items()}
    left = set(MODULES)
    while free := {name for name in left if not used[name] & left}:
        left -= free
    assert not left, f"in circles, or above one: {sorted(left)}"


@pytest.mark.parametrize("package", ONLY_HERE)
def test_few_modules_know_a_package(package: str) -> None:
    users = {
        name
        for name, path in MODULES.items()
        if any(other.split(".")[0] == package for other in imports(path))
    }
    assert users == ONLY_HERE[package]


def test_models_know_nothing_of_the_shell() -> None:
    for path in modules("models").values():
        assert not {o.split(".")[0] for o in imports(path)} & {
            "sweep", "hydra", "omegaconf", "ray", "mlflow",
        }  # fmt: skip


def test_models_is_imported_by_no_name_that_a_user_may_have() -> None:
    """A folder of a user may hold a models.py: ours is `sweep.models`, and relative in itself."""
    for path in [*MODULES.values(), *(ROOT / "tests").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.level == 0:
                names = [node.module or ""]
            inside = path.is_relative_to(ROOT / "models")
            for name in names:
                assert name.split(".")[0] != "models", path
                assert not (inside and name.split(".")[0] == "sweep"), path


def test_engine_and_theory_do_not_know_each_other() -> None:
    for name, path in modules("models.theory").items():
        assert not {o for o in imports(path) if o.startswith(ENGINE)}, name
    for package in ENGINE:
        for name, path in modules(package).items():
            assert not {o for o in imports(path) if o.startswith("models.theory")}, name


def test_no_test_imports_a_test() -> None:
    files = sorted((ROOT / "tests").rglob("*.py"))
    assert len(files) > 50
    for path in files:
        assert not [o for o in imports(path) if o.rpartition(".")[2].startswith("test_")], path


def test_the_folder_mlflow_is_no_package() -> None:
    """A Python file in it, or a root mlflow.py, would shadow the real one."""
    assert (ROOT / "mlflow").is_dir()
    assert not list((ROOT / "mlflow").rglob("*.py"))
    assert not (ROOT / "mlflow.py").exists()


def test_every_compiled_file_is_in_the_stamp_of_the_cache() -> None:
    """A file left out could change while numba goes on with its old code: wrong bits, silently."""
    users = {path for path in MODULES.values() if "models.statistical.jit" in imports(path)}
    used = {MODULES[name] for path in users for name in imports(path) & MODULES.keys()}
    stamped = {MODULES["models.statistical"].parent / name for name in jit.FILES}
    assert users | used == stamped


def test_files_are_small() -> None:
    tests = sorted((ROOT / "tests").rglob("*.py"))
    for path in [*MODULES.values(), *tests]:
        assert len(path.read_text().splitlines()) <= 400, path


def test_files_that_come_first_are_there() -> None:
    names = [path.stem for path in (ROOT / "tests").rglob("test_*.py")]
    assert len(set(names)) == len(names)
    assert set(conftest.LONGEST) < set(names)


def test_a_statistical_sweep_never_imports_torch(tmp_path: Path) -> None:
    code = (
        "import sys; from sweep.cli import main; sys.argv = ['sweep', '+experiment=smoke', "
        "'cluster=inline', 'tracking=memory', 'replicates=2']\n"
        "try: main()\nexcept SystemExit as end: status = end.code\n"
        "assert status == 0\n"
        "assert 'numba' in sys.modules\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, capture_output=True)
