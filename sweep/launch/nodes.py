"""Checks, before any trial, of what the nodes of a cluster must share; independent of Ray.

The driver writes a word into the shared storage and holds a lock there. Each node must
read the word, find the lock held, answer with a file, reach the store, and have the
same code.
"""

import contextlib
import errno
import hashlib
import secrets
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sweep.config.cluster import Cluster
from sweep.config.validate import ConfigError
from sweep.paths import SWEEP
from sweep.storage.atomic import write_bytes
from sweep.storage.locks import locked
from sweep.tracking.base import Store, StoreError


@dataclass(frozen=True, kw_only=True)
class Node:
    """A node that is alive."""

    id: str
    host: str
    """Its address, for messages."""
    cpus: float
    gpus: float

    def slots(self, cpus: int, gpus: float) -> int:
        """Return how many trials it can run at once; trials can share a GPU."""
        slots = int(self.cpus / cpus)
        if gpus > 0:
            each = int(1 / gpus + 1e-9) * int(self.gpus) if gpus < 1 else int(self.gpus / gpus)
            slots = min(slots, each)
        return slots


def check_fit(nodes: Sequence[Node], cluster: Cluster) -> None:
    """Raise ConfigError for a trial that fits on no node, which would wait forever."""
    cpus, gpus = cluster.cpus, cluster.gpus_per_trial or 0.0
    for key, asked, most in (
        (cluster.asks_for_cpus, cpus, max(n.cpus for n in nodes)),
        (f"cluster.gpus_per_trial: got {gpus:g}", gpus, max(n.gpus for n in nodes)),
    ):
        if asked > most:
            raise ConfigError(
                f"{key}; allowed: up to {most:g}, the most "
                f"that one of the {len(nodes)} nodes of this cluster has"
            )
    if not any(node.slots(cpus, gpus) for node in nodes):
        has = ", ".join(f"{n.host} {n.cpus:g} and {n.gpus:g}" for n in nodes[:8])
        raise ConfigError(
            f"cluster.gpus_per_trial: got {gpus:g} with {cpus} CPUs per trial, and no node has "
            f"both (CPUs and GPUs: {has}); ask for fewer"
        )


@dataclass(frozen=True, kw_only=True)
class Question:
    """What every node is asked; it is sent there."""

    folder: Path
    store: Store
    word: str = field(default_factory=lambda: secrets.token_hex(8))
    code: str = field(default_factory=lambda: code())


@contextlib.contextmanager
def asked(store: Store) -> Iterator[Question]:
    """Write the question into the storage, and hold a lock there. Raises ConfigError."""
    folder = store.state / f"probe-{secrets.token_hex(4)}"
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        try:
            folder.mkdir(parents=True)
            question = Question(folder=folder, store=store)
            (folder / "word").write_text(question.word)
            if not stack.enter_context(locked(folder / "lock")):
                raise OSError(errno.EWOULDBLOCK, "a new file is locked already")
        except OSError as error:
            raise ConfigError(
                f"cluster.storage: got {store.state.parent}, where this machine cannot write and "
                f"lock files ({error.strerror}); allowed: a folder that every node sees"
            ) from None
        yield question


def answer(question: Question, node: str) -> str:
    """Return what is wrong on this node in one line, or an empty text; runs on the node."""
    if code() != question.code:
        return "has other code of sweep and models: install the same version, or submit a job"
    try:
        if (question.folder / "word").read_text() != question.word:
            return "sees other files in it"
        write_bytes(question.folder / node, question.word.encode())
    except FileNotFoundError:
        return "does not see it: mount it there"
    except OSError as error:
        return f"cannot write there ({error.strerror})"
    try:
        with locked(question.folder / "lock") as taken:
            if taken:
                return (
                    "can take a lock there that the driver holds: mount it with locks across "
                    "nodes (NFS 4)"
                )
    except OSError as error:
        return f"has no locks there ({error.strerror}): mount it with locks (NFS 4)"
    from sweep.tracking import mlflow_tracker

    try:
        mlflow_tracker.probe(question.store.uri)
    except StoreError as error:
        return str(error)
    return ""


def check_reply(question: Question, node: str) -> str:
    """Return what is wrong with a node that reported no problem: its file must be seen here."""
    try:
        seen = (question.folder / node).read_text() == question.word
    except OSError:
        seen = False
    return "" if seen else "writes files there that the driver does not see: mount the same folder"


def refuse(store: Store, complaints: Sequence[tuple[Node, str]]) -> None:
    """Raise ConfigError with the first complaint of the nodes, if there is any."""
    if not complaints:
        return
    node, reason = complaints[0]
    others = f" (and {len(complaints) - 1} more nodes)" if len(complaints) > 1 else ""
    if reason.startswith("tracking.uri: "):
        reason = reason.removeprefix("tracking.uri: ")
        raise ConfigError(f"tracking.uri: from node {node.host}{others}: {reason}")
    raise ConfigError(
        f"cluster.storage: got {store.state.parent}, and node {node.host}{others} {reason}"
    )


def code() -> str:
    """Return a hash of this code, which all nodes must run."""
    digest = hashlib.sha256()
    # `models` is a link in a checkout, which rglob does not follow, and a folder in a wheel.
    files = {path for top in (SWEEP, SWEEP / "models") for path in top.rglob("*.py")}
    for path in sorted(files):
        digest.update(path.relative_to(SWEEP).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()
