"""Where trials run: the settings of the group `cluster`, checked."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from sweep import checks
from sweep.checks import ConfigError

KINDS = ("local", "ray", "inline")
COMMON = (
    "kind", "cpus_per_trial", "gpus_per_trial", "checkpoint_seconds", "limit_seconds",
    "max_failures",
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
    """None: half a GPU for a GPT if Ray has one, else none."""
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


def needed(cluster: Mapping[str, Any]) -> tuple[str, ...]:
    """The keys that the group must hold; they follow from its kind."""
    kind = cluster.get("kind")
    return (*COMMON, *OWN.get(kind if isinstance(kind, str) else "", ()))


def parse_cluster(cluster: Mapping[str, Any]) -> Cluster:
    """Raises ConfigError."""

    def count(key: str, low: int, high: int) -> int:
        return checks.whole(cluster[key], f"cluster.{key}", low, high)

    kind = checks.choice(cluster["kind"], "cluster.kind", KINDS)
    for key in cluster:
        if key not in (*COMMON, *OWN[kind]):
            raise ConfigError(f"cluster.{key}: is not a key of cluster={kind}; leave it out")
    limit = cluster["limit_seconds"]
    return Cluster(
        kind=kind,
        num_cpus=None if cluster.get("num_cpus") is None else count("num_cpus", 1, 4096),
        cpus_per_trial=count("cpus_per_trial", 1, 4096),
        gpus_per_trial=_gpus(cluster["gpus_per_trial"]),
        checkpoint_seconds=checks.real(
            cluster["checkpoint_seconds"], "cluster.checkpoint_seconds", 0, 1e6, "a number from 0"
        ),
        limit_seconds=None
        if limit is None
        else checks.real(limit, "cluster.limit_seconds", 0.001, 1e9, "a number above 0"),
        max_failures=count("max_failures", 0, 1000),
        address=_address(cluster.get("address")),
        storage=_storage(cluster["storage"]) if kind == "ray" else None,
    )


def _gpus(value: Any) -> float | None:
    if value is None:
        return None
    allowed = "a part of one, such as 0.5, or a whole number"
    found = checks.real(value, "cluster.gpus_per_trial", 0, 1024, allowed)
    if found > 1 and found != int(found):  # Ray gives parts of one GPU alone
        raise ConfigError(f"cluster.gpus_per_trial: got {value}; allowed: {allowed}")
    return found


def _address(value: Any) -> str | None:
    if value is None:
        return None
    address = checks.text(value, "cluster.address")
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
