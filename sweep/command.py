"""What the command line and a notebook do alike: from a composed config to a finished sweep."""

import shlex
import subprocess
import tempfile
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from sweep import best, failures, report, searching, story, texts, thresholds
from sweep.checks import ConfigError
from sweep.compose import HERE, experiments
from sweep.config import Settings, key_paths, parse
from sweep.failures import Failure
from sweep.grid import Cell, expand
from sweep.searching import Search
from sweep.stores import redact, settle
from sweep.tracking import Row, Store, Tracker


@dataclass(frozen=True, kw_only=True)
class Order:
    """A sweep that is checked and has not begun."""

    config: dict[str, Any]
    """As composed."""
    settings: Settings
    text: str | None
    """The corpus, if the cells need one."""
    cells: list[Cell]
    """All of a grid; none yet where a search chooses them."""
    search: Search | None
    notices: list[str]
    """What the user gave and no cell uses."""


@dataclass(frozen=True, kw_only=True)
class Done:
    """A sweep whose cells have all ended, and whose report is written."""

    tracker: Tracker
    parent: Row
    """The run of the sweep."""
    report: report.Report
    failures: list[Failure]
    cells: int
    """How many there are."""
    new: int
    """How many cells were run now; the others had been finished before."""
    words: list[str]
    """What a search has to say."""
    whole: bool
    """Whether all cells are finished."""


def prepare(config: dict[str, Any], given: Collection[str]) -> Order:
    """Check a composed config. Raises ConfigError.

    given: the keys that the user wrote: what an experiment holds and a schedule
    does not use needs no notice.
    """
    if config.get("name") is None:
        listing = ", ".join(experiments())
        raise ConfigError(f"no experiment given; write +experiment=NAME, with one of: {listing}")
    settings = parse(config)
    text = texts.fetch(settings)
    cells: list[Cell] = []
    search: Search | None = None
    if settings.search == "threshold":
        search, notices = thresholds.search(settings, text)
    elif settings.search == "optuna":
        search, notices = best.search(settings, text)
    else:
        cells, notices = expand(settings, text)
    story.check(settings)
    for section in ("threshold", "optuna"):
        asked = sorted(key for key in given if key.split(".")[0] == section)
        if asked and settings.search != section:
            notices.append(f"{', '.join(asked)}: used by search={section} alone: ignored")
    unasked = set(key_paths()) - set(given)
    told = [notice for notice in notices if notice.split(" ")[0].rstrip(":,") not in unasked]
    return Order(
        config=config, settings=settings, text=text, cells=cells, search=search, notices=told
    )


def carry_out(order: Order, address: Store, arguments: Sequence[str]) -> Done:
    """Run the cells that are not finished, and write the report.

    arguments: of the command line that does the same. Raises what
    `sweep.story.execute` does, and ConfigError for an output that cannot be written.
    """
    settings = order.settings
    report.check_output(settings.output)
    command = shlex.join(["python", "-m", "sweep", *(a for a in arguments if "://" not in a)])
    commit, text = _commit(), order.text
    with (
        story.execute(settings, order.cells, address, command=command, commit=commit, text=text)
        if order.search is None
        else searching.execute(
            settings, order.search, address, command=command, commit=commit, text=text
        )
    ) as finished:
        tracker, parent = finished.tracker, finished.parent
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "config.yaml"
            path.write_text(redact(yaml.safe_dump(order.config, sort_keys=False)))
            tracker.attach(parent.run, path)
        built = report.build(tracker, parent, finished.rows, Path(settings.output))
        cells = len(finished.rows) if order.search else len(order.cells)
        status = report.close(tracker, parent, finished.rows, cells)
        failed = failures.save(tracker, built)
    settle(address.uri)
    return Done(
        tracker=tracker,
        parent=parent,
        report=built,
        failures=failed,
        cells=cells,
        new=finished.new,
        words=finished.words,
        whole=status == "FINISHED",
    )


def _commit() -> str:
    """The commit of the checkout this code is in, marked if it has changes; else nothing."""
    if not (HERE.parent / ".git").exists():
        return ""
    found = []
    for question in (["rev-parse", "HEAD"], ["status", "--porcelain", "-uno"]):
        try:
            done = subprocess.run(
                ["git", "-C", str(HERE.parent), *question], capture_output=True, text=True
            )
        except OSError:
            return ""
        found.append(done.stdout.strip())
    return found[0] + (" with changes" if found[1] else "")
