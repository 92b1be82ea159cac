"""Tables, figures and the page of a sweep, from the tracking store alone.

    python -m sweep.report [sweep=ID] [tracking.uri=URI] [tracking.experiment=NAME] [output=FOLDER]
                           [deliver=true [cluster.storage=FOLDER]]

Without an id: the sweep that was started last. An id may be cut short.
deliver=true first sends the results that wait on disk since the store was down.
"""

import contextlib
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from models.schedules import RULES
from sweep import answers, figures, figures_gpt, figures_threshold, note, page, spool, tables, views
from sweep.checks import ConfigError, nearest
from sweep.delivery import Address, Queue, leftovers, passed_on
from sweep.grid import cell_from_params
from sweep.laws import laws
from sweep.stores import redact
from sweep.summary_gpt import spread_in_words
from sweep.tables import Entry
from sweep.tracking import OutageError, Row, Status, Store, StoreError, Tracker, connect

FIGURES, PREVIEW = "figures", "preview.png"
"""Folder of a sweep's artifacts, and the figure in it that the note shows."""


@dataclass(frozen=True, kw_only=True)
class Report:
    """What was written."""

    folder: Path
    """Where it is."""
    entries: list[Entry]
    files: list[Path]
    """Figures first, then summary.csv and report.html."""
    page: str
    """Path of the cells in charts, on the pages of the store; empty if it has none."""
    answers: list[answers.Told]
    """Of a threshold search."""

    def text(self) -> str:
        """The table for a terminal: of the answers, if there are any, or of the cells."""
        return answers.text(self.answers) if self.answers else tables.text(self.entries)


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


def entries_of(rows: Sequence[Row]) -> list[Entry]:
    """Runs as cells, in one order whatever order they ran in."""
    found = [
        Entry(cell=cell_from_params(row.params), row=row) for row in rows if "family" in row.params
    ]  # without params: begun, and cut off at once
    order = list(RULES)
    return sorted(
        found,
        key=lambda e: (
            e.cell.model,
            order.index(e.cell.schedule.name),
            e.cell.source.concentration,
            e.cell.schedule.N or 0,
            e.cell.schedule.K or 0,
            e.cell.schedule.n or 0,
            bool(e.cell.schedule.reuse),
            e.cell.id,
        ),
    )


def build(tracker: Tracker, parent: Row, rows: Sequence[Row], output: Path) -> Report:
    """Write all files of a sweep below `output`, and store them with its run."""
    name = parent.tags.get("experiment", "sweep")
    folder = output / f"{name}-{parent.key[:8]}"
    folder.mkdir(parents=True, exist_ok=True)
    entries = entries_of(rows)
    purpose = parent.tags.get("purpose", parent.tags.get("mlflow.note.content", ""))
    command = parent.tags.get("command", "")
    commit = parent.tags.get("mlflow.source.git.commit", "")
    commit += " with changes" if parent.tags.get("mlflow.source.git.dirty") == "true" else ""
    done = [e for e in entries if e.row.status == "FINISHED"]
    files: list[Path] = []
    images: list[tuple[Path, str]] = []
    kind = parent.tags.get("figure", "curves")
    found = _answers(tracker, parent) if kind == "threshold" else []
    if found:
        files, images = _draw_answers(tracker, parent, found, name, folder)
    elif done:
        files, images = _draw(tracker, name, kind, done, folder)
    table = folder / "summary.csv"
    table.write_text(tables.csv_text(entries))
    html = folder / "report.html"
    html.write_text(
        page.page(
            name=name,
            purpose=purpose,
            sweep=parent.key,
            command=command,
            commit=commit,
            entries=entries,
            images=images,
            notes=_notes(done),
        )
    )
    files += [table, html]
    for path in files:
        tracker.attach(parent.run, path, FIGURES if path.suffix in (".png", ".pdf") else None)
    if images:
        tracker.attach(parent.run, folder / PREVIEW, FIGURES)
    cells, view = [entry.cell for entry in entries], parent.run[:8]
    grouped = any(len(Path(entry.row.curves).parts) > 1 for entry in entries)
    metrics = {key for entry in entries for key in entry.row.metrics}
    own = {view: views.of_sweep(cells, metrics, parent.run, grouped=grouped)}
    runs = tracker.arrange({**own, **views.named(cells, metrics, parent.start_ms)})
    own_colours = [] if grouped else views.colours(cells, figures.COLOURS)
    for entry, colour in zip(entries, own_colours, strict=False):
        if entry.row.tags.get("mlflow.runColor") != colour:
            tracker.label(entry.row.run, {"mlflow.runColor": colour})
    text = note.note(
        purpose=purpose,
        entries=entries,
        figure=f"{FIGURES}/{PREVIEW}" if images else None,
        run=parent.run,
        runs=runs,
        view=view,
        command=command,
        commit=commit,
    )
    tracker.label(parent.run, {"mlflow.note.content": text})
    tracker.describe(note.description(purpose, runs))
    return Report(
        folder=folder, entries=entries, files=files, answers=found,
        page=runs and note.link(runs, view),
    )  # fmt: skip


