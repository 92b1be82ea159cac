"""What it takes to add a schedule, an axis, a kind of model, a metric: a toy of each, for real.

Each is run as a sweep in this process, with nothing changed but what CONTRIBUTING names.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.schedules import RULES, Rule
from sweep import metrics
from sweep.kinds.statistical.kind import Statistical
from sweep.results import arrays
from tests.helpers.bounds import bernstein
from tests.helpers.jobs import ran

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
