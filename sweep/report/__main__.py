"""Tables, figures and the page of a sweep, from the tracking store alone.

    python -m sweep.report [sweep=ID] [tracking.uri=URI] [tracking.experiment=NAME] [output=FOLDER]
                           [deliver=true [cluster.storage=FOLDER]]

Without an id, the report is of the sweep that started last. The beginning of an id is enough.
sweep=ID1,ID2 puts several sweeps side by side on one page; sweep=all does so with all sweeps.
deliver=true first sends the results that wait on disk because the store was down.
"""

import contextlib
import sys
from collections.abc import Sequence
from pathlib import Path

from sweep import streams
from sweep.config.validate import ConfigError
from sweep.options import parse
from sweep.report import compare, find
from sweep.report.build import Report, build, check_output
from sweep.report.cell_runs import sorted_cell_runs
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
"""The keys of `python -m sweep.report`, with their defaults."""


def main() -> None:
    """Entry point of `python -m sweep.report`."""
    streams.tolerate()
    try:
        built = rebuild(_options(sys.argv[1:]))
    except (ConfigError, StoreError, OutageError) as error:
        print(f"sweep.report: {error}", file=sys.stderr)
        sys.exit(2)
    if built.cell_runs:
        print(f"{built.text()}\n")
    for path in built.files:
        print(path)
    sys.stdout.flush()


def rebuild(options: dict[str, str]) -> Report:
    """Write the report of the sweep that the options name, or of several on one page.

    Raises ConfigError or StoreError.
    """
    check_output(options["output"])
    uri = absolute(options["tracking.uri"])
    stored = find.sweeps(uri, options["tracking.experiment"])
    if options["deliver"] == "true":
        state = state_folder(uri, Path(options["cluster.storage"]))
        print(f"{_deliver(state / 'spool', stored)} results delivered")
    output = Path(options["output"])
    picked = find.pick(stored, options["sweep"])
    if len(picked) > 1:
        files = compare.build(picked, output)
        return Report(folder=files[-1].parent, cell_runs=[], files=files, page="", answers=[])
    tracker, parent = picked[0]
    runs = tracker.runs(parent.id)
    if not sorted_cell_runs(runs):
        raise ConfigError(f"sweep: {parent.key} has no cells yet; run its command again")
    return build(tracker, parent, runs, output)


def _deliver(folder: Path, stored: Sweeps) -> int:
    """Send the results that wait in a spool folder to their sweeps; returns how many."""
    trackers = {run.id: (tracker, run) for tracker, run in stored}
    sent = 0
    for parent, cells in leftovers(folder).items():
        if parent not in trackers:
            continue  # the sweep was deleted
        tracker, run = trackers[parent]
        address = UploadTarget(
            parent=parent,
            tags=passed_on(run.tags),
            spool=folder / parent,
            maybe_logged=frozenset(cell.id for cell in cells),
        )
        queue = UploadQueue(target=address, tracker=tracker)
        for cell in cells:
            queue.add(cell)
        sent += sum(1 for _ in queue.send())
        with contextlib.suppress(OSError):  # not empty: checkpoints of running cells
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
