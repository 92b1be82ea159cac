"""Run cells in packs on Ray Tune; the only module that imports ray.

A Tune trial is a pack of cells. Workers are reused from pack to pack and keep one
connection to the store. Workers send results to the store; only the progress comes
back here.

A worker whose node was lost may live for a while. So each worker locks its pack while it
runs the pack, and the worker that takes over waits for the lock.
"""

import gc
import logging
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

import ray
from ray import tune
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from sweep.cells import groups
from sweep.cells.cell import Cell
from sweep.cells.outcome import CellProgress, Stage
from sweep.config.cluster import Cluster, check_address
from sweep.config.validate import ConfigError
from sweep.grid import cost, packing
from sweep.launch import nodes
from sweep.launch.locks import alive
from sweep.storage.locks import try_lock
from sweep.tracking.base import Run, Store, Tracker
from sweep.tracking.connect import connect
from sweep.trial.worker import Job, Outcome, run_cells

REPORT_SECONDS = 0.5
"""How long a worker runs between two reports of progress."""

CONNECT_SECONDS = 3.0
ANSWER_SECONDS = 10.0
"""How long a cluster may take to answer; Ray itself would wait for minutes."""
NODE_SECONDS = 90.0
"""How long its nodes may take to check the storage, for which each starts a process."""
EARLIER_SECONDS = 300.0
"""How long to wait for an earlier worker on the same pack; without its node it ends in a minute."""

Report = Callable[[list[str], list[str], dict[str, Stage]], None]
"""Called with the ids of the cells that ended since the last call, the ids of those that failed,
and the stages of cells at work by id."""


def start(cluster: Cluster) -> None:
    """Start Ray on this machine, without its log output.

    It only answers clients with its token. Raises ConfigError for a trial that would wait
    forever.
    """
    _quiet()
    ray.init(
        address="local",  # never join a cluster that runs on this machine
        num_cpus=cluster.num_cpus,
        include_dashboard=False,
        logging_level=logging.ERROR,
        log_to_driver=False,
    )
    _quiet_loggers()
    nodes.check_fit(_nodes(), cluster)


def join(cluster: Cluster, store: Store) -> None:
    """Connect to a running cluster, and check every node.

    Raises ConfigError if the cluster does not answer, if no node is large enough for a trial,
    or if a node does not see the storage or the store.
    """
    address = cluster.address or os.environ.get("RAY_ADDRESS", "")
    if not address:
        raise ConfigError(
            "cluster.address: is null, and RAY_ADDRESS is not set; give HOST:PORT of the head, or "
            "submit a job"
        )
    check_address(address, "cluster.address" if cluster.address else "RAY_ADDRESS")
    _require_answer(address)
    _quiet()
    try:
        ray.init(address=address, logging_level=logging.ERROR, log_to_driver=False)
    except (OSError, RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split())[:300]
        raise ConfigError(
            f"cluster.address: {address} cannot be joined from here: {reason}"
        ) from None
    _quiet_loggers()
    asked = _nodes()
    nodes.check_fit(asked, cluster)
    with nodes.asked(store) as question:
        complaints = _complaints(question, asked)
    # A node that was lost just before is listed for some seconds; it is no reason to refuse.
    left = _nodes()
    nodes.refuse(store, [(node, reason) for node, reason in complaints if node in left])
    nodes.check_fit(left, cluster)


def _require_answer(address: str) -> None:
    """Raise ConfigError if no head answers this client; asks in a process that can be abandoned."""
    no_answer = ConfigError(
        f"cluster.address: no head of a Ray cluster answers at {address}; allowed: HOST:PORT of "
        "a running one (ray start --head prints it), or leave it out in a submitted job"
    )
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECT_SECONDS).close()
    except (OSError, OverflowError):
        raise no_answer from None
    asking = "import ray, sys; ray._raylet.GcsClient(address=sys.argv[1])"
    try:
        process = subprocess.run(
            [sys.executable, "-c", asking, address],
            capture_output=True, text=True, timeout=ANSWER_SECONDS,
        )  # fmt: skip
        if process.returncode == 0:
            return
        output = process.stdout + process.stderr
    except subprocess.TimeoutExpired as error:
        output = b"".join(filter(None, (error.stdout, error.stderr))).decode(errors="replace")
    if "InvalidAuthToken" in output or "Unauthenticated" in output:
        raise ConfigError(
            f"cluster.address: {address} does not accept this token; set RAY_AUTH_MODE=token, and "
            "RAY_AUTH_TOKEN or RAY_AUTH_TOKEN_PATH as on its head"
        )
    raise no_answer


