"""What a sweep costs besides its computing: cells of about 5 ms, in bulk, on two cores.

Wall times are those of whole commands, start-up included.
"""

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from sweep.grid.expand import expand
from sweep.kinds.statistical.simulate import simulate
from tests.benchmarks import Table, fastest
from tests.helpers.configs import settings
from tests.helpers.jobs import finish

CORES = 2
NAIVE_CELLS = 16
MANY = 2048
GROWTH = (1000, 4000, 10_000)


def options(cells: int) -> list[str]:
    """A sweep of so many cells."""
    n = ",".join(str(1000 + k) for k in range(cells))
    return [
        "+experiment=full", "grid.schedule=accumulate", "grid.N=1000", f"grid.n=[{n}]",
        "generations=50", "replicates=25", f"cluster.num_cpus={CORES}",
    ]  # fmt: skip


def main() -> Iterator[Table]:
    computing = _computing(MANY)
    fixed, _ = _sweep(1, "tracking=memory")
    bulk, _ = _sweep(MANY, "tracking=memory")
    logged, _ = _sweep(MANY, "tracking.detail=cell")
    grouped, _ = _sweep(MANY, "tracking.detail=group")
    naive = _naive()
    ideal = fixed + MANY * computing / CORES
    each = NAIVE_CELLS / naive
    rows = [
        [f"one Tune trial a cell, {NAIVE_CELLS} cells", f"{naive:.1f}", f"{each:.2f}", "x1"],
        *(
            [name, f"{t:.1f}", f"{MANY / t:.1f}", f"x{MANY / t / each:.0f}"]
            for name, t in (
                (f"ours, {MANY} cells, a run a cell, SQLite", logged),
                (f"ours, {MANY} cells, a run a group, SQLite", grouped),
                (f"ours, {MANY} cells, tracking=memory", bulk),
            )
        ),
    ]
    note = (
        f"A cell computes {1000 * computing:.1f} ms. tracking=memory is x{bulk / ideal:.2f} of "
        f"start-up ({fixed:.1f} s) + computing / {CORES} cores ({ideal - fixed:.1f} s). The peer "
        "is Ray Tune with its MLflowLoggerCallback, both as they come, without start-up."
    )
    yield Table(
        title="Sweeps of 5 ms cells",
        header=["", "seconds", "cells/s", "ratio"],
        rows=rows,
        note=note,
    )
    growth = [(count, _computing(count), *_sweep(count, "tracking=memory")) for count in GROWTH]
    yield Table(
        title="Growth, tracking=memory",
        header=["cells", "seconds", "ms a cell", "computing / cores, ms", "driver MB"],
        rows=[
            [
                f"{n:,}", f"{t:.1f}", f"{1000 * (t - fixed) / n:.2f}",
                f"{1000 * each / CORES:.2f}", f"{mb:.0f}",
            ]
            for n, each, t, mb in growth
        ],
        note="Start-up is taken off the cost of a cell, which falls as n grows.",
    )  # fmt: skip


def _computing(cells: int) -> float:
    """Mean seconds to compute one of so many cells, on one core."""
    some = expand(settings(*options(cells)))[0][:: max(1, cells // 32)]
    return fastest(lambda: [finish(simulate(cell, Path("nowhere"))) for cell in some], rounds=3)[
        0
    ] / len(some)


def _sweep(cells: int, tracking: str) -> tuple[float, float]:
    """Wall seconds of the command, and the driver's largest memory in MB."""
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-m", "sweep", *options(cells), tracking],
            cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise RuntimeError(f"the sweep of {cells} cells ended with {process.returncode}")
    return seconds, _memory(usage)


def _memory(usage: resource.struct_rusage) -> float:
    return usage.ru_maxrss / (1024 if sys.platform == "linux" else 1024**2)


def _naive() -> float:
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, "-m", "tests.benchmarks.naive", str(NAIVE_CELLS), folder],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
    return float(done.stdout.split("SECONDS ")[1].split()[0])
