"""`from sweep import run, load, plot`: the table, its figures, and the page that shows them."""

import asyncio
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

import sweep
from sweep import ConfigError, StoreError, load, metrics, plot, run
from sweep.config.compose import arguments_of, from_arguments
from sweep.tracking import base
from sweep.tracking.mlflow_tracker import MlflowTracker
from tests.helpers.paths import ROOT

PAGE = ROOT / "docs" / "notebook.md"
SMALL: dict[str, Any] = {"cluster": "inline", "generations": 12, "replicates": 20}


@pytest.fixture(scope="module")
def table(make_store_folder: Callable[[str], Path]) -> pd.DataFrame:
    """A sweep of every kind of law, kept in MLflow; the test runs in its folder."""
    folder = make_store_folder("notebook")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        found = run("smoke", {**SMALL, "grid.n": np.array([4, 10]), "grid.S0": 0.3})
    found.attrs["folder"] = folder
    return found


def test_a_row_is_a_cell_at_a_generation(table: pd.DataFrame) -> None:
    assert len(table) == 8 * 12
    assert not table.duplicated(["cell", "generation"]).any()
    assert set(table.schedule) == {"full", "partial", "recent", "random"}
    assert table.n.dtype == "Int64"
    assert table[table.schedule == "full"].N.isna().all()
    np.testing.assert_allclose(table.S0, 0.3, atol=1e-12)
    described = {metrics.column(metric.key) for metric in metrics.ALL}
    head = {"name", "model", "schedule", "n", "N", "K", "reuse", "S0", "temperature"}
    assert set(table) - head - {"replicates", "cell", "generation"} <= described
    full = table[(table.schedule == "full") & (table.n == 4)]
    np.testing.assert_allclose(full.sigma_exact, 1 - 0.7 * 0.75**full.generation, rtol=1e-12)
    assert full.collapse_time_exact.nunique() == 1


