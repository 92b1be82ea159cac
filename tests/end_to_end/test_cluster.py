"""cluster=ray on a real cluster of three nodes: submitted jobs, a lost node, refusals."""

import contextlib
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from secrets import token_hex

import pytest

from sweep.config.cluster import Cluster as Wanted
from sweep.config.validate import ConfigError
from sweep.launch.nodes import Node, check_fit
from sweep.server import mlflow_server
from sweep.tracking.mlflow_tracker import MlflowTracker
from tests.helpers.clusters import Cluster, running
from tests.helpers.configs import CLUSTER, settings
from tests.helpers.gpt_cells import TINY
from tests.helpers.paths import ROOT
from tests.helpers.servers import Points, Running, curves_of, free_port
from tests.helpers.shells import assert_same, metric_rows, sweep

LONG = ("+experiment=full", "generations=60", "replicates=1500",
        f"grid.n=[{','.join(str(n) for n in range(40, 64))}]")  # fmt: skip
GPT = (*(a for a in TINY if not a.startswith(("cluster", "model.training.steps"))),
       "model.training.steps=400", "model.measure.retrain=false",
       "cluster.checkpoint_seconds=0.5")  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["cluster.storage=lab"], "cluster.storage: got 'lab'; allowed: an absolute path"),
        (["cluster.storage=null"], "cluster.storage: got nothing; allowed: an absolute path"),
        (["cluster.storage=s3://lab/x"], "an object store has no locks: mount a shared file"),
        (["cluster.address=ray://h:10001"], "cluster.address: got 'ray://h:10001'; allowed: HOST:"),
        (["cluster.address=http://h:8265"], "allowed: HOST:PORT of the head"),
        (["cluster.address=auto"], "cluster.address: got 'auto'; allowed: HOST:PORT"),
        (["cluster.gpus_per_trial=1.5"], "got 1.5; allowed: a fraction of a GPU, such as 0.5, or "),
        (["cluster.gpus_per_trial=-1"], "cluster.gpus_per_trial: got -1; allowed"),
        (
            ["tracking=local"],
            "tracking.uri: got sqlite:///mlflow.db with cluster=ray; allowed: a s",
        ),
        (["tracking=memory"], "tracking.uri: got memory with cluster=ray; allowed: a server"),
        (["tracking.uri=postgresql://h/lab"], "got postgresql://h/lab with cluster=ray"),
        (["+cluster.num_cpus=2"], "cluster.num_cpus: is not a key of cluster=ray; leave it out"),
    ],
)
def test_refused_by_the_settings_alone(changes: list[str], message: str) -> None:
    keys = {change.split("=")[0].lstrip("+") for change in changes}
    given = [c for c in CLUSTER if c.split("=")[0] not in keys]
    if "tracking" in keys:
        given = [c for c in given if not c.startswith("tracking.uri")]
    with pytest.raises(ConfigError) as caught:
        settings("+experiment=smoke", *given, *changes)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_figures_of_a_job_go_to_the_storage() -> None:
    assert settings("+experiment=smoke", *CLUSTER).output == "/mnt/lab/outputs"
    assert settings("+experiment=smoke", *CLUSTER, "output=/tmp/o").output == "/tmp/o"
    assert settings("+experiment=smoke").output == "outputs"


def test_trials_a_node_can_hold() -> None:
    node = Node(id="a", host="h", cpus=16, gpus=2)
    assert [node.slots(1, gpus) for gpus in (0, 0.1, 0.3, 0.4, 0.5, 1, 2, 3)] == [
        16, 16, 6, 4, 4, 2, 1, 0,
    ]  # fmt: skip
    assert node.slots(6, 0.5) == 2


def wanted(cpus: int, gpus: float) -> Wanted:
    found = settings("+experiment=smoke", *CLUSTER, f"cluster.cpus_per_trial={cpus}",
                     f"cluster.gpus_per_trial={gpus}").cluster  # fmt: skip
    assert found.kind == "ray"
    return found


