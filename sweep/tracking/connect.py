"""Open the tracker that an address names; the only module that knows both trackers."""

from pathlib import Path

from sweep.tracking.base import Store, Tracker


def preload(store: Store) -> None:
    """Import what `connect` needs."""
    if store.kind == "mlflow":
        from sweep.tracking.mlflow_tracker import preload as load

        load()


def connect(store: Store) -> Tracker:
    """Open the store. Raises `StoreError` if that cannot be done."""
    if store.kind == "memory":
        from sweep.tracking.folder_tracker import FolderTracker

        return FolderTracker(Path(store.uri))
    from sweep.tracking.mlflow_tracker import MlflowTracker

    return MlflowTracker(store.uri, store.experiment)
