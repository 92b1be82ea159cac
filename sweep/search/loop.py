"""The story of a sweep whose cells are chosen by a search, round by round.

A search says which cells to run next, given what earlier ones have found, and
nothing else decides: so the same command again, or on other machines, asks for
the same cells, and takes those that are finished from the store.
"""

import contextlib
import hashlib
import json
import sys
import tempfile
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from sweep.cells.outcome import Curves
from sweep.config.schema import Settings
from sweep.grid import cost
from sweep.launch.execute import Finished, params_of, sweep_run_spec
from sweep.launch.session import Session, opened
from sweep.results import arrays
from sweep.search.base import Load, Search
from sweep.tracking.base import Point, Run, Store

HERE_SECONDS = 3.0
"""A round that is estimated to be shorter is run in this process: to hand it out takes as long."""


@contextlib.contextmanager
def execute(
    settings: Settings,
    search: Search,
    address: Store,
    *,
    command: str,
    commit: str,
    text: str | None = None,
) -> Iterator[Finished]:
    """Run what the search asks for until it is over, or a cell fails.

    Raises as `sweep.launch.session.opened` does.
    """
    key = hashlib.sha256(json.dumps([settings.name, search.key]).encode()).hexdigest()[:12]
    identity = sweep_run_spec(settings, search.ask({}), key, command, commit)
    with opened(settings, address, identity, text=text) as session:
        session.tracker.log(session.parent, [], start_ms=0, params=params_of(settings))
        rows, new, results = _rounds(search, session)
        session.release()
        print("the search is over; what theory says is computed now", file=sys.stderr, flush=True)
        with tempfile.TemporaryDirectory() as folder:
            path, metrics = search.save(results, Path(folder))
            session.tracker.log_artifact(session.parent, path)
        own = session.own()
        # Of points of one step MLflow shows the largest, so what is known later has a later step.
        points = [Point(name, len(results), value) for name, value in metrics.items()]
        session.tracker.log(session.parent, points, start_ms=own.start_ms)
        yield Finished(
            tracker=session.tracker,
            parent=session.own(),
            rows=rows,
            new=new,
            words=search.words(results),
        )


def _rounds(search: Search, session: Session) -> tuple[list[Run], int, dict[str, Any]]:
    """All runs of the sweep, how many cells were run now, and the results by cell id."""
    results: dict[str, Any] = {}
    rows: list[Run] = []
    new = 0
    for number in range(1, 10**9):
        asked = search.ask(results)
        if not asked:
            break
        short = sum(map(cost.seconds, asked)) < HERE_SECONDS
        here = short and not any(cell.kind.trains_network for cell in asked)
        title = f"round {number}, {search.state(results)}"
        rows, ran = session.run(asked, here=here, title=title)
        new += ran
        found = {row.key: row for row in rows if row.status == "FINISHED"}
        for cell in asked:
            if cell.id in found:
                row = found[cell.id]
                results[cell.id] = search.value(cell, row, _loader(session, row))
        if not all(cell.id in found for cell in asked):
            break  # what failed would be asked for again
    return rows, new, results


def _loader(session: Session, row: Run) -> Load:
    def load(names: Collection[str]) -> Curves:
        with tempfile.TemporaryDirectory() as folder:
            return arrays.load(
                session.tracker.download_artifact(row.id, row.curves, Path(folder)), names
            )

    return load
