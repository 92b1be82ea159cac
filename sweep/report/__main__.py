"""Tables, figures and the page of a sweep, from the tracking store alone.

    python -m sweep.report [sweep=ID] [tracking.uri=URI] [tracking.experiment=NAME] [output=FOLDER]
                           [deliver=true [cluster.storage=FOLDER]]

Without an id: the sweep that was started last. An id may be cut short. sweep=ID1,ID2 puts
several on one page, side by side; sweep=all does so with all sweeps there are.
deliver=true first sends the results that wait on disk since the store was down.
"""

import contextlib
import sys
from collections.abc import Sequence
from pathlib import Path

from sweep.config.validate import ConfigError
from sweep.options import parse
from sweep.report import cell_runs, compare, find
from sweep.report.build import Report, build, check_output
from sweep.report.find import Sweeps
from sweep.tracking.base import OutageError, StoreError
from sweep.tracking.uri import DEFAULT, absolute, state_folder
from sweep.trial.upload import UploadQueue, UploadTarget, leftovers, passed_on

OPTIONS = {
    "sweep": "",
    "tracking.uri": DEFAULT,
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
    check_output(options["output"])
    uri = absolute(options["tracking.uri"])
    found = find.sweeps(uri, options["tracking.experiment"])
    if options["deliver"] == "true":
        state = state_folder(uri, Path(options["cluster.storage"]))
        print(f"{_deliver(state / 'spool', found)} results delivered")
    output = Path(options["output"])
    picked = find.pick(found, options["sweep"])
    if len(picked) > 1:
        files = compare.build(picked, output)
        return Report(folder=files[-1].parent, entries=[], files=files, page="", answers=[])
    tracker, parent = picked[0]
    rows = tracker.runs(parent.id)
    if not cell_runs.cell_runs(rows):
        raise ConfigError(f"sweep: {parent.key} has no cells yet; run its command again")
    return build(tracker, parent, rows, output)


def _deliver(folder: Path, found: Sweeps) -> int:
    """Send what waits in a spool folder to its sweeps: how many cells."""
    trackers = {row.id: (tracker, row) for tracker, row in found}
    sent = 0
    for parent, cells in leftovers(folder).items():
        if parent not in trackers:
            continue  # of a sweep that was deleted
        tracker, row = trackers[parent]
        address = UploadTarget(
            parent=parent,
            tags=passed_on(row.tags),
            spool=folder / parent,
            maybe_logged=frozenset(cell.id for cell in cells),
        )
        queue = UploadQueue(target=address, tracker=tracker)
        for cell in cells:
            queue.add(cell)
        sent += sum(1 for _ in queue.send())
        with contextlib.suppress(OSError):  # not empty: checkpoints of cells at work
            (folder / parent).rmdir()
        if queue.waiting:
            raise StoreError(f"tracking.uri: the store does not answer: {queue.reason}")
    return sent


def _options(arguments: Sequence[str]) -> dict[str, str]:
    if {"-h", "--help"} & set(arguments):
        print(__doc__)
        sys.exit(0)
    options = parse(arguments, OPTIONS)
    if options["deliver"] not in ("true", "false"):
        raise ConfigError(f"deliver: got {options['deliver']!r}; allowed: true or false")
    return options


if __name__ == "__main__":
    main()
