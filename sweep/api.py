"""Sweeps from Python: `from sweep import run, load`."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sweep.config import compose
from sweep.config.validate import ConfigError
from sweep.launch import execute
from sweep.launch.session import InterruptedSweepError
from sweep.report import dataframe, failures, find
from sweep.runner import prepare, run_sweep
from sweep.tracking.uri import DEFAULT, absolute

if TYPE_CHECKING:
    import pandas as pd


def run(
    experiment: str, overrides: Mapping[str, Any] | None = None, *, runs: bool = False
) -> "pd.DataFrame":
    """Run a sweep as `python -m sweep` does; return its table, as in `sweep.report.dataframe`.

    Args:
        experiment: name of the experiment, as after `+experiment=`.
        overrides: key -> Python value, such as {"grid.n": [10, 37], "tracking": "memory"}.
        runs: whether to return every run instead of means.

    Finished cells are not rerun. Failed cells are reported on stderr and are not in the table.

    Raises ConfigError for what the command line refuses, with the same line; KeyboardInterrupt,
    with all finished cells kept; and `sweep.tracking.base.OutageError` if the store does not
    answer, with computed results kept on disk.
    """
    overrides = dict(overrides or {})
    if "experiment" in overrides:
        raise ConfigError("experiment: is the first argument; leave it out of the overrides")
    arguments = compose.arguments_of(experiment, overrides)
    plan = prepare(compose.from_arguments(arguments), overrides.keys())
    if plan.settings.dry_run:
        raise ConfigError(
            "dry_run: got true; it belongs to the command line, which prints the plan"
        )
    for notice in plan.notices:
        failures.say(f"notice: {notice.message}")
    with execute.open_store(plan.settings) as store:
        try:
            result = run_sweep(plan, store, arguments)
        except InterruptedSweepError as error:
            raise KeyboardInterrupt(str(error)) from None
        for line in failures.lines(result.failures, result.cells, runs=store.kind == "mlflow"):
            failures.say(line)
        finished_runs = [cell_run.run for cell_run in result.report.cell_runs]
        return dataframe.table(result.tracker, result.parent, finished_runs, runs=runs)


def load(
    sweep: str = "",
    *,
    uri: str = DEFAULT,
    experiment: str = "",
    runs: bool = False,
) -> "pd.DataFrame":
    """Load a sweep as a table, as in `sweep.report.dataframe`, from the tracking store alone.

    Args:
        sweep: id of the sweep or a prefix of it, or the name of an experiment, for its latest
            sweep; empty: the latest sweep of all.
        uri: the store, as in `tracking.uri`.
        experiment: name of the MLflow experiment, where it differs from that of the experiment.
        runs: whether to return every run instead of means.

    Raises ConfigError if there is none, and `sweep.tracking.base.StoreError` if the
    store cannot be opened.
    """
    tracker, parent = find.choose(sweep, find.sweeps(absolute(uri), experiment))
    return dataframe.table(tracker, parent, tracker.runs(parent.id), runs=runs)
