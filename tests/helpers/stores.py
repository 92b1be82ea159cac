"""A new store, made once by the project's own code and copied wherever a sweep is to begin."""

import fcntl
import shutil
from pathlib import Path

from sweep.tracking.mlflow_tracker import MlflowTracker
from sweep.tracking.uri import checkpoint_wal


def make_template(folder: Path) -> Path:
    """The file of a new store in `folder`, which several processes may ask for at once.

    MLflow's migrations take two seconds of work and a thousand flushes to the disk.
    """
    folder.mkdir(exist_ok=True)
    path = folder / "mlflow.db"
    with open(folder / "lock", "a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            made = folder / "made.db"
            MlflowTracker(f"sqlite:///{made}", "none")
            checkpoint_wal(f"sqlite:///{made}")
            shutil.copy(made, path)
    return path


def put(template: Path, folder: Path) -> Path:
    """The folder, made if need be, with a new store in it."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(template, folder / "mlflow.db")
    return folder