def _answers(tracker: Tracker, parent: Row) -> list[answers.Told]:
    """What the threshold search of a sweep has found; nothing if that is not stored."""
    with tempfile.TemporaryDirectory() as scratch:
        try:
            path = tracker.fetch(parent.run, answers.FILE, Path(scratch))
        except FileNotFoundError:
            return []
        found: list[answers.Told] = json.loads(path.read_text())
        return found


def _draw_answers(
    tracker: Tracker, parent: Row, found: Sequence[answers.Told], name: str, folder: Path
) -> tuple[list[Path], list[tuple[Path, str]]]:
    """The figure of a threshold search, with the latest one of another model beside it."""
    others: list[answers.Told] = []
    for row in tracker.read(None):
        if row.tags.get("figure") == "threshold" and row.run != parent.run:
            other = _answers(tracker, row)
            if other and other[0]["model"] != found[0]["model"]:
                same = [o for o in other if o["criterion"] == found[0]["criterion"]]
                others = others or same
    figure = figures_threshold.threshold_figure(found, others, f"{name}: {answers.shared(found)}")
    files = figures.save(figure, folder, name)
    words = "the largest harmless n over N, exact and from runs, and what the probes found: "
    lines = [
        f"{answers.label(one, answers.differing(found))}: {answers.interval(one)}"
        for one in found[: tables.MOST_ROWS]
    ]
    return files, [(files[0], words + "; ".join(lines))]


