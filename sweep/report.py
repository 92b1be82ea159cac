"""Tables, figures and the page of a sweep, from the tracking store alone.

    python -m sweep.report [sweep=ID] [tracking.uri=URI] [tracking.experiment=NAME] [output=FOLDER]
                           [deliver=true [cluster.storage=FOLDER]]

Without an id: the sweep that was started last. An id may be cut short. sweep=ID1,ID2 puts
several on one page, side by side; sweep=all does so with all sweeps there are.
deliver=true first sends the results that wait on disk since the store was down.
"""

import contextlib
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sweep import answers, compare, drawing, page, stored, tables, verdicts
from sweep.checks import ConfigError, nearest
from sweep.delivery import Address, Queue, leftovers, passed_on
from sweep.display import display
from sweep.laws import laws
from sweep.stored import Sweeps
from sweep.summary_gpt import spread_in_words
from sweep.tables import Entry
from sweep.tracking import OutageError, Row, Status, StoreError, Tracker

FIGURES = "figures"
"""Folder of a sweep's artifacts."""


@dataclass(frozen=True, kw_only=True)
class Report:
    """What was written."""

    folder: Path
    """Where it is."""
    entries: list[Entry]
    """Empty where several sweeps are compared."""
    files: list[Path]
    """Figures first, then summary.csv and report.html."""
    page: str
    """Path of the cells in charts, on the pages of the store; empty if it has none."""
    answers: list[answers.Told]
    """Of a threshold search."""

    def text(self) -> str:
        """For the terminal: the table of the answers, if there are any, or of the cells."""
        if self.answers:
            return answers.text(self.answers)
        return f"{tables.text(self.entries)}\n\n{verdicts.text(self.entries)}".rstrip()


def check_output(folder: str) -> None:
    """Refuse a folder for figures that cannot be written. Raises ConfigError."""
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise ConfigError(
            f"output: got {folder!r}; allowed: a folder that can be written ({error})"
        ) from None


def build(tracker: Tracker, parent: Row, rows: Sequence[Row], output: Path) -> Report:
    """Write all files of a sweep below `output`, and store them with its run."""
    told = page.Told(
        name=parent.tags.get("experiment", "sweep"), parent=parent, entries=tables.entries_of(rows)
    )
    entries = list(told.entries)
    folder = output / f"{told.name}-{parent.key[:8]}"
    folder.mkdir(parents=True, exist_ok=True)
    drawn = drawing.draw(tracker, parent, entries, folder)
    found = drawing.answers_of(tracker, parent)
    files = list(drawn.files)
    table = folder / "summary.csv"
    table.write_text(tables.csv_text(entries))
    html = folder / "report.html"
    with tempfile.TemporaryDirectory() as scratch:
        beside = [table]
        with contextlib.suppress(FileNotFoundError):  # of a sweep that was cut off
            beside.append(tracker.fetch(parent.run, "config.yaml", Path(scratch)))
        html.write_text(
            page.page(
                told,
                images=drawn.images,
                chart=drawn.chart,
                notes=_notes([e for e in entries if e.row.status == "FINISHED"]),
                files=beside,
                answers=found,
            ),
            encoding="utf-8",
        )
    files += [table, html]
    for path in files:
        tracker.attach(parent.run, path, FIGURES if path.suffix in (".png", ".pdf") else None)
    if drawn.images:
        tracker.attach(parent.run, folder / drawing.PREVIEW, FIGURES)
    shown = display(
        tracker,
        parent,
        entries,
        purpose=told.purpose,
        commit=told.commit,
        figure=f"{FIGURES}/{drawing.PREVIEW}" if drawn.images else None,
        verdicts=answers.lines(found) if found else verdicts.judge(entries).overall,
    )
    return Report(folder=folder, entries=entries, files=files, page=shown, answers=found)


