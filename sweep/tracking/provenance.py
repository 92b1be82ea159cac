"""Software and machine of a sweep, in one line: enough to reproduce it, nothing private."""

import os
import platform
import subprocess
from importlib import metadata

from sweep.paths import SWEEP

PACKAGES = ("collapse-sweep", "numpy", "scipy", "numba", "hydra-core", "mlflow")


def describe(*extra: str) -> str:
    """List the versions of Python, `PACKAGES` and `extra`, the system, and the number of cores."""
    parts = [f"Python {platform.python_version()}"]
    for name in (*PACKAGES, *extra):
        try:
            parts.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:  # run from a folder, not installed
            continue
    cores = os.cpu_count() or 1
    parts.append(f"{platform.system()} {platform.release()} {platform.machine()}")
    parts.append(f"{cores} core{'s' if cores > 1 else ''}")
    return ", ".join(parts)


def commit() -> str:
    """Return the commit of this checkout, marked if it has changes; empty without a checkout."""
    if not (SWEEP.parent / ".git").exists():
        return ""
    answers = []
    for question in (["rev-parse", "HEAD"], ["status", "--porcelain", "-uno"]):
        try:
            done = subprocess.run(
                ["git", "-C", str(SWEEP.parent), *question], capture_output=True, text=True
            )
        except OSError:
            return ""
        answers.append(done.stdout.strip())
    head, changes = answers
    return head + (" with changes" if changes else "")