def test_a_trial_that_fits_on_no_node_is_refused() -> None:
    nodes = [Node(id="a", host="h", cpus=16, gpus=0), Node(id="b", host="i", cpus=2, gpus=4)]
    check_fit(nodes, wanted(2, 4))
    for cpus, gpus, message in (
        (17, 0, "cpus_per_trial: got 17; allowed: up to 16, the most that one of the 2 nodes"),
        (1, 5, "gpus_per_trial: got 5; allowed: up to 4"),
        (3, 1, "got 1 with 3 CPUs per trial, and no node has both (CPUs and GPUs: h 16 and 0, i"),
    ):
        with pytest.raises(ConfigError) as caught:
            check_fit(nodes, wanted(cpus, gpus))
        assert message in str(caught.value)


class Lab:
    """Three nodes, a tracking server that all reach, and a folder that all see."""

    def __init__(self, cluster: Cluster, store: Running, folder: Path) -> None:
        self.cluster, self.store, self.storage = cluster, store, folder

    @property
    def arguments(self) -> tuple[str, ...]:
        return (
            "cluster=ray", "tracking=server", f"tracking.uri={self.store.uri}",
            f"cluster.storage={self.storage}",
        )  # fmt: skip

    def finished(self, experiment: str) -> int:
        ((count,),) = self.store.query(
            "SELECT count(*) FROM runs JOIN experiments e USING (experiment_id)"
            f" WHERE e.name = '{experiment}' AND status = 'FINISHED'"
        )
        return int(str(count))

    def statuses(self) -> set[str]:
        return {str(status) for (status,) in self.store.query("SELECT status FROM runs")}


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """Not below pytest's own folder: sockets need short paths, and PostgreSQL a way in."""
    with tempfile.TemporaryDirectory(prefix="lab-", dir="/tmp") as name:
        folder = Path(name)
        folder.chmod(0o755)
        own = mlflow_server.Server(folder / "server")
        # Known to the head alone: workers elsewhere get it from the driver.
        login = {"MLFLOW_TRACKING_USERNAME": "admin", "MLFLOW_TRACKING_PASSWORD": token_hex(16)}
        with (
            pytest.MonkeyPatch.context() as environment,
            running(folder, "--num-cpus=1", "--num-gpus=1", **login) as cluster,
        ):
            for variable, value in login.items():
                environment.setenv(variable, value)
            try:
                port = free_port()
                mlflow_server.up(own, host=cluster.host(1), port=port, workers=1)
                uri = f"http://{cluster.host(1)}:{port}"
                (folder / "storage").mkdir()
                store = Running(own, uri, login["MLFLOW_TRACKING_PASSWORD"])
                yield Lab(cluster, store, folder / "storage")
            finally:
                with contextlib.suppress(NameError, FileNotFoundError):
                    store.kill()  # no need to wait for its workers to end politely
                mlflow_server.down(own)


def without_speed(points: Points) -> Points:
    return Points({p: count for p, count in points.items() if "tokens_per_second" not in p[1]})


def assert_as_here(lab: Lab, folder: Path, *overrides: str) -> None:
    """Every cell and point once, with the bits of the same sweep inline, uninterrupted."""
    done = sweep(folder, *overrides, "cluster=inline")
    assert done.returncode == 0, done.stderr
    experiment = overrides[0].split("=")[1]
    here = MlflowTracker(f"sqlite:///{folder / 'mlflow.db'}", experiment)
    there = MlflowTracker(lab.store.uri, experiment)
    points = lab.store.points(experiment)
    assert without_speed(points) == without_speed(Points(metric_rows(folder)))
    both = [curves_of(tracker, folder) for tracker in (there, here)]
    for curves in (*both[0].values(), *both[1].values()):
        for speed in [key for key in curves if key.startswith("tokens_per_second")]:
            del curves[speed]
    assert_same(*both)
    assert lab.statuses() == {"FINISHED"}
    assert list(lab.storage.glob("sweep-state-*"))
    assert not list(lab.storage.glob("sweep-state-*/spool/*"))


