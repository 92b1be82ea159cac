"""The command line: Hydra's config in, a table and an exit status out.

Exit status: 0 all cells finished, 1 some failed, 2 the config was refused,
130 interrupted.
"""

import os
import re
import sys
import textwrap
import time
from pathlib import Path
from typing import TYPE_CHECKING

from sweep import __version__
from sweep.config import compose
from sweep.config.schema import key_paths
from sweep.config.validate import ConfigError, nearest
from sweep.tracking.uri import redact, short

if TYPE_CHECKING:
    from sweep.runner import SweepResult
    from sweep.tracking.base import Store

HYDRA_FLAGS = (
    "--help", "-h", "--hydra-help", "--version", "--cfg", "-c", "--resolve", "--package", "-p",
    "--run", "-r", "--shell-completion", "-sc", "--config-path", "-cp", "--config-name", "-cn",
    "--config-dir", "-cd", "--info", "-i",
)  # fmt: skip
"""Written out, since argparse takes any beginning of a flag for the flag."""


def main() -> None:
    """Entry point of `python -m sweep` and `collapse-sweep`."""
    try:
        code = _main(sys.argv[1:])
    except ConfigError as error:
        print(f"sweep: {redact(' '.join(str(error).split()))}", file=sys.stderr)
        code = 2
    except KeyboardInterrupt:
        print("\nsweep: interrupted; the same command goes on from here", file=sys.stderr)
        sys.stdout.flush()
        os._exit(130)  # threads that are still starting up have nothing to lose
    sys.stdout.flush()
    sys.exit(code)


def _main(arguments: list[str]) -> int:
    for argument in arguments:
        _refuse_flags(argument)
    if "--version" in arguments:  # Hydra would tell its own
        print(f"collapse-sweep {__version__}")
        return 0
    config = compose.from_command_line(arguments)
    if config is None:
        return 0
    from sweep.launch import execute
    from sweep.launch.session import InterruptedSweepError
    from sweep.runner import prepare, run_sweep
    from sweep.tracking.base import OutageError

    started = time.monotonic()
    order = prepare(config, [argument.split("=")[0].lstrip("+") for argument in arguments])
    for notice in order.notices:
        print(textwrap.fill(f"notice: {notice.message}", 80, subsequent_indent="  "))
    with execute.store(order.settings) as address:
        if order.settings.dry_run:
            from sweep.launch.dry_run import plan

            print(plan(order.settings, order.search, address))
            return 0
        try:
            done = run_sweep(order, address, arguments)
        except InterruptedSweepError as error:
            force = ", without force=true," if order.settings.force else ""
            print(
                f"\nsweep: interrupted; {error}; the same command{force} goes on", file=sys.stderr
            )
            return 130
        except OutageError as error:
            print(f"\nsweep: the store does not answer: {redact(str(error))}", file=sys.stderr)
            print(
                f"What is computed waits in {short(address.state / 'spool')}. When the store "
                "is back, the same command goes on,\nor python -m sweep.report deliver=true "
                "sends what waits.",
                file=sys.stderr,
            )
            return 1
        _show(done, address, done.cells, time.monotonic() - started)
        return 0 if done.whole else 1


def _show(done: "SweepResult", address: "Store", cells: int, seconds: float) -> None:
    """The table, where everything is, and last what failed."""
    from sweep.report import failures

    print(f"\n{done.report.text()}\n")
    kept = cells - done.new
    finished = sum(cell_run.run.status == "FINISHED" for cell_run in done.report.cell_runs)
    print(
        f"{finished} of {cells} cells finished"
        + (f", {kept} of them before" if kept else "")
        + f"; {seconds:.1f} s"
    )
    saved = [
        cell_run.run.metrics.get("generations_saved", 0.0) for cell_run in done.report.cell_runs
    ]
    if any(saved):
        ended = sum(map(bool, saved))
        print(f"{sum(saved):.0f} generations saved in {ended} cells that had plainly collapsed")
    for line in done.words:
        print(line)
    for path in done.report.files:
        if path.suffix in (".png", ".html"):
            print(f"{'figure' if path.suffix == '.png' else 'report'}  {short(path)}")
    if address.kind == "mlflow":
        for line in _compare(address.uri, done.report.page):
            print(line)
    sys.stdout.flush()  # what failed comes last, also where both go to one file
    for line in failures.lines(done.failures, cells, runs=address.kind == "mlflow"):
        failures.say(line)


def _compare(uri: str, page: str) -> list[str]:
    """How to open MLflow on this store, and the link to the sweep's cells in charts."""
    if uri.startswith("http"):
        return [f"compare {redact(uri)}", f"{_public(uri)}/{page}"]
    here = f"http://127.0.0.1:5000/{page}"
    if uri.startswith("sqlite:///"):
        file = Path(uri.removeprefix("sqlite:///"))
        return [f"compare mlflow ui --backend-store-uri sqlite:///{short(file)}", here]
    return ["compare mlflow ui --backend-store-uri URI, with the tracking.uri given", here]


def _public(uri: str) -> str:
    """An address without the user and password that may stand in it: a browser asks for them."""
    return re.sub(r"://[^/]*@", "://", uri).rstrip("/")


def _refuse_flags(argument: str) -> None:
    name = argument.split("=")[0]
    if name == "-m" or name.startswith("--mu") or "hydra.mode" in name:
        raise ConfigError(
            f"{argument}: a sweep is one command with lists; write grid.n=[10,37] instead"
        )
    if not argument.startswith("-") or name in HYDRA_FLAGS:
        return
    key = name.lstrip("-").replace("-", "_")
    if key == "experiment":
        raise ConfigError(f"{argument}: write +experiment=NAME, with a plus and without dashes")
    known = f"; write {key}=VALUE" if key in key_paths() else nearest(key, key_paths())
    raise ConfigError(f"{argument}: unknown flag; options are keys without dashes{known}")