def _complaints(
    question: nodes.Question, listed: Sequence[nodes.Node]
) -> list[tuple[nodes.Node, str]]:
    """Return nodes with problems, and what is wrong with each."""
    ask = ray.remote(num_cpus=0, max_retries=0)(_answer)
    asked = {
        ask.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node.id, soft=False)).remote(
            question, node.id, _environment()
        ): node
        for node in listed
    }
    answered, silent = ray.wait(list(asked), num_returns=len(asked), timeout=NODE_SECONDS)
    complaints = [(asked[ref], f"does not answer in {NODE_SECONDS:g} s") for ref in silent]
    for ref in answered:
        try:
            reason = ray.get(ref) or nodes.check_reply(question, asked[ref].id)
        except Exception as error:  # such as a missing package
            last = str(error).strip().splitlines()[-1][:200]
            reason = f"cannot run this code ({last}): install it there, or submit a job"
        if reason:
            complaints.append((asked[ref], reason))
    return complaints


def _answer(question: nodes.Question, node: str, environment: Mapping[str, str]) -> str:
    os.environ.update(environment)
    return nodes.answer(question, node)


def _nodes() -> list[nodes.Node]:
    return [
        nodes.Node(
            id=node["NodeID"],
            host=node["NodeManagerAddress"],
            cpus=node["Resources"].get("CPU", 0.0),
            gpus=node["Resources"].get("GPU", 0.0),
        )
        for node in ray.nodes()
        if node["Alive"]
    ]


def _environment() -> dict[str, str]:
    """Return the variables that workers need from the driver's environment: the store's login.

    They are sent as arguments, which no log or dashboard shows.
    """
    variables = {k: v for k, v in os.environ.items() if k.startswith("MLFLOW_")}
    return variables | {"NUMBA_NUM_THREADS": os.environ["NUMBA_NUM_THREADS"]}


def _quiet() -> None:
    os.environ["RAY_AIR_NEW_OUTPUT"] = "0"
    os.environ["RAY_CHDIR_TO_TRIAL_DIR"] = "0"
    os.environ["TUNE_DISABLE_AUTO_CALLBACK_LOGGERS"] = "1"
    os.environ["TUNE_DISABLE_SIGINT_HANDLER"] = "1"  # Ctrl-C reaches the driver as usual
    os.environ["TUNE_RESULT_BUFFER_LENGTH"] = "0"
    os.environ["RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO"] = "0"
    os.environ.setdefault("NUMBA_NUM_THREADS", "1")


