"""Open the tracker of a store; the only module that imports both trackers."""

from pathlib import Path

from sweep.tracking.base import Store, Tracker


def preload(store: Store) -> None:
    """Import what `connect` needs, which takes 1.5 seconds for MLflow."""
    if store.kind == "mlflow":
        from sweep.tracking.mlflow_tracker import preload as load

        load()


def connect(store: Store) -> Tracker:
    """Open the store. Raises StoreError if it cannot be opened."""
    if store.kind == "memory":
        from sweep.tracking.folder_tracker import FolderTracker

        return FolderTracker(Path(store.uri))
    from sweep.tracking.mlflow_tracker import MlflowTracker

    return MlflowTracker(store.uri, store.experiment)
