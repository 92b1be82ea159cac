"""Rules of the layout that no type checker holds."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from models import compiled

ROOT = Path(__file__).resolve().parent.parent
FLOORS = [
    {"models.compiled"},
    {"models.draws"},
    {"models.samples"},
    {
        "models.source",
        "models.schedules",
        "models.theory",
        "models.ancestry",
        "models.drift",
        "models.kernel",
        "models.recipe",
        "models.corpus",
        "models.device",
        "models.shelf",
    },
    {"models.harmless", "models.streams", "models.markov", "models.documents", "models.gpt"},
    {"models.gradient"},
    {"models.team"},
    {"models.statistical", "models.contexts", "models.training", "models.gpt_setting"},
    {"models.sampling", "models.judging"},
    {"models.resumable"},
    {"models.truth"},
    {"models.generation"},
    {"models.ground"},
    {"models.gpt_recursion"},
    {"sweep.checks", "sweep.interrupts", "sweep.metrics", "sweep.environment"},
    {"sweep.config_gpt", "sweep.config_cluster", "sweep.config_search", "sweep.bracket"},
    {"sweep.config", "sweep.postgres"},
    {"sweep.grid_gpt", "sweep.server", "sweep.compose"},
    {"sweep.grid", "sweep.texts"},
    {"sweep.laws", "sweep.summary_gpt"},
    {"sweep.summary"},
    {"sweep.packing", "sweep.spool", "sweep.tracking", "sweep.advance"},
    {"sweep.groups", "sweep.forecast", "sweep.data", "sweep.views"},
    {
        "sweep.simulate",
        "sweep.shelf",
        "sweep.stores",
        "sweep.tracking_folder",
        "sweep.tables",
        "sweep.workers",
        "sweep.answers",
        "sweep.criteria",
    },
    {
        "sweep.recursion",
        "sweep.tracking_mlflow",
        "sweep.delivery",
        "sweep.verdicts",
        "sweep.panels",
    },
    {
        "sweep.nodes",
        "sweep.note",
        "sweep.stored",
        "sweep.trial",
        "sweep.figures",
        "sweep.charts",
        "sweep.sheets",
        "sweep.progress",
        "sweep.plan",
    },
    {
        "sweep.figures_gpt",
        "sweep.figures_threshold",
        "sweep.launch",
        "sweep.plot",
        "sweep.page",
        "sweep.display",
    },
    {"sweep.compare", "sweep.drawing"},
    {"sweep.report"},
    {"sweep.session", "sweep.frame", "sweep.failures"},
    {"sweep.story", "sweep.thresholds"},
    {"sweep.searching", "sweep.best"},
    {"sweep.command"},
    {"sweep.notebook", "sweep.cli"},
    {"sweep.__main__"},
]
"""Imports point down only: a module imports modules of lower floors. `connect` in
sweep.tracking is the one exception: it opens the tracker that an address names."""
ONLY_HERE = {
    "mlflow": {"sweep.tracking_mlflow"},
    "ray": {"sweep.launch"},
    "hydra": {"sweep.compose"},
    "matplotlib": {"sweep.figures", "sweep.figures_gpt", "sweep.figures_threshold", "sweep.plot"},
    "pandas": {"sweep.frame", "sweep.plot", "sweep.notebook"},
    "torch": {
        "models.device",
        "models.gpt",
        "models.gradient",
        "models.judging",
        "models.sampling",
        "models.team",
        "models.training",
    },
    "numba": {"models.compiled"},
    "optuna": {"sweep.best"},
    "jinja2": {"sweep.page"},
    "PIL": {"sweep.page"},
}


def modules() -> dict[str, Path]:
    found = {}
    for package in ("models", "sweep"):
        for path in sorted((ROOT / package).glob("*.py")):
            if path.stem != "__init__":
                found[f"{package}.{path.stem}"] = path
    return found


def imports(path: Path) -> set[str]:
    """Every module a file imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def test_every_module_has_a_floor() -> None:
    assert set(modules()) == set().union(*FLOORS)
    assert sum(map(len, FLOORS)) == len(modules())


def test_imports_point_down() -> None:
    floor = {name: k for k, names in enumerate(FLOORS) for name in names}
    for name, path in modules().items():
        for other in imports(path) & set(floor):
            if name == "sweep.tracking" and other.startswith("sweep.tracking_"):
                continue
            assert floor[other] < floor[name], f"{name} imports {other}"


@pytest.mark.parametrize("package", ONLY_HERE)
def test_few_modules_know_a_package(package: str) -> None:
    users = {
        name
        for name, path in modules().items()
        if any(other.split(".")[0] == package for other in imports(path))
    }
    assert users == ONLY_HERE[package]


def test_models_know_nothing_of_the_shell() -> None:
    for name, path in modules().items():
        if name.startswith("models."):
            assert not {o.split(".")[0] for o in imports(path)} & {
                "sweep", "hydra", "omegaconf", "ray", "mlflow",
            }  # fmt: skip


def test_engine_and_theory_do_not_know_each_other() -> None:
    theory = ("theory", "ancestry", "drift", "harmless")
    for name in theory:
        assert not any(o.startswith("models") for o in imports(ROOT / "models" / f"{name}.py"))
    for name in (
        "draws", "samples", "kernel", "statistical", "contexts", "markov", "training",
        "gpt_recursion",
    ):  # fmt: skip
        used = imports(ROOT / "models" / f"{name}.py")
        assert not used & {f"models.{part}" for part in theory}


def test_the_folder_mlflow_is_no_package() -> None:
    """A Python file in it, or a root mlflow.py, would shadow the real one."""
    assert not list((ROOT / "mlflow").rglob("*.py"))
    assert not (ROOT / "mlflow.py").exists()


def test_every_compiled_file_is_in_the_stamp_of_the_cache() -> None:
    """A file left out could change while numba goes on with its old code: wrong bits, silently."""
    users = {f"{name[7:]}.py" for name, p in modules().items() if "models.compiled" in imports(p)}
    assert users | {"compiled.py"} == set(compiled.FILES)


def test_files_are_small() -> None:
    for path in [*ROOT.glob("sweep/*.py"), *ROOT.glob("models/*.py"), *ROOT.glob("tests/*.py")]:
        assert len(path.read_text().splitlines()) <= 400, path


def test_a_statistical_sweep_never_imports_torch(tmp_path: Path) -> None:
    code = (
        "import sys; from sweep.cli import main; sys.argv = ['sweep', '+experiment=smoke', "
        "'cluster=inline', 'tracking=memory', 'replicates=2']\n"
        "try: main()\nexcept SystemExit as end: assert end.code == 0\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, capture_output=True)
