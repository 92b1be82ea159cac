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
    """Run a sweep as `python -m sweep` does, and return its table, see `sweep.report.dataframe`.

    Args:
        experiment: its name, as after `+experiment=`.
        overrides: key -> Python value, such as {"grid.n": [10, 37], "tracking": "memory"}.
        runs: whether to return every run instead of means.

    What is finished already is not run again. Failed cells are told on stderr
    and are not in the table.

    Raises ConfigError for what the command line refuses, with the same line;
    KeyboardInterrupt, with everything finished kept; and
    `sweep.tracking.base.OutageError` if the store has gone, results waiting on disk.
    """
    given = dict(overrides or {})
    if "experiment" in given:
        raise ConfigError("experiment: is the first argument; leave it out of the overrides")
    arguments = compose.arguments_of(experiment, given)
    order = prepare(compose.from_arguments(arguments), given.keys())
    if order.settings.dry_run:
        raise ConfigError(
            "dry_run: got true; it belongs to the command line, which prints the plan"
        )
    for notice in order.notices:
        failures.say(f"notice: {notice.message}")
    with execute.store(order.settings) as address:
        try:
            done = run_sweep(order, address, arguments)
        except InterruptedSweepError as error:
            raise KeyboardInterrupt(str(error)) from None
        for line in failures.lines(done.failures, done.cells, runs=address.kind == "mlflow"):
            failures.say(line)
        rows = [cell_run.run for cell_run in done.report.cell_runs]
        return dataframe.table(done.tracker, done.parent, rows, runs=runs)


def load(
    sweep: str = "",
    *,
    uri: str = DEFAULT,
    experiment: str = "",
    runs: bool = False,
) -> "pd.DataFrame":
    """A sweep of a tracking store as a table, see `sweep.report.dataframe`; from the store alone.

    Args:
        sweep: its id, which may be cut short, or the name of an experiment, whose
            sweep that was started last is taken; left out: the last of all.
        uri: the store, as in `tracking.uri`.
        experiment: name of the MLflow experiment, where it differs from the experiment's.
        runs: whether to return every run instead of means.

    Raises ConfigError if there is none, and `sweep.tracking.base.StoreError` if the
    store cannot be opened.
    """
    tracker, parent = find.choose(sweep, find.sweeps(absolute(uri), experiment))
    return dataframe.table(tracker, parent, tracker.runs(parent.id), runs=runs)
