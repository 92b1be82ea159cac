"""From a composed config to a finished sweep, for the command line and for notebooks."""

import shlex
import tempfile
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from sweep.config.compose import experiments
from sweep.config.notice import Notice
from sweep.config.schema import Settings, parse
from sweep.config.validate import ConfigError
from sweep.grid import corpus
from sweep.launch import execute
from sweep.report import build, failures
from sweep.report.failures import Failure
from sweep.search.base import Search
from sweep.search.registry import SEARCHES
from sweep.tracking import provenance
from sweep.tracking.base import Run, Store, Tracker
from sweep.tracking.uri import checkpoint_wal, redact


@dataclass(frozen=True, kw_only=True)
class SweepPlan:
    """A sweep that is checked and not yet started."""

    config: dict[str, Any]
    """The config as composed."""
    settings: Settings
    text: str | None
    """The corpus, if the cells need one."""
    search: Search[Any]
    """Chooses the cells."""
    notices: list[Notice]
    """About settings that the user gave and no cell uses."""


@dataclass(frozen=True, kw_only=True)
class SweepResult:
    """A sweep whose cells have all ended, and whose report is written."""

    tracker: Tracker
    parent: Run
    """The run of the sweep."""
    report: build.Report
    failures: list[Failure]
    cells: int
    """Number of cells."""
    new: int
    """Number of cells that were run now; the others had been finished earlier."""
    messages: list[str]
    """Lines of the search, for the terminal."""
    complete: bool
    """Whether all cells are finished."""


def prepare(config: dict[str, Any], given_keys: Collection[str]) -> SweepPlan:
    """Check a composed config. Raises ConfigError.

    given_keys: the keys that the user wrote; a key of the experiment itself that a schedule
    does not use needs no notice.
    """
    if config.get("name") is None:
        listing = ", ".join(experiments())
        raise ConfigError(f"no experiment given; write +experiment=NAME, with one of: {listing}")
    settings = parse(config)
    text = corpus.fetch(settings)
    search, notices = SEARCHES[settings.search].search(settings, text)
    execute.check(settings)
    for name, kind in SEARCHES.items():
        ignored = sorted(key for key in given_keys if key.split(".")[0] == kind.section)
        if ignored and settings.search != name:
            message = f"{', '.join(ignored)}: used only by search={name}: ignored"
            notices.append(Notice(ignored[0], message))
    return SweepPlan(
        config=config,
        settings=settings,
        text=text,
        search=search,
        notices=[notice for notice in notices if not notice.key or notice.key in given_keys],
    )


def run_sweep(plan: SweepPlan, store: Store, arguments: Sequence[str]) -> SweepResult:
    """Run the cells that are not finished, and write the report.

    arguments: those of the equivalent command line. Raises what
    `sweep.launch.execute.execute` does, and ConfigError for an output that cannot be written.
    """
    settings = plan.settings
    build.check_output(settings.output)
    command = shlex.join(["python", "-m", "sweep", *(a for a in arguments if "://" not in a)])
    commit, text = provenance.commit(), plan.text
    with execute.execute(
        settings, plan.search, store, command=command, commit=commit, text=text
    ) as finished:
        tracker, parent = finished.tracker, finished.parent
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "config.yaml"
            path.write_text(redact(yaml.safe_dump(plan.config, sort_keys=False)))
            tracker.log_artifact(parent.id, path)
        built = build.build(tracker, parent, finished.runs, Path(settings.output))
        status = build.close(tracker, parent, finished.runs, finished.cells)
        failed = failures.save(tracker, built)
    checkpoint_wal(store.uri)
    return SweepResult(
        tracker=tracker,
        parent=parent,
        report=built,
        failures=failed,
        cells=finished.cells,
        new=finished.new,
        messages=finished.messages,
        complete=status == "FINISHED",
    )
