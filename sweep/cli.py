"""The command line: Hydra's config in, a table and an exit status out.

The exit status is 0 if all cells finished, 1 if some failed or the store does not answer, 2 if
the config was refused, and 130 after an interrupt.
"""

import os
import re
import sys
import textwrap
import time
from pathlib import Path
from typing import TYPE_CHECKING

from sweep import __version__, streams
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
"""Flags of Hydra; listed, since argparse accepts any prefix of a flag."""


def main() -> None:
    """Entry point of `python -m sweep` and `collapse-sweep`."""
    streams.tolerate()
    try:
        code = _main(sys.argv[1:])
    except ConfigError as error:
        print(f"sweep: {redact(' '.join(str(error).split()))}", file=sys.stderr)
        code = 2
    except KeyboardInterrupt:
        print("\nsweep: interrupted; run the same command again to resume", file=sys.stderr)
        sys.stdout.flush()
        os._exit(130)  # threads that are still starting have nothing to save
    sys.stdout.flush()
    sys.exit(code)


def _main(arguments: list[str]) -> int:
    for argument in arguments:
        _refuse_flags(argument)
    if "--version" in arguments:  # Hydra would print its own version
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
    plan = prepare(config, [argument.split("=")[0].lstrip("+") for argument in arguments])
    for notice in plan.notices:
        print(textwrap.fill(f"notice: {notice.message}", 80, subsequent_indent="  "))
    with execute.open_store(plan.settings) as store:
        if plan.settings.dry_run:
            from sweep.launch import dry_run

            print(dry_run.plan(plan.settings, plan.search, store))
            return 0
        try:
            result = run_sweep(plan, store, arguments)
        except InterruptedSweepError as error:
            force = ", without force=true," if plan.settings.force else ""
            print(
                f"\nsweep: interrupted; {error}; run the same command{force} again to resume",
                file=sys.stderr,
            )
            return 130
        except OutageError as error:
            print(f"\nsweep: the store does not answer: {redact(str(error))}", file=sys.stderr)
            print(
                f"Computed results wait in {short(store.state / 'spool')}. When the store is back, "
                "run the same command again,\nor python -m sweep.report deliver=true to send them.",
                file=sys.stderr,
            )
            return 1
        _show(result, store, time.monotonic() - started)
        return 0 if result.complete else 1


def _show(result: "SweepResult", store: "Store", seconds: float) -> None:
    """Print the table, where everything is, and last what failed."""
    from sweep.report import failures

    cell_runs = result.report.cell_runs
    print(f"\n{result.report.text()}\n")
    earlier = result.cells - result.new
    finished = sum(cell_run.run.status == "FINISHED" for cell_run in cell_runs)
    print(
        f"{finished} of {result.cells} cells finished"
        + (f", {earlier} of them earlier" if earlier else "")
        + f"; {seconds:.1f} s"
    )
    saved = [cell_run.run.metrics.get("generations_saved", 0.0) for cell_run in cell_runs]
    if any(saved):
        ended = sum(map(bool, saved))
        print(f"{sum(saved):.0f} generations saved in {ended} cells that had clearly collapsed")
    for line in result.messages:
        print(line)
    for path in result.report.files:
        if path.suffix in (".png", ".html"):
            print(f"{'figure' if path.suffix == '.png' else 'report'}  {short(path)}")
    if store.kind == "mlflow":
        for line in _compare(store.uri, result.report.page):
            print(line)
    sys.stdout.flush()  # failures come last, also where both streams go to one file
    for line in failures.lines(result.failures, result.cells, runs=store.kind == "mlflow"):
        failures.say(line)


def _compare(uri: str, page: str) -> list[str]:
    """Say how to open MLflow on this store, with the link to the charts of the cells."""
    if uri.startswith("http"):
        return [f"compare {redact(uri)}", f"{_public(uri)}/{page}"]
    here = f"http://127.0.0.1:5000/{page}"
    if uri.startswith("sqlite:///"):
        file = Path(uri.removeprefix("sqlite:///"))
        return [f"compare mlflow ui --backend-store-uri sqlite:///{short(file)}", here]
    return ["compare mlflow ui --backend-store-uri URI, with the tracking.uri given", here]


def _public(uri: str) -> str:
    """Remove user and password from an address; a browser asks for them."""
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
    hint = f"; write {key}=VALUE" if key in key_paths() else nearest(key, key_paths())
    raise ConfigError(f"{argument}: unknown flag; options are keys without dashes{hint}")