def _draw(
    tracker: Tracker, name: str, kind: str, done: Sequence[Entry], folder: Path
) -> tuple[list[Path], list[tuple[Path, str]]]:
    """The figures of a sweep: their files, and each PNG with what it shows in words."""
    if all(entry.cell.recipe is not None for entry in done):
        kind = "gpt"
    elif kind == "gpt":
        kind = "curves"
    names, shared = tables.labels([e.cell for e in done])
    most = figures.MOST_PANELS if kind in figures.ROWS else len(done)
    picked = figures.chosen(len(done), most)
    panels = []
    for i in picked:
        with tempfile.TemporaryDirectory() as scratch:
            try:
                file = tracker.fetch(done[i].row.run, done[i].row.curves, Path(scratch))
            except FileNotFoundError:
                continue  # the table still has the cell
            names_drawn = figures.DRAWN_GPT if kind == "gpt" else figures.DRAWN
            curves = spool.load(file, names_drawn)
        cell = done[i].cell
        panels.append(
            figures.Panel(
                title=names[i],
                cell=cell,
                curves=curves,
                laws=laws(cell, deviation=kind != "collapse_time"),
            )
        )
    if not panels:
        return [], []
    title = shared if name in shared.split(", ") else f"{name} ({shared})" if shared else name
    if len(panels) < len(done):
        title += f": {len(panels)} of {len(done)} cells"
    if kind == "gpt":
        figure = figures_gpt.gpt_figure(panels, title)
        words = f"deviation against the generation, and validation losses, for {', '.join(names)}"
    elif kind == "simplex" and "laws" in panels[0].curves:
        figure = figures.simplex_figure(panels[0], title)
        words = f"the laws of all contexts on the simplex over generations, for {names[0]}"
    elif kind == "collapse_time":
        figure = figures.collapse_time_figure(panels, title)
        words = "mean collapse time against n, with its exact value and lower bound"
    elif kind == "schedules":
        figure = figures.schedules_figure(panels, title)
        words = f"mean sigma and deviation against the generation for {', '.join(names)}"
    else:
        figure = figures.curves_figure(
            panels, title, figures.ROWS.get(kind, figures.ROWS["curves"])
        )
        shown = ", ".join(names[i] for i in picked)
        words = f"sigma and deviation against the generation, with theory, for {shown}"
    files = figures.save(figure, folder, name)
    figures.preview(figure, folder / PREVIEW)
    images = [(files[0], words)]
    series = {figures.series(e.cell) for e in done}
    if len(done) > 1 and kind == "curves" and len(series) <= len(figures.COLOURS):
        title = f"{name}: generation {done[0].cell.generations}, all cells"
        overview = figures.overview_figure(
            [e.cell for e in done], [e.row.metrics for e in done], title
        )
        files += figures.save(overview, folder, f"{name}-overview")
        images.append((files[2], "sigma and deviation of the last generation against n"))
    return files, images


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
        for remark in laws(entry.cell, deviation=False).notes:
            found.setdefault(remark, []).append(entry.cell.name)
    return [
        f"{', '.join(names[:3])}{' and others' if len(names) > 3 else ''}: {remark}"
        for remark, names in found.items()
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
    print(built.text())
    print()
    for path in built.files:
        print(path)


def rebuild(options: dict[str, str]) -> Report:
    """Write the report of the sweep that the options name. Raises ConfigError or StoreError."""
    from sweep import stores

    check_output(options["output"])
    uri = stores.absolute(options["tracking.uri"])
    found = sweeps(uri, options["tracking.experiment"])
    if options["deliver"] == "true":
        state = stores.state(uri, Path(options["cluster.storage"]))
        print(f"{_deliver(state / 'spool', found)} results delivered")
    tracker, parent = choose(options["sweep"], found)
    rows = tracker.read(parent.run)
    if not entries_of(rows):
        raise ConfigError(f"sweep: {parent.key} has no cells yet; run its command again")
    return build(tracker, parent, rows, Path(options["output"]))


Sweeps = Sequence[tuple[Tracker, Row]]
"""Runs of sweeps, each with the tracker that reads it."""


def sweeps(uri: str, experiment: str = "") -> Sweeps:
    """The sweeps of a store, of one MLflow experiment or of all. Raises StoreError."""
    from sweep import tracking_mlflow

    store = Store(kind="mlflow", uri=uri, experiment="", state=Path())
    if not store.exists():
        raise StoreError(f"tracking.uri: there is no store at {redact(uri)}")
    tracking_mlflow.probe(uri)
    found: list[tuple[Tracker, Row]] = []
    for name in [experiment] if experiment else tracking_mlflow.experiments(uri):
        tracker = connect(replace(store, experiment=name))
        found += [(tracker, row) for row in tracker.read(None)]
    return found


def choose(wanted: str, found: Sweeps) -> tuple[Tracker, Row]:
    """The sweep with this id, perhaps cut short, or the last of this experiment, or of all.

    Raises ConfigError if there is none.
    """
    named = [(t, row) for t, row in found if row.tags.get("experiment") == wanted]
    matching = named or [(t, row) for t, row in found if row.key.startswith(wanted)]
    if not matching:
        known = ", ".join(sorted({row.key for _, row in found})[:10]) or "none"
        raise ConfigError(f"sweep: got {wanted!r}; this store has: {known}")
    return max(matching, key=lambda pair: pair[1].start_ms)


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