def test_the_table_is_what_mlflow_holds(
    table: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Loaded again it is the same, and its last rows are the last values of the runs."""
    monkeypatch.chdir(table.attrs["folder"])
    for wanted in ("", "smoke", table.attrs["sweep"][:6]):
        pd.testing.assert_frame_equal(load(wanted), table)
    tracker = MlflowTracker(f"sqlite:///{table.attrs['folder']}/mlflow.db", "smoke")
    (parent,) = tracker.runs(None)
    rows = tracker.runs(parent.id)
    assert {row.key for row in rows} == set(table.cell)
    for row in rows:
        last = table[(table.cell == row.key) & (table.generation == 12)].iloc[0]
        for key, value in row.metrics.items():
            if not key.startswith("grid/"):
                assert last[metrics.column(key)] == value, key
    with pytest.raises(ConfigError, match="this store has: " + parent.key):
        load("nope")


def test_every_run_is_there(table: pd.DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(table.attrs["folder"])
    runs = load(runs=True)
    assert len(runs) == 8 * 20 * 12
    for name in ("sigma", "deviation", "entropy", "support"):
        mean = runs.groupby(["cell", "generation"], sort=False)[name].mean()
        np.testing.assert_allclose(mean.to_numpy(), table[name], rtol=1e-12)
    one = runs[(runs.cell == runs.cell.iloc[0]) & (runs.generation == 12)]
    assert ((one.collapse_time > 0) == one.collapsed).all()


def test_groups_are_tables_like_runs(
    table: pd.DataFrame, store_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(store_folder)
    values = {**SMALL, "grid.n": [4, 10], "grid.S0": 0.3, "tracking.detail": "group"}
    pd.testing.assert_frame_equal(run("smoke", values), table, check_like=True)
    pd.testing.assert_frame_equal(load(), table, check_like=True)


def test_what_fails_is_named_and_the_rest_is_there(
    store_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(store_folder)
    values: dict[str, Any] = {"cluster": "inline", "generations": 200, "replicates": 9000}
    run("full", {**values, "grid.n": 2})  # done before, since compiling may take seconds
    with pytest.warns(UserWarning, match="1 of 2 cells"):
        found = run("full", {**values, "grid.n": [2, 50_000], "cluster.limit_seconds": 0.5})
    assert set(found.n) == {2}
    said = capsys.readouterr().err
    assert re.search(r"^FAILED  full n=50000 S0=0.1: TimeoutError", said, flags=re.M)
    assert list(store_folder.glob("outputs/*/failed/*.txt"))


@pytest.mark.parametrize(
    ("experiment", "values", "message"),
    [
        ("partia", {}, "experiment: got 'partia'; allowed: .* did you mean partial"),
        ("partial", {"grid.n": 0}, "grid.n: got 0; allowed: whole numbers from 1 to 10000000"),
        ("partial", {"grid.m": 3}, "grid.m: unknown key; did you mean grid.n"),
        ("partial", {"model": "gtp"}, "model: got 'gtp'; allowed: gpt, statistical"),
        ("partial", {"grid.n": "10,37"}, "grid.n: got '10,37'; allowed: whole numbers"),
        ("partial", {"dry_run": True}, "dry_run: got true; it belongs to the command line"),
        ("partial", {"experiment": "full"}, "experiment: is the first argument"),
        ("partial", {"grid.S0": float("nan")}, "grid.S0: got nan; allowed: a finite number"),
    ],
)
def test_what_the_command_line_refuses_is_refused(
    experiment: str, values: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        run(experiment, {"tracking": "memory", "cluster": "inline", **values})


def test_values_survive_hydra() -> None:
    values: dict[str, Any] = {
        "grid.n": (10, 37), "grid.S0": [0.1, 1e-1], "grid.K": None, "dry_run": False, "seed": 3,
        "purpose": "it's [a] {test}, = true: 5%", "tracking.experiment": "1e3",
        "tracking": "memory",
        "generations": np.int64(7), "output": Path("/tmp/x y"),
    }  # fmt: skip
    config = from_arguments(arguments_of("partial", values))
    assert config["grid"]["n"] == [10, 37]
    assert config["grid"]["S0"] == [0.1, 0.1]
    assert config["grid"]["K"] is None
    assert config["dry_run"] is False
    assert config["purpose"] == values["purpose"]
    assert config["tracking"]["experiment"] == "1e3"
    assert config["tracking"]["kind"] == "memory"
    assert (config["generations"], config["seed"], config["output"]) == (7, 3, "/tmp/x y")


def test_the_process_is_left_as_it_was(tmp_path: Path) -> None:
    """In a running event loop, as in Jupyter, and in a thread; Hydra and signals are untouched."""
    from hydra import initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra

    values = {**SMALL, "tracking": "memory", "output": str(tmp_path), "grid.n": 5}

    async def cell() -> pd.DataFrame:
        return run("full", values)

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    with initialize_config_dir(str(Path("/tmp")), version_base="1.3"):
        mine = GlobalHydra.instance().hydra
        here = asyncio.run(cell())
        assert GlobalHydra.instance().hydra is mine
    assert {number: signal.getsignal(number) for number in before} == before
    found: list[pd.DataFrame] = []
    thread = threading.Thread(target=lambda: found.append(run("full", values)))
    thread.start()
    thread.join()
    pd.testing.assert_frame_equal(found[0], here)


def test_the_package_exports_the_errors_that_are_raised() -> None:
    with pytest.raises(StoreError, match=r"tracking\.uri: got 'nope'"):
        load(uri="nope")
    assert sweep.OutageError is base.OutageError  # tests/sweep/server has a store that goes away
    assert set(sweep.__all__) <= set(dir(sweep))
    for name in sweep.__all__:
        assert getattr(sweep, name) is not None
    with pytest.raises(AttributeError, match="has no attribute 'runs'"):
        _ = sweep.runs


def test_importing_costs_nothing() -> None:
    heavy = {"pandas", "mlflow", "ray", "torch", "hydra", "matplotlib", "numpy"}
    code = f"import sys, sweep; assert 'run' in dir(sweep); assert not {heavy} & sys.modules.keys()"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_figures_of_the_table(
    table: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import matplotlib.pyplot as plt

    monkeypatch.chdir(table.attrs["folder"])
    full = run("full", {**SMALL, "generations": 400, "grid.n": [4, 8, 16]})
    figures = {
        "curves": plot.curves(table),
        "runs": plot.curves(load("smoke", runs=True), ["sigma", "entropy"]),
        "compare": plot.compare(table, "deviation"),
        "collapse_time": plot.collapse_time(full),
        "last": plot.last(table, "sigma"),
        "one": plot.last(full, "support", against="n"),
    }
    assert plt.get_fignums() == []
    for name, figure in figures.items():
        assert isinstance(figure, Figure)
        figure.savefig(tmp_path / f"{name}.png", dpi=60)
        assert figure._repr_png_().startswith(b"\x89PNG"), name  # as a notebook asks
    top = figures["curves"].axes[0]
    exact = next(line for line in top.lines if line.get_label() == "exact")
    np.testing.assert_array_equal(exact.get_ydata(), table.sigma_exact[:12])
    assert len(figures["curves"].axes) == 16
    assert (
        len(figures["compare"].axes[0].lines)
        == 8 + table.groupby("cell").deviation_exact.any().sum()
    )
    with pytest.raises(ConfigError, match="sigm: is not in this table; did you mean sigma"):
        plot.compare(table, "sigm")
    with pytest.raises(ConfigError, match="up to 12"):
        plot.curves(pd.concat([full.assign(cell=full.cell + str(k)) for k in range(5)]))


def test_the_page_runs_as_it_stands(store_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every cell of docs/notebook.md, in one namespace."""
    cells = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.M | re.S)
    assert len(cells) == 6
    monkeypatch.chdir(store_folder)
    names: dict[str, Any] = {}
    for cell in cells:
        exec(compile(cell, str(PAGE), "exec"), names)
    assert len(names["table"]) == 3 * 30
    assert names["z"].max() < 6  # standard errors: 90 comparisons, odds below 1e-6
    assert (store_folder / "deviation.png").stat().st_size > 1000
    assert set(names["runs"].run) == set(range(100))
