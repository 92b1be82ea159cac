"""A real Ray cluster on this machine: a head and nodes that are processes of their own.

Where this process may (as root on Linux), each node has a network namespace
with its own address on a bridge, and a mount namespace in which one folder
is another; else all share the loopback. Everything is stopped by process id.
"""

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tests.helpers.servers import free_port

BIN = Path(sys.executable).parent
SUBNET = f"10.213.{os.getpid() % 250 + 1}"
"""Of the bridge, one for each run of the tests on this machine; the head has .1."""


def namespaces() -> bool:
    """Whether nodes can have addresses of their own."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        return False
    name = f"swp{os.getpid()}"
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True).returncode == 0
    if made:
        subprocess.run(["ip", "netns", "del", name], check=True)
    return made


@dataclass
class Cluster:
    """A head, and nodes by number from 2."""

    folder: Path
    environment: dict[str, str]
    """Of every process of the cluster; has the token."""
    own_addresses: bool
    port: int = field(default_factory=free_port)
    dashboard: int = field(default_factory=free_port)
    nodes: dict[int, "subprocess.Popen[bytes]"] = field(default_factory=dict)

    @property
    def hidden(self) -> Path:
        """A folder that is another one on node 3, where nodes have mounts of their own."""
        return self.folder / "hidden"

    def host(self, node: int) -> str:
        return f"{SUBNET}.{node}" if self.own_addresses else "127.0.0.1"

    @property
    def address(self) -> str:
        return f"{self.host(1)}:{self.port}"

    def start(self, node: int, *options: str) -> None:
        """Start the head (1) or another node, and wait until it has joined."""
        command = [str(BIN / "ray"), "start", f"--node-ip-address={self.host(node)}", "--block",
                   "--disable-usage-stats", f"--temp-dir={self.folder}/r{node}",
                   f"--dashboard-agent-listen-port={free_port()}",
                   "--object-store-memory=100000000", *options]  # fmt: skip
        if node == 1:
            command += ["--head", f"--port={self.port}", f"--dashboard-port={self.dashboard}"]
        else:
            command += [f"--address={self.address}"]
            if self.own_addresses:
                hide = f"mount -t tmpfs none {self.hidden}; " if node == 3 else ""
                command = ["ip", "netns", "exec", _netns(node), "unshare", "--mount", "sh", "-c",
                           f'{hide}exec "$@"', "sh", *command]  # fmt: skip
        with open(self.folder / f"node{node}.log", "ab") as log:
            self.nodes[node] = subprocess.Popen(
                command, env=self.environment, stdout=log, stderr=log, start_new_session=True
            )
        deadline = time.monotonic() + 60
        ready = b"Ray runtime started"
        seen = (self.folder / f"node{node}.log").read_bytes().count(ready)
        while (self.folder / f"node{node}.log").read_bytes().count(ready) <= seen:
            if time.monotonic() > deadline or self.nodes[node].poll() is not None:
                raise AssertionError((self.folder / f"node{node}.log").read_text()[-3000:])
            time.sleep(0.05)  # another process is at it

    def raylet(self, node: int) -> psutil.Process:
        (found,) = (
            process
            for process in psutil.Process(self.nodes[node].pid).children(recursive=True)
            if process.name() == "raylet"
        )
        return found

    def workers(self, node: int) -> list[psutil.Process]:
        """Those that run cells; Ray names its workers after what they run."""
        try:
            below = self.raylet(node).children(recursive=True)
            return [p for p in below if "Trainable" in " ".join(p.cmdline())]
        except (psutil.NoSuchProcess, ValueError):
            return []

    def stop(self, node: int) -> None:
        """All processes of a node, at once."""
        process = self.nodes.pop(node)
        with contextlib.suppress(psutil.NoSuchProcess):
            own = psutil.Process(process.pid)
            for one in [own, *own.children(recursive=True)]:
                with contextlib.suppress(psutil.NoSuchProcess):
                    one.kill()
        process.wait(timeout=30)
        # Workers of a raylet that was killed have no parent; their folder says whose they are.
        for one in psutil.process_iter(["environ"]):
            session = (one.info["environ"] or {}).get("SWEEP_TEST_CLUSTER")
            if session == self.environment["SWEEP_TEST_CLUSTER"] and not self.nodes:
                with contextlib.suppress(psutil.NoSuchProcess):
                    one.send_signal(signal.SIGKILL)

    def submit(self, *arguments: str, root: Path) -> "subprocess.Popen[str]":
        """`ray job submit` of a sweep, with the checkout as its working folder."""
        return subprocess.Popen(
            [BIN / "ray", "job", "submit", "--address", f"http://127.0.0.1:{self.dashboard}",
             "--working-dir", str(root), "--", "python", "-m", "sweep", *arguments],
            env=self.environment, cwd=root, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip

    def sweep(self, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        """A sweep from the head's machine, outside of any job."""
        return subprocess.run(
            [sys.executable, "-m", "sweep", *arguments],
            env=self.environment | environment, cwd=self.folder,
            text=True, capture_output=True, timeout=120,
        )  # fmt: skip


def _netns(node: int) -> str:
    return f"swp{os.getpid()}n{node}"


def _network(nodes: Sequence[int]) -> None:
    bridge = f"swp{os.getpid()}"
    lines = [f"link add {bridge} type bridge", f"addr add {SUBNET}.1/24 dev {bridge}",
             f"link set {bridge} up"]  # fmt: skip
    for node in nodes:
        space, outer = _netns(node), f"swp{os.getpid()}v{node}"
        lines += [
            f"netns add {space}",
            f"link add {outer} type veth peer name eth0 netns {space}",
            f"link set {outer} master {bridge} up",
            f"-n {space} addr add {SUBNET}.{node}/24 dev eth0",
            f"-n {space} link set eth0 up",
            f"-n {space} link set lo up",
        ]
    for line in lines:
        subprocess.run(["ip", *line.split()], check=True)


@contextlib.contextmanager
def running(folder: Path, *options: str, **environment: str) -> Iterator[Cluster]:
    """A head and two nodes, 2 and 3, with tokens on.

    options: of every node but the head. environment: of the head alone, since a job runs there.
    """
    own = namespaces()
    common = os.environ | {
        "PATH": f"{BIN}:{os.environ['PATH']}",
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(32),
        "RAY_TMPDIR": str(folder),
        "SWEEP_TEST_CLUSTER": secrets.token_hex(8),
    }
    for name in [name for name in common if name.startswith("MLFLOW_")]:
        del common[name]
    cluster = Cluster(folder, dict(common), own)
    cluster.hidden.mkdir()
    try:
        if own:
            _network((2, 3))
        cluster.environment |= environment
        cluster.start(1, "--num-cpus=1")
        for name in environment:
            del cluster.environment[name]
        for node in (2, 3):
            cluster.start(node, *options)
        cluster.environment |= environment
        yield cluster
    finally:
        for node in sorted(cluster.nodes, reverse=True):
            cluster.stop(node)
        if own:
            for node in (2, 3):
                subprocess.run(["ip", "netns", "del", _netns(node)], check=False)
            subprocess.run(["ip", "link", "del", f"swp{os.getpid()}"], check=False)
