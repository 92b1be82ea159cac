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
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from sweep import charts, compare, figures, figures_gpt, page, panels, tables, verdicts
from sweep.checks import ConfigError, nearest
from sweep.delivery import Address, Queue, leftovers
from sweep.laws import DRIFT_WORK, laws
from sweep.panels import LITTLE_WORK
from sweep.summary_gpt import spread_in_words
from sweep.tables import Entry
from sweep.tracking import OutageError, Row, Status, Store, StoreError, Tracker, connect


@dataclass(frozen=True, kw_only=True)
class Report:
    """What was written."""

    entries: list[Entry]
    """Empty where several sweeps are compared."""
    files: list[Path]
    """Figures first, then summary.csv and report.html."""


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
    name = parent.tags.get("experiment", "sweep")
    folder = output / f"{name}-{parent.key[:8]}"
    folder.mkdir(parents=True, exist_ok=True)
    entries = tables.entries_of(rows)
    done = [e for e in entries if e.row.status == "FINISHED"]
    drawn = _draw(tracker, name, parent.tags.get("figure", "curves"), done, folder)
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
                page.Told(name=name, parent=parent, entries=entries),
                images=drawn.images,
                chart=drawn.chart,
                notes=_notes(done),
                files=beside,
            ),
            encoding="utf-8",
        )
    files += [table, html]
    for path in files:
        tracker.attach(parent.run, path, "figures" if path.suffix in (".png", ".pdf") else None)
    return Report(entries=entries, files=files)


@dataclass(frozen=True, kw_only=True)
class _Drawn:
    """What is drawn of a sweep."""

    files: list[Path] = field(default_factory=list)
    images: list[tuple[Path, str]] = field(default_factory=list)
    """Each PNG with what it shows in words."""
    chart: dict[str, Any] = field(default_factory=dict)
    """`charts.data`."""


def _draw(tracker: Tracker, name: str, kind: str, done: Sequence[Entry], folder: Path) -> _Drawn:
    """The figures of a sweep, and the data of its charts."""
    if not done:
        return _Drawn()
    if all(entry.cell.recipe is not None for entry in done):
        kind = "gpt"
    elif kind == "gpt":
        kind = "curves"
    names, shared = tables.labels([e.cell for e in done])
    most = figures.MOST_PANELS if kind in figures.ROWS else len(done)
    picked = figures.chosen(len(done), most)
    charted = tables.shown(len(done))
    work = dict.fromkeys(charted, LITTLE_WORK)
    if kind != "collapse_time":
        work |= dict.fromkeys(picked, DRIFT_WORK)
    work |= {i: 0 for i in picked if i not in work}
    stored = figures.DRAWN_GPT if kind == "gpt" else figures.DRAWN
    loaded = panels.load(tracker, done, names, {*stored, *charts.NEEDED}, work)
    shown = [loaded[i] for i in picked if i in loaded]
    if not shown:
        return _Drawn()
    title = shared if name in shared.split(", ") else f"{name} ({shared})" if shared else name
    if len(shown) < len(done):
        title += f": {len(shown)} of {len(done)} cells"
    of = _some([panel.title for panel in shown])
    if kind == "gpt":
        figure = figures_gpt.gpt_figure(shown, title)
        words = f"deviation against the generation, and validation losses, for {of}"
    elif kind == "simplex" and "laws" in shown[0].curves:
        figure = figures.simplex_figure(shown[0], title)
        words = f"the laws of all contexts on the simplex over generations, for {names[0]}"
    elif kind == "collapse_time":
        figure = figures.collapse_time_figure(shown, title)
        words = "mean collapse time against n, with its exact value and lower bound"
    elif kind == "schedules":
        figure = figures.schedules_figure(shown, title)
        words = f"mean sigma and deviation against the generation for {of}"
    else:
        figure = figures.curves_figure(shown, title, figures.ROWS.get(kind, figures.ROWS["curves"]))
        words = f"sigma and deviation against the generation, with theory, for {of}"
    files = figures.save(figure, folder, name)
    images = [(files[0], f"{words}. The table has the numbers of the last generation.")]
    series = {figures.series(e.cell) for e in done}
    if len(done) > 1 and kind == "curves" and len(series) <= len(figures.COLOURS):
        title = f"{name}: generation {done[0].cell.generations}, all cells"
        overview = figures.overview_figure(
            [e.cell for e in done], [e.row.metrics for e in done], title
        )
        files += figures.save(overview, folder, f"{name}-overview")
        images.append((files[2], "sigma and deviation of the last generation against n"))
    data = charts.data([[loaded[i] for i in charted if i in loaded]], [""])
    return _Drawn(files=files, images=images, chart=data)


def _some(names: Sequence[str]) -> str:
    """The names, or the first of many."""
    rest = f" and {len(names) - 8} others" if len(names) > 8 else ""
    return ", ".join(names[:8]) + rest


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
        print(f"{text(built.entries)}\n")
    for path in built.files:
        print(path)


def text(entries: Sequence[Entry]) -> str:
    """The table and the verdict for the terminal."""
    return f"{tables.text(entries)}\n\n{verdicts.text(entries)}".rstrip()


def rebuild(options: dict[str, str]) -> Report:
    """Write the report of the sweep that the options name, or of several on one page.

    Raises ConfigError or StoreError.
    """
    from sweep import stores, tracking_mlflow

    check_output(options["output"])
    uri = stores.absolute(options["tracking.uri"])
    store = Store(kind="mlflow", uri=uri, experiment="", state=Path())
    if not store.exists():
        raise StoreError(f"tracking.uri: there is no store at {options['tracking.uri']}")
    tracking_mlflow.probe(uri)
    wanted = options["tracking.experiment"]
    names = [wanted] if wanted else tracking_mlflow.experiments(uri)
    found: list[tuple[Tracker, Row]] = []
    for name in names:
        tracker = connect(replace(store, experiment=name))
        found += [(tracker, row) for row in tracker.read(None)]
    if options["deliver"] == "true":
        state = stores.state(uri, Path(options["cluster.storage"]))
        print(f"{_deliver(state / 'spool', found)} results delivered")
    output = Path(options["output"])
    picked = compare.pick(found, options["sweep"])
    if len(picked) == 1:
        tracker, parent = picked[0]
        rows = tracker.read(parent.run)
        if not tables.entries_of(rows):
            raise ConfigError(f"sweep: {parent.key} has no cells yet; run its command again")
        return build(tracker, parent, rows, output)
    return Report(entries=[], files=compare.build(picked, output))


def _deliver(folder: Path, sweeps: Sequence[tuple[Tracker, Row]]) -> int:
    """Send what waits in a spool folder to its sweeps: how many cells."""
    trackers = {row.run: tracker for tracker, row in sweeps}
    sent = 0
    for parent, cells in leftovers(folder).items():
        if parent not in trackers:
            continue  # of a sweep that was deleted
        address = Address(
            parent=parent, spool=folder / parent, known=frozenset(cell.id for cell in cells)
        )
        queue = Queue(address=address, tracker=trackers[parent])
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