def _quiet_loggers() -> None:
    # The sweep itself reports why a trial died, with its cells.
    for name in ("ray", "ray.tune", "ray.train", "ray.air"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


def stop() -> None:
    """Stop Ray; other threads may run meanwhile.

    Tune leaves reference cycles. Collecting one while Ray stops would end the whole process,
    so they are collected before.
    """
    gc.collect()
    ray.shutdown()


def run(
    cells: Sequence[Cell],
    job: Job,
    store: Store,
    cluster: Cluster,
    report: Report,
    begin: Callable[[int], None],
) -> dict[str, str]:
    """Run the cells until every pack has ended; returns cell id -> why its pack was lost.

    begin: called with the number of packs that can be at work at once.
    Raises KeyboardInterrupt on Ctrl-C, with the workers still alive.
    """
    usable = _nodes()
    gpus = cluster.gpus_per_trial
    if gpus is None:
        networks = job.workspace.device != "cpu" and any(cell.kind.trains_network for cell in cells)
        each = 0.5 if job.workspace.workers == 1 else float(job.workspace.workers)
        fits = any(node.slots(cluster.cpus, each) for node in usable)
        gpus = each if networks and fits else 0.0
    if gpus == 0 and job.workspace.device == "auto":
        job = replace(
            job, workspace=replace(job.workspace, device="cpu")
        )  # no trial asks for a GPU
    slots = max(1, sum(node.slots(cluster.cpus, gpus) for node in usable))
    begin(slots)
    units = groups.split(cells) if job.target.grouped else [[cell] for cell in cells]
    costs = [sum(map(cost.seconds, unit)) / job.workspace.workers for unit in units]
    packs = packing.pack(costs, slots)
    work = [[cell for i in indices for cell in units[i]] for indices in packs]
    storage = store.state / "tune"
    begun = storage / job.target.parent / "begun"
    shutil.rmtree(begun.parent, ignore_errors=True)  # left by a killed driver
    begun.mkdir(parents=True)
    tuner = tune.Tuner(
        tune.with_resources(
            tune.with_parameters(
                PackTrainable,
                work=work,
                job=job,
                store=store,
                begun=begun,
                environment=_environment(),
            ),
            tune.PlacementGroupFactory(
                # A single bundle stays on one node, as the workers of a network must.
                [{"CPU": cluster.cpus, "GPU": gpus}],
                strategy="SPREAD",
            ),
        ),
        param_space={"pack": tune.grid_search(list(range(len(packs))))},
        tune_config=tune.TuneConfig(
            reuse_actors=gpus == 0,  # a process keeps its GPU memory until it ends
            trial_name_creator=lambda trial: f"pack_{trial.config['pack']}",
            trial_dirname_creator=lambda trial: f"pack_{trial.config['pack']}",
        ),
        run_config=tune.RunConfig(
            name=job.target.parent,
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
        # The state of Tune is not needed again, since the store has the finished cells.
        shutil.rmtree(storage / job.target.parent, ignore_errors=True)


class PackTrainable(tune.Trainable):
    """Runs a pack; each step runs for `REPORT_SECONDS` and reports the progress."""

    _tracker: Tracker | None = None

    def setup(
        self,
        config: dict[str, Any],
        work: list[list[Cell]],
        job: Job,
        store: Store,
        begun: Path,
        environment: Mapping[str, str],
    ) -> None:
        os.environ.update(environment)
        if not begun.is_dir():  # on a node that joined after the checks
            raise RuntimeError(f"this node does not see {begun}, in cluster.storage")
        self._work, self._job, self._store, self._begun = work, job, store, begun
        self._alive = alive(store, job.target.parent)
        self._alive.__enter__()  # until the process ends
        self._outcomes = self._begin(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self._outcomes.close()
        self._outcomes = self._begin(new_config)
        return True

    def _begin(self, config: dict[str, Any]) -> Generator[Outcome | CellProgress, None, None]:
        if self._tracker is None:
            self._tracker = connect(self._store)
        mark = self._begun / str(config["pack"])
        cells, job = self._work[config["pack"]], self._job
        with open(self._begun / f"{config['pack']}.lock", "a+") as file:
            yield from _locked(file, cells[0])
            ended: dict[str, Run] = {}
            if mark.exists():  # an earlier worker died in this pack: keep its finished cells
                ended = {run.key: run for run in self._tracker.runs(job.target.parent)}
                # The cell that it ran comes last, since that may have been the reason.
                cells = sorted(cells, key=lambda cell: cell.id == mark.read_text())
                maybe_logged = job.target.maybe_logged | {cell.id for cell in cells}
                job = replace(job, target=replace(job.target, maybe_logged=maybe_logged))
            mark.touch()
            yield from run_cells(
                cells, job, self._tracker, before=ended, at=lambda cell: mark.write_text(cell.id)
            )

    def step(self) -> dict[str, Any]:
        deadline = time.monotonic() + REPORT_SECONDS
        report: dict[str, Any] = {"ended": [], "failed": [], "at": {}, "done": False}
        for event in self._outcomes:
            if isinstance(event, CellProgress):
                report["at"] = {event.cell: event.stage}
            else:
                report["ended"].append(event.cell.id)
                if event.error is not None:
                    report["failed"].append(event.cell.id)
            if time.monotonic() > deadline:
                return report
        return report | {"done": True}


def _locked(file: IO[Any], cell: Cell) -> Iterator[CellProgress]:
    """Wait for the lock. Raises RuntimeError if that takes too long."""
    deadline = time.monotonic() + EARLIER_SECONDS
    while not try_lock(file):
        if time.monotonic() > deadline:
            raise RuntimeError(
                f"an earlier worker has been running this pack for {EARLIER_SECONDS:g} s"
            )
        yield CellProgress(cell=cell.id, what="waits for an earlier worker to end", share=0.0)
        time.sleep(0.2)  # the earlier worker cannot signal this process


class _Watch(tune.Callback):
    def __init__(self, report: Report) -> None:
        self._report = report

    def __getstate__(self) -> dict[str, Any]:
        """Save nothing: Tune writes callbacks to disk, and cannot pickle a notebook's stderr."""
        return {}

    def on_trial_result(
        self, iteration: int, trials: Any, trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        self._report(result["ended"], result["failed"], result["at"])