def close(tracker: Tracker, parent: Row, rows: Sequence[Row], cells: int) -> Status:
    """End the run of a sweep: FINISHED if all its cells are, else FAILED."""
    finished = sum(row.status == "FINISHED" for row in rows)
    status: Status = "FINISHED" if finished == cells else "FAILED"
    if parent.status != status:
        tracker.end(parent.run, status, end_ms=time.time_ns() // 10**6)
    return status


def _notes(entries: Sequence[Entry]) -> list[str]:
    """The remarks of theory on the cells, each once, with the first cells it holds for."""
    found: dict[str, list[str]] = {}
    for entry in entries[: tables.MOST_ROWS]:
        if entry.cell.recipe is not None:
            found.setdefault(spread_in_words(entry.row.metrics), []).append(entry.cell.name)
    for entry in entries[: tables.MOST_ROWS]:
        for note in laws(entry.cell, deviation=0).notes:
            found.setdefault(note, []).append(entry.cell.name)
    told = min(len(entries), tables.MOST_ROWS)
    return [
        note
        if len(names) == told
        else f"{', '.join(names[:3])}{' and others' if len(names) > 3 else ''}: {note}"
        for note, names in found.items()
    ]


OPTIONS = {
    "sweep": "",
    "tracking.uri": "sqlite:///mlflow.db",
    "tracking.experiment": "",
    "output": "outputs",
    "deliver": "false",
    "cluster.storage": "",
}
"""The keys of `python -m sweep.report`, and what they are when not given."""


def main() -> None:
    """Entry point of `python -m sweep.report`."""
    try:
        built = rebuild(_options(sys.argv[1:]))
    except (ConfigError, StoreError, OutageError) as error:
        print(f"sweep.report: {error}", file=sys.stderr)
        sys.exit(2)
    if built.entries:
        print(f"{built.text()}\n")
    for path in built.files:
        print(path)


def rebuild(options: dict[str, str]) -> Report:
    """Write the report of the sweep that the options name, or of several on one page.

    Raises ConfigError or StoreError.
    """
    from sweep import stores

    check_output(options["output"])
    uri = stores.absolute(options["tracking.uri"])
    found = stored.sweeps(uri, options["tracking.experiment"])
    if options["deliver"] == "true":
        state = stores.state(uri, Path(options["cluster.storage"]))
        print(f"{_deliver(state / 'spool', found)} results delivered")
    output = Path(options["output"])
    picked = stored.pick(found, options["sweep"])
    if len(picked) > 1:
        files = compare.build(picked, output)
        return Report(folder=files[-1].parent, entries=[], files=files, page="", answers=[])
    tracker, parent = picked[0]
    rows = tracker.read(parent.run)
    if not tables.entries_of(rows):
        raise ConfigError(f"sweep: {parent.key} has no cells yet; run its command again")
    return build(tracker, parent, rows, output)


def _deliver(folder: Path, found: Sweeps) -> int:
    """Send what waits in a spool folder to its sweeps: how many cells."""
    trackers = {row.run: (tracker, row) for tracker, row in found}
    sent = 0
    for parent, cells in leftovers(folder).items():
        if parent not in trackers:
            continue  # of a sweep that was deleted
        tracker, row = trackers[parent]
        address = Address(
            parent=parent,
            tags=passed_on(row.tags),
            spool=folder / parent,
            known=frozenset(cell.id for cell in cells),
        )
        queue = Queue(address=address, tracker=tracker)
        for cell in cells:
            queue.add(cell)
        sent += sum(1 for _ in queue.send())
        with contextlib.suppress(OSError):  # not empty: checkpoints of cells at work
            (folder / parent).rmdir()
        if queue.waiting:
            raise StoreError(f"tracking.uri: the store does not answer: {queue.reason}")
    return sent


def _options(arguments: Sequence[str]) -> dict[str, str]:
    options = dict(OPTIONS)
    for argument in arguments:
        if argument in ("-h", "--help"):
            print(__doc__)
            sys.exit(0)
        key, equals, value = argument.partition("=")
        if key not in OPTIONS or not equals:
            raise ConfigError(
                f"{argument}: allowed: {', '.join(f'{k}=..' for k in OPTIONS)}"
                + nearest(key, OPTIONS)
            )
        options[key] = value
    if options["deliver"] not in ("true", "false"):
        raise ConfigError(f"deliver: got {options['deliver']!r}; allowed: true or false")
    return options


if __name__ == "__main__":
    main()
