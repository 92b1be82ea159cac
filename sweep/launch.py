"""Run cells in packs on Ray Tune; the only module that imports ray.

One Tune trial is one pack of cells. Workers are reused from pack to pack and
keep one connection to the store. Results reach the store from the workers; all
that comes back here is how many cells are done.
"""

import logging
import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import ray
from ray import tune

from sweep import groups, packing
from sweep.advance import Advance
from sweep.config import Cluster
from sweep.grid import Cell
from sweep.tracking import Row, Store, Tracker, connect
from sweep.trial import Job, Outcome, run_cells

REPORT_SECONDS = 0.5
"""How long a worker goes on between two reports of progress."""

Report = Callable[[list[str], list[str], dict[str, tuple[float, str]]], None]
"""Called with the ids of the cells that ended since the last call, and of those that failed,
and with how much of a cell at work is done, and what it is doing."""


def start(cluster: Cluster) -> None:
    """Bring up Ray on this machine, bound to the loopback, without its chatter."""
    os.environ["RAY_AIR_NEW_OUTPUT"] = "0"
    os.environ["RAY_CHDIR_TO_TRIAL_DIR"] = "0"
    os.environ["TUNE_DISABLE_AUTO_CALLBACK_LOGGERS"] = "1"
    os.environ["TUNE_DISABLE_SIGINT_HANDLER"] = "1"  # Ctrl-C reaches the driver as usual
    os.environ["TUNE_RESULT_BUFFER_LENGTH"] = "0"
    os.environ["RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO"] = "0"
    os.environ.setdefault("NUMBA_NUM_THREADS", "1")
    ray.init(
        address="local",  # never join a cluster that happens to run here
        num_cpus=cluster.num_cpus,
        include_dashboard=False,
        logging_level=logging.ERROR,
        log_to_driver=False,
    )
    # What a trial dies of is told by the sweep, with the cells it had.
    for name in ("ray", "ray.tune", "ray.train", "ray.air"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


def stop() -> None:
    ray.shutdown()


def run(
    cells: Sequence[Cell], job: Job, store: Store, cluster: Cluster, report: Report
) -> dict[str, str]:
    """Run the cells; returns when every pack has ended: cell id -> why its pack was lost.

    Raises KeyboardInterrupt on Ctrl-C, with the workers still up.
    """
    resources = ray.cluster_resources()
    slots = max(1, int(resources.get("CPU", 1)) // cluster.cpus_per_trial)
    gpus = cluster.gpus_per_trial
    if gpus is None:
        networks = job.device != "cpu" and any(cell.recipe is not None for cell in cells)
        gpus = 0.5 if networks and resources.get("GPU", 0) > 0 else 0.0
    if gpus == 0 and job.device == "auto":
        job = replace(job, device="cpu")  # no trial has asked for a GPU
    if gpus > 0:
        slots = max(1, min(slots, int(resources.get("GPU", 0) / gpus)))
    units = groups.split(cells) if job.address.grouped else [[cell] for cell in cells]
    packs = packing.pack([sum(map(packing.seconds, unit)) for unit in units], slots)
    work = [[cell for i in indices for cell in units[i]] for indices in packs]
    storage = store.state / "tune"
    begun = storage / job.address.parent / "begun"
    shutil.rmtree(begun.parent, ignore_errors=True)  # of a driver that was killed
    begun.mkdir(parents=True)
    tuner = tune.Tuner(
        tune.with_resources(
            tune.with_parameters(PackTrainable, work=work, job=job, store=store, begun=begun),
            {"cpu": cluster.cpus_per_trial, "gpu": gpus},
        ),
        param_space={"pack": tune.grid_search(list(range(len(packs))))},
        tune_config=tune.TuneConfig(
            reuse_actors=gpus == 0,  # what a process holds of a GPU stays until it ends
            trial_name_creator=lambda trial: f"pack_{trial.config['pack']}",
            trial_dirname_creator=lambda trial: f"pack_{trial.config['pack']}",
        ),
        run_config=tune.RunConfig(
            name=job.address.parent,
            storage_path=str(storage),
            verbose=0,
            callbacks=[_Watch(report)],
            failure_config=tune.FailureConfig(max_failures=cluster.max_failures),
            checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
        ),
    )
    try:
        results = tuner.fit()
        return {
            cell.id: str(result.error)
            for result in results
            if result.error is not None and result.config is not None
            for cell in work[result.config["pack"]]
        }
    finally:
        # Nothing of Tune's is needed again: what is done, the store knows.
        shutil.rmtree(storage / job.address.parent, ignore_errors=True)


class PackTrainable(tune.Trainable):
    """Runs one pack; each step goes on for `REPORT_SECONDS` and says how far it came."""

    _tracker: Tracker | None = None

    def setup(
        self, config: dict[str, Any], work: list[list[Cell]], job: Job, store: Store, begun: Path
    ) -> None:
        self._work, self._job, self._store, self._begun = work, job, store, begun
        self._outcomes = self._begin(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self._outcomes = self._begin(new_config)
        return True

    def _begin(self, config: dict[str, Any]) -> Iterator[Outcome | Advance]:
        if self._tracker is None:
            self._tracker = connect(self._store)
        mark = self._begun / str(config["pack"])
        cells, job = self._work[config["pack"]], self._job
        ended: dict[str, Row] = {}
        if mark.exists():  # an earlier worker died in this pack: keep what it finished
            ended = {row.key: row for row in self._tracker.read(job.address.parent)}
            # What it was at comes last: it may have been the reason.
            cells = sorted(cells, key=lambda cell: cell.id == mark.read_text())
            known = job.address.known | {cell.id for cell in cells}
            job = replace(job, address=replace(job.address, known=known))
        mark.touch()
        return run_cells(
            cells, job, self._tracker, before=ended, at=lambda cell: mark.write_text(cell.id)
        )

    def step(self) -> dict[str, Any]:
        deadline = time.monotonic() + REPORT_SECONDS
        told: dict[str, Any] = {"ended": [], "failed": [], "at": {}, "done": False}
        for event in self._outcomes:
            if isinstance(event, Advance):
                told["at"] = {event.cell: (event.share, event.what)}
            else:
                told["ended"].append(event.cell.id)
                if event.error is not None:
                    told["failed"].append(event.cell.id)
            if time.monotonic() > deadline:
                return told
        return told | {"done": True}


class _Watch(tune.Callback):
    def __init__(self, report: Report) -> None:
        self._report = report

    def on_trial_result(
        self, iteration: int, trials: Any, trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        self._report(result["ended"], result["failed"], result["at"])
