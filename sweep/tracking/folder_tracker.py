"""A tracker that stores runs as JSON files, for tests and for `tracking=memory`."""

import json
import shutil
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from sweep.storage.atomic import write_bytes
from sweep.tracking.base import Point, Run, RunSpec, StartedRun, Status
from sweep.tracking.grouped_runs import expand


class FolderTracker:
    """See `sweep.tracking.base.Tracker`. Only one process may write a run at a time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def start_run(self, spec: RunSpec, *, always_new: bool = False) -> StartedRun:
        if not always_new:
            for path, document in self._documents():
                if (document["kind"], document["parent"], document["key"]) == (
                    spec.kind, spec.parent, spec.key,
                ):  # fmt: skip
                    return StartedRun(path.stem, document["start_ms"], new=False)
        run = uuid.uuid4().hex
        self._save(
            run,
            {
                "key": spec.key,
                "kind": spec.kind,
                "name": spec.name,
                "parent": spec.parent,
                "start_ms": spec.start_ms,
                "status": "RUNNING",
                "params": {},
                "tags": dict(spec.tags),
                "data": [data.name for data in spec.data],
                "points": {},
            },
        )
        return StartedRun(run, spec.start_ms, new=True)

    def log(
        self,
        run: str,
        points: Sequence[Point],
        *,
        start_ms: int,
        params: Mapping[str, str] | None = None,
    ) -> None:
        document = self._load(run)
        document["params"] |= params or {}
        for point in points:
            document["points"].setdefault(point.key, {})[str(point.step)] = point.value
        self._save(run, document)

    def log_artifact(self, run: str, path: Path, folder: str | None = None) -> None:
        target = self.folder / run / (folder or ".")
        target.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)

    def set_tags(self, run: str, tags: Mapping[str, str | None]) -> None:
        document = self._load(run)
        merged = {**document["tags"], **tags}
        document["tags"] = {key: value for key, value in merged.items() if value is not None}
        self._save(run, document)

    def describe(self, text: str) -> None:
        """Do nothing: a folder has no pages."""

    def arrange(self, views: Mapping[str, str]) -> str:
        return ""

    def end_run(
        self, run: str, status: Status, *, end_ms: int, tags: Mapping[str, str | None] | None = None
    ) -> None:
        self.set_tags(run, tags or {})
        document = self._load(run)
        document["status"] = status
        self._save(run, document)

    def runs(self, parent: str | None, key: str | None = None) -> list[Run]:
        runs: list[Run] = []
        groups: list[Run] = []
        for path, document in self._documents():
            if document["parent"] == parent:
                (groups if document["kind"] == "group" else runs).append(_run(path.stem, document))
        runs += expand(groups, self.download_artifact)
        wanted = (run for run in runs if key in (None, run.key))
        return sorted(wanted, key=lambda run: -run.start_ms)

    def steps(self, run: str, key: str) -> set[int]:
        return {int(step) for step in self._load(run)["points"].get(key, {})}

    def running(self, parent: str) -> list[str]:
        return [
            path.stem
            for path, document in self._documents()
            if document["parent"] == parent and document["status"] == "RUNNING"
        ]

    def finished(self) -> dict[str, Run]:
        parents = [path.stem for path, document in self._documents() if document["parent"] is None]
        runs = [run for parent in parents for run in self.runs(parent)]
        return {run.key: run for run in runs if run.status == "FINISHED"}

    def download_artifact(self, run: str, artifact: str, folder: Path) -> Path:
        path = self.folder / run / artifact
        if not path.is_file():
            raise FileNotFoundError(path)
        return path

    def points(self, run: str) -> dict[str, dict[int, float]]:
        """Return everything that was logged: metric -> step -> value."""
        stored = self._load(run)["points"]
        return {name: {int(m): v for m, v in values.items()} for name, values in stored.items()}

    def _documents(self) -> Iterator[tuple[Path, dict[str, Any]]]:
        for path in sorted(self.folder.glob("*.json")):
            yield path, json.loads(path.read_text())

    def _load(self, run: str) -> dict[str, Any]:
        document: dict[str, Any] = json.loads((self.folder / f"{run}.json").read_text())
        return document

    def _save(self, run: str, document: dict[str, Any]) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        write_bytes(self.folder / f"{run}.json", json.dumps(document).encode(), safe=False)


def _run(run: str, document: dict[str, Any]) -> Run:
    """Build a run from its document."""
    last = {name: values[max(values, key=int)] for name, values in document["points"].items()}
    return Run(
        id=run,
        key=document["key"],
        status=document["status"],
        params=document["params"],
        metrics=last,
        tags=document["tags"],
        start_ms=document["start_ms"],
    )
