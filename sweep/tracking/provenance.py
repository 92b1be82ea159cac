"""What a sweep ran on, in one line: enough to set the same up again, and nothing private."""

import os
import platform
import subprocess
from importlib import metadata

from sweep.paths import SWEEP

PACKAGES = ("collapse-sweep", "numpy", "scipy", "numba", "hydra-core", "mlflow")


def describe(*extra: str) -> str:
    """Versions of Python, of `PACKAGES` and of `extra`, the system, and the number of cores."""
    found = [f"Python {platform.python_version()}"]
    for name in (*PACKAGES, *extra):
        try:
            found.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:  # run from a folder, not installed
            continue
    cores = os.cpu_count() or 1
    found.append(f"{platform.system()} {platform.release()} {platform.machine()}")
    found.append(f"{cores} core{'s' if cores > 1 else ''}")
    return ", ".join(found)


def commit() -> str:
    """The commit of the checkout this code is in, marked if it has changes; else nothing."""
    if not (SWEEP.parent / ".git").exists():
        return ""
    found = []
    for question in (["rev-parse", "HEAD"], ["status", "--porcelain", "-uno"]):
        try:
            done = subprocess.run(
                ["git", "-C", str(SWEEP.parent), *question], capture_output=True, text=True
            )
        except OSError:
            return ""
        found.append(done.stdout.strip())
    return found[0] + (" with changes" if found[1] else "")
