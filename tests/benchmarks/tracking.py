"""Points per second into each kind of store, through this project's own tracker.

    python -m tests.benchmarks tracking

A run is what a cell sends: begin, points and params, an artifact, end. Processes
are connected before the clock starts. The server is the one of `make tracking-up`:
PostgreSQL, two workers of MLflow, passwords, all on this machine.
"""

import contextlib
import os
import tempfile

from tests.benchmarks import Table
from tests.helpers.servers import POINTS, running, write

LEAST_RUNS = 24


def main() -> list[Table]:
    """Every store with one, two and eight processes that write."""
    rows = []
    with (
        tempfile.TemporaryDirectory() as name,
        running() as (own, address),
        contextlib.chdir(name),  # where artifacts go that are not a server's
    ):
        own.postgres.start(("direct",))
        for store, uri in (
            ("SQLite", f"sqlite:///{name}/mlflow.db"),
            ("PostgreSQL", own.postgres.address("direct")),
            ("HTTP + PostgreSQL", address),
        ):
            for writers in (1, 2, 8):
                runs = max(LEAST_RUNS // writers, 6)
                seconds = write(uri, "benchmark", writers=writers, runs=runs)
                each = writers * runs / seconds
                points = f"{each * len(POINTS):,.0f}"
                rows.append([store, str(writers), f"{seconds:.2f}", f"{each:.1f}", points])
    return [
        Table(
            title=f"Runs of {len(POINTS)} points into a store, {os.cpu_count()} cores",
            header=["store", "writers", "seconds", "runs/s", "points/s"],
            rows=rows,
        )
    ]
