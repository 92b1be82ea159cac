"""What the command line and a notebook do alike: from a composed config to a finished sweep."""

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
    """A sweep that is checked and has not begun."""

    config: dict[str, Any]
    """As composed."""
    settings: Settings
    text: str | None
    """The corpus, if the cells need one."""
    search: Search[Any]
    """What chooses its cells."""
    notices: list[Notice]
    """What the user gave and no cell uses."""


@dataclass(frozen=True, kw_only=True)
class SweepResult:
    """A sweep whose cells have all ended, and whose report is written."""

    tracker: Tracker
    parent: Run
    """The run of the sweep."""
    report: build.Report
    failures: list[Failure]
    cells: int
    """How many there are."""
    new: int
    """How many cells were run now; the others had been finished before."""
    words: list[str]
    """What a search has to say."""
    whole: bool
    """Whether all cells are finished."""


def prepare(config: dict[str, Any], given: Collection[str]) -> SweepPlan:
    """Check a composed config. Raises ConfigError.

    given: the keys that the user wrote: what an experiment holds and a schedule
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
        ignored = sorted(key for key in given if key.split(".")[0] == kind.section)
        if ignored and settings.search != name:
            message = f"{', '.join(ignored)}: used only by search={name}: ignored"
            notices.append(Notice(ignored[0], message))
    return SweepPlan(
        config=config,
        settings=settings,
        text=text,
        search=search,
        notices=[notice for notice in notices if not notice.key or notice.key in given],
    )


def run_sweep(order: SweepPlan, address: Store, arguments: Sequence[str]) -> SweepResult:
    """Run the cells that are not finished, and write the report.

    arguments: of the command line that does the same. Raises what
    `sweep.launch.execute.execute` does, and ConfigError for an output that cannot be written.
    """
    settings = order.settings
    build.check_output(settings.output)
    command = shlex.join(["python", "-m", "sweep", *(a for a in arguments if "://" not in a)])
    commit, text = provenance.commit(), order.text
    with execute.execute(
        settings, order.search, address, command=command, commit=commit, text=text
    ) as finished:
        tracker, parent = finished.tracker, finished.parent
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "config.yaml"
            path.write_text(redact(yaml.safe_dump(order.config, sort_keys=False)))
            tracker.log_artifact(parent.id, path)
        built = build.build(tracker, parent, finished.rows, Path(settings.output))
        status = build.close(tracker, parent, finished.rows, finished.cells)
        failed = failures.save(tracker, built)
    checkpoint_wal(address.uri)
    return SweepResult(
        tracker=tracker,
        parent=parent,
        report=built,
        failures=failed,
        cells=finished.cells,
        new=finished.new,
        words=finished.words,
        whole=status == "FINISHED",
    )
