"""Where trials run: the settings of the group `cluster`, checked."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from sweep.config import validate
from sweep.config.validate import ConfigError

KINDS = ("local", "ray", "inline")
COMMON = (
    "kind", "cpus_per_trial", "gpus_per_trial", "workers_per_trial", "checkpoint_seconds",
    "limit_seconds", "max_failures",
)  # fmt: skip
OWN: Mapping[str, tuple[str, ...]] = {
    "local": ("num_cpus",),
    "ray": ("address", "storage"),
    "inline": ("num_cpus",),
}
"""The keys of one kind besides `COMMON`."""
CLUSTER_KEYS = (*COMMON, "num_cpus", "address", "storage")


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """Where trials run."""

    kind: str
    """local (Ray on this machine), ray (a cluster that runs already) or inline (this process)."""
    num_cpus: int | None
    """Cores that Ray may use; None: all. Not for ray, whose nodes have said what they have."""
    cpus_per_trial: int
    gpus_per_trial: float | None
    """None: for a GPT half a GPU, or one for each of several workers, if a node has them; else
    none."""
    workers_per_trial: int
    """Processes that train one GPT together, each with a CPU and a GPU of its own."""
    checkpoint_seconds: float
    """How often a long cell keeps its state."""
    limit_seconds: float | None
    """A cell that takes longer fails; None: no limit."""
    max_failures: int
    """How often a pack whose worker died is started again."""
    address: str | None
    """HOST:PORT of the cluster to join; None: RAY_ADDRESS, which a submitted job has."""
    storage: Path | None
    """Folder that every node sees, for all state; None unless kind is ray."""

    @property
    def cpus(self) -> int:
        """That a trial asks for: one a worker at least."""
        return max(self.cpus_per_trial, self.workers_per_trial)

    @property
    def asks_for_cpus(self) -> str:
        """The key that asks for them, for refusals."""
        if self.workers_per_trial > self.cpus_per_trial:
            return f"cluster.workers_per_trial: got {self.workers_per_trial}, a CPU each"
        return f"cluster.cpus_per_trial: got {self.cpus_per_trial}"


def needed(cluster: Mapping[str, Any]) -> tuple[str, ...]:
    """The keys that the group must hold; they follow from its kind."""
    kind = cluster.get("kind")
    return (*COMMON, *OWN.get(kind if isinstance(kind, str) else "", ()))


def parse_cluster(cluster: Mapping[str, Any], shards: int | None = None) -> Cluster:
    """Raises ConfigError. shards: parts of a GPT's batch; None: the model is no GPT."""

    def count(key: str, low: int, high: int) -> int:
        return validate.whole(cluster[key], f"cluster.{key}", low, high)

    kind = validate.choice(cluster["kind"], "cluster.kind", KINDS)
    for key in cluster:
        if key not in (*COMMON, *OWN[kind]):
            raise ConfigError(f"cluster.{key}: is not a key of cluster={kind}; leave it out")
    limit, gpus = cluster["limit_seconds"], _gpus(cluster["gpus_per_trial"])
    given = cluster["workers_per_trial"]
    workers = None if given is None else count("workers_per_trial", 1, 1024)
    return Cluster(
        kind=kind,
        num_cpus=None if cluster.get("num_cpus") is None else count("num_cpus", 1, 4096),
        cpus_per_trial=count("cpus_per_trial", 1, 4096),
        gpus_per_trial=gpus,
        workers_per_trial=_workers(workers, gpus, shards),
        checkpoint_seconds=validate.real(
            cluster["checkpoint_seconds"], "cluster.checkpoint_seconds", 0, 1e6, "a number from 0"
        ),
        limit_seconds=None
        if limit is None
        else validate.real(limit, "cluster.limit_seconds", 0.001, 1e9, "a number above 0"),
        max_failures=count("max_failures", 0, 1000),
        address=_address(cluster.get("address")),
        storage=_storage(cluster["storage"]) if kind == "ray" else None,
    )


def _gpus(value: Any) -> float | None:
    if value is None:
        return None
    allowed = "a part of one, such as 0.5, or a whole number"
    found = validate.real(value, "cluster.gpus_per_trial", 0, 1024, allowed)
    if found > 1 and found != int(found):  # Ray gives parts of one GPU alone
        raise ConfigError(f"cluster.gpus_per_trial: got {value}; allowed: {allowed}")
    return found


def _workers(given: int | None, gpus: float | None, shards: int | None) -> int:
    """As many as GPUs, unless the key says it."""
    found = given or max(1, int(gpus or 0))
    if shards is None:  # counting is done in one process
        if found == given != 1:
            raise ConfigError(
                f"cluster.workers_per_trial: got {given} with model=statistical; allowed: 1 or null"
            )
        return 1
    field = f"cluster.workers_per_trial: got {given}"
    if given is None:
        field = f"cluster.gpus_per_trial: got {gpus:g}, so {found} workers," if gpus else ""
    elif gpus and given != max(1, int(gpus)):
        raise ConfigError(
            f"{field} with gpus_per_trial={gpus:g}; allowed: {max(1, int(gpus))}, one for each GPU"
        )
    if shards % found:
        raise ConfigError(
            f"{field} with model.training.shards={shards}; allowed: a divisor of it, such as "
            f"model.training.shards={found}, which cuts each batch into as many parts"
        )
    return found


def _address(value: Any) -> str | None:
    if value is None:
        return None
    address = validate.text(value, "cluster.address")
    check_address(address, "cluster.address")
    return address


def check_address(address: str, field: str) -> None:
    """Refuse what is not HOST:PORT of a head; `field` says where it comes from."""
    if not re.fullmatch(r"[^\s/:]+:[0-9]+|\[[0-9a-fA-F:.]+\]:[0-9]+", address):
        raise ConfigError(
            f"{field}: got {address!r}; allowed: HOST:PORT of the head, such as 10.0.0.1:6379, "
            "from one of its nodes; from elsewhere: ray job submit"
        )


def _storage(value: Any) -> Path:
    shown = repr(value) if value is not None else "nothing"
    folder = value if isinstance(value, str) else ""
    if "://" in folder:
        raise ConfigError(
            f"cluster.storage: got {shown}; allowed: a folder; an object store has no locks: mount "
            "a shared file system that has (NFS 4, EFS, Filestore, Lustre, JuiceFS) on every node"
        )
    if not PurePosixPath(folder).is_absolute():
        raise ConfigError(
            f"cluster.storage: got {shown}; allowed: an absolute path of a folder that every node "
            "sees, such as /mnt/lab"
        )
    return Path(folder)
