"""Where trials run: the keys of the group `cluster`."""

from pathlib import Path, PurePosixPath
from typing import Annotated, Any

from pydantic import AfterValidator, model_validator

from sweep.config.section import Section
from sweep.config.validate import Check, Choice, ConfigError, Matching, OrNull, Real, Whole

KINDS = ("local", "ray", "inline")
ADDRESS = Matching(
    r"[^\s/:]+:[0-9]+|\[[0-9a-fA-F:.]+\]:[0-9]+",
    "HOST:PORT of the head, such as 10.0.0.1:6379, from one of its nodes; from elsewhere: "
    "ray job submit",
)
CORES = Whole(1, 4096)
GPUS = "a fraction of a GPU, such as 0.5, or a whole number"


class Only:
    """Marks a key that these kinds of cluster require, and no other kind has."""

    def __init__(self, *kinds: str) -> None:
        self.kinds = kinds


def _gpus(count: float) -> float:
    if count > 1 and count != int(count):  # Ray divides a single GPU only
        raise ValueError(f"got {count:g}; allowed: {GPUS}")
    return count


def _storage(value: Any) -> Path:
    shown = repr(value) if value is not None else "nothing"
    folder = value if isinstance(value, str) else ""
    if "://" in folder:
        raise ValueError(
            f"got {shown}; allowed: a folder; an object store has no locks: mount a shared file "
            "system that has them (NFS 4, EFS, Filestore, Lustre, JuiceFS) on every node"
        )
    if not PurePosixPath(folder).is_absolute():
        raise ValueError(
            f"got {shown}; allowed: an absolute path of a folder that every node sees, such as "
            "/mnt/lab"
        )
    return Path(folder)


class Cluster(Section):
    """Where trials run."""

    kind: Annotated[str, Choice(KINDS)]
    """local (Ray on this machine), ray (a cluster that runs already) or inline (this process)."""
    num_cpus: Annotated[int | None, OrNull(CORES), Only("local", "inline")] = None
    """Cores that Ray may use; None: all. Not for kind ray, whose nodes declare their cores."""
    cpus_per_trial: Annotated[int, CORES]
    gpus_per_trial: Annotated[float, Real(0, 1024, GPUS), AfterValidator(_gpus)] | None
    """None: half a GPU for a GPT, or a GPU for each of several workers, if a node has them; else
    zero."""
    workers_per_trial: Annotated[int, OrNull(Whole(1, 1024), 0)]
    """Processes that train one GPT together, each with its own CPU and GPU; 0 stands for null,
    which `with_workers` replaces."""
    checkpoint_seconds: Annotated[float, Real(0, 1e6, "a number from 0")]
    """Interval at which a long cell saves its state."""
    limit_seconds: Annotated[float, Real(0.001, 1e9, "a number above 0")] | None
    """A cell that takes longer fails; None: no limit."""
    max_failures: Annotated[int, Whole(0, 1000)]
    """How many times a pack whose worker died is restarted."""
    address: Annotated[str | None, OrNull(ADDRESS), Only("ray")] = None
    """HOST:PORT of the cluster to join; None: RAY_ADDRESS, which a submitted job has."""
    storage: Annotated[Path | None, Check(_storage), Only("ray")] = None
    """Folder that every node sees, for all state; None unless kind is ray."""

    @model_validator(mode="after")
    def _keys_of_the_kind(self) -> "Cluster":
        for key, field in type(self).model_fields.items():
            for only in (m for m in field.metadata if isinstance(m, Only)):
                if (self.kind in only.kinds) == (key in self.model_fields_set):
                    continue
                why = f"is not a key of cluster={self.kind}; leave it out"
                raise ConfigError(f"{key}: {'is missing' if self.kind in only.kinds else why}")
        return self

    @property
    def cpus(self) -> int:
        """CPUs of a trial, at least one per worker."""
        return max(self.cpus_per_trial, self.workers_per_trial)

    @property
    def asks_for_cpus(self) -> str:
        """The key that sets `cpus`, with its value, for refusals."""
        if self.workers_per_trial > self.cpus_per_trial:
            return f"cluster.workers_per_trial: got {self.workers_per_trial}, a CPU each"
        return f"cluster.cpus_per_trial: got {self.cpus_per_trial}"

    def with_workers(self, shards: int | None) -> "Cluster":
        """Return a copy with as many workers as GPUs, unless their number is set.

        shards: parts of a GPT's batch; None if the model is not a GPT. Raises ConfigError.
        """
        requested, gpus = self.workers_per_trial, self.gpus_per_trial
        by_gpus = max(1, int(gpus or 0)) if shards else 1  # counting takes one process
        workers = requested or by_gpus
        got = f"cluster.workers_per_trial: got {requested}"
        if shards is None and requested > 1:
            raise ConfigError(f"{got} with model=statistical; allowed: 1 or null")
        if shards and gpus and workers != by_gpus:
            raise ConfigError(
                f"{got} with gpus_per_trial={gpus:g}; allowed: {by_gpus}, one for each GPU"
            )
        if shards and shards % workers:
            if not requested:
                got = f"cluster.gpus_per_trial: got {gpus:g}, so {workers} workers,"
            raise ConfigError(
                f"{got} with model.training.shards={shards}; allowed: a divisor of it, such as "
                f"model.training.shards={workers}, which cuts each batch into as many parts"
            )
        return self.model_copy(update={"workers_per_trial": workers})


def check_address(address: str, field: str) -> None:
    """Raise ConfigError unless the address is HOST:PORT of a head; `field` names its source."""
    ADDRESS.at(field, address)
