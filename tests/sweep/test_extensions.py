"""What it takes to add a schedule, an axis, a kind of model, a metric: a toy of each, for real.

Each is run as a sweep in this process, with nothing changed but what CONTRIBUTING names.
"""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sweep import metrics
from sweep.kinds.statistical.kind import Statistical
from sweep.models.schedules import RULES, Rule
from sweep.results import arrays
from sweep.tracking.mlflow_tracker import MlflowTracker
from tests.helpers.bounds import bernstein
from tests.helpers.jobs import ran
from tests.helpers.paths import ROOT

ODDS = 1e-7


def test_a_schedule_is_an_entry_in_the_table_of_rules(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half of the samples come from each of the last two models, drawn again each time."""

    def last_two(m: int, n: int, N: int, K: int) -> dict[int, int]:
        return {0: n} if m == 1 else {m - 2: n // 2, m - 1: n - n // 2}

    rule = Rule(
        purpose="half of n samples from each of the last two models",
        axes=("n",),
        table=last_two,
        draws=last_two,
        reach=lambda K: 2,
    )
    monkeypatch.setitem(RULES, "last_two", rule)
    R = 4000
    _, runs = ran(
        tmp_path, "+experiment=smoke", "grid.schedule=last_two", "grid.n=[6,11]",
        f"replicates={R}", "generations=30",
    )  # fmt: skip
    assert [run.cell.name for run in runs] == ["last_two n=6 S0=0.1", "last_two n=11 S0=0.1"]
    for run in runs:
        mean, exact = (np.array([run.run.metrics[f"sigma/{k}"]]) for k in ("mean", "exact"))
        reach = bernstein(
            exact, low=1 / run.cell.source.support, replicates=R, comparisons=2, odds=ODDS
        )
        assert np.abs(mean - exact) <= reach


def test_a_metric_is_a_row_of_a_kind_and_a_line_of_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The share of the runs that still have more than two tokens."""
    rows = Statistical.rows

    def more(self: Statistical, cell: Any, curves: Any, at: Any) -> Any:
        wide = curves["support"][:, at - 1] > 2
        return {**rows(self, cell, curves, at), "wide/fraction": wide.mean(0)}

    monkeypatch.setattr(Statistical, "rows", more)
    metric = metrics.Metric(key="wide/fraction", text="share of runs with more than two tokens")
    monkeypatch.setattr(metrics, "TABLES", (("Every generation", "", (metric,)),))
    tracker, (run,) = ran(tmp_path, "+experiment=smoke", "grid.schedule=full", "grid.n=20")
    curves = arrays.load(tracker.download_artifact(run.run.id, run.run.curves, tmp_path))
    share = (curves["support"][:, -1] > 2).mean()
    assert 0 < share < 1
    assert run.run.metrics["wide/fraction"] == share
    assert "| `wide/fraction` | `wide` | share of runs" in metrics.markdown()


def test_a_kind_is_a_package_and_a_line_and_an_axis_is_a_declaration(tmp_path: Path) -> None:
    """tests/helpers/toy is run, logged, shown, resumed and read back; its axis is swept."""
    conf = tmp_path / "conf"
    (conf / "model").mkdir(parents=True)
    (conf / "model" / "toy.yaml").write_text("name: toy\n")

    def toy(*arguments: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "tests.helpers.toy", "--config-dir", str(conf)]
        sweep = ("+experiment=smoke", "model=toy", "grid.schedule=full", "cluster=inline")
        return subprocess.run(
            [*command, *sweep, *arguments],
            cwd=tmp_path, capture_output=True, text=True,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )  # fmt: skip

    swept = toy("+grid.rate=[0.5,0.25]")
    assert swept.returncode == 0, swept.stderr
    assert re.search(r"^rate=0.25 .*\nrate=0.5 ", swept.stdout, flags=re.M), swept.stdout
    assert "Theory: 2 of 2 agree" in swept.stdout
    again = toy("+grid.rate=[0.5,0.25]")
    assert "2 of 2 cells finished, 2 of them earlier" in again.stdout, again.stderr
    refused = toy("+grid.rate=[0.5,2]")
    assert refused.returncode == 2
    assert refused.stderr == "sweep: grid.rate: got 2; allowed: numbers from 0 to 1\n"
    unknown = toy("model=statistical", "+grid.rate=0.5", "dry_run=true")
    assert "notice: grid.rate is not used by model=statistical: dropped" in unknown.stdout
    tracker = MlflowTracker(f"sqlite:///{tmp_path / 'mlflow.db'}", "smoke")
    (parent,) = tracker.runs(None)
    runs = {run.params["rate"]: run for run in tracker.runs(parent.id)}
    assert runs.keys() == {"0.5", "0.25"}
    for rate, run in runs.items():
        assert run.params["model"] == "toy"
        assert run.metrics["grid/rate"] == float(rate)
        assert run.metrics["sigma/exact"] == pytest.approx(1 - (1 - float(rate)) ** 20 * 0.9)
