"""What a sweep ran on, in one line: enough to set the same up again, and nothing private."""

import os
import platform
from importlib import metadata

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