def wait_for(what: Callable[[], object], process: "subprocess.Popen[str]") -> None:
    deadline = time.monotonic() + 90
    while not what():
        assert time.monotonic() < deadline
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.1)  # other processes are at it


@pytest.mark.slow
def test_a_node_killed_in_mid_run_of_a_submitted_job(lab: Lab, tmp_path: Path) -> None:
    process = lab.cluster.submit(*LONG, *lab.arguments, root=ROOT)
    wait_for(lambda: lab.finished("full") >= 3 and lab.cluster.workers(2), process)
    lab.cluster.raylet(2).kill()
    assert process.poll() is None
    assert lab.finished("full") < 24
    out, _ = process.communicate(timeout=180)
    assert process.returncode == 0, out
    assert "24 of 24 cells finished" in out
    assert_as_here(lab, tmp_path, *LONG)


@pytest.mark.slow
def test_a_gpt_goes_on_from_its_pieces_on_another_node(lab: Lab, tmp_path: Path) -> None:
    """The node that trains it is killed within its second generation."""
    lab.cluster.stop(2)  # what is left of it
    lab.cluster.start(2, "--num-cpus=1", "--num-gpus=1")
    one = (*GPT, "grid.schedule=partial", "generations=12")  # a long cell, and so one trial
    command = (*one, *lab.arguments, "cluster.gpus_per_trial=0.5")
    process = lab.cluster.submit(*command, root=ROOT)
    spool = "sweep-state-*/spool/*"
    wait_for(lambda: list(lab.storage.glob(f"{spool}/*/model-0-2*.npz")), process)
    (victim,) = (node for node in (2, 3) if lab.cluster.workers(node))
    lab.cluster.raylet(victim).kill()
    (first,) = lab.storage.glob(f"{spool}/*/state-1.npz")
    stamp = first.stat().st_mtime_ns
    wait_for(lambda: lab.cluster.workers(5 - victim), process)
    assert not first.exists() or first.stat().st_mtime_ns == stamp  # not made again
    out, _ = process.communicate(timeout=180)
    assert process.returncode == 0, out
    assert_as_here(lab, tmp_path, *one)


@pytest.mark.slow
def test_refused_by_the_cluster(lab: Lab, tmp_path: Path) -> None:
    """Each in seconds, in one line, and without a run in the store."""
    runs = lab.store.query("SELECT count(*) FROM runs")
    address = f"cluster.address={lab.cluster.address}"
    hidden = [a for a in lab.arguments if "storage" not in a]
    token = {"RAY_AUTH_TOKEN": "0" * 64}
    cases: list[tuple[tuple[str, ...], dict[str, str], str]] = [
        ((address, "cluster.cpus_per_trial=2", *lab.arguments), {}, "allowed: up to 1, the most"),
        ((address, *lab.arguments), token, "does not accept this token; set RAY_AUTH_MODE=token"),
        (("cluster.address=127.0.0.1:9", *lab.arguments), {}, "no head of a Ray cluster answers"),
        (lab.arguments, {}, "cluster.address: is null, and RAY_ADDRESS is not set"),
        (
            (address, *hidden, f"cluster.storage={tmp_path / 'no'}"), {},
            "which is not a folder on this machine; allowed: a folder that every node",
        ),
    ]  # fmt: skip
    if lab.cluster.own_addresses:
        there = f"cluster.storage={lab.cluster.hidden}"
        message = f"and node {lab.cluster.host(3)} does not see it: mount it there"
        lab.cluster.stop(3)
        lab.cluster.start(3, "--num-cpus=1", "--num-gpus=1")
        cases.append(((address, *hidden, there), {}, message))

    def refuse(number: int) -> None:
        arguments, environment, message = cases[number]
        started = time.monotonic()
        done = lab.cluster.sweep("+experiment=smoke", f"seed={number}", *arguments, **environment)
        assert done.returncode == 2, done.stdout + done.stderr
        assert message in done.stderr
        assert done.stderr.count("\n") == 1
        assert time.monotonic() - started < 45

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(refuse, range(len(cases)))) == [None] * len(cases)
    assert lab.store.query("SELECT count(*) FROM runs") == runs
