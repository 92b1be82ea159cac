"""The MLflow tracker; the only module that imports mlflow.

Points are sent in batches: measured, 2,500 points take 0.3 s in batches and 43 s
one by one. Runs are identified by their tags, and the time of a point is the stored
start of the run plus the step, so sending a cell twice adds no row.
"""

import contextlib
import importlib
import json
import logging
import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sweep.tracking.base import (
    DatasetInfo,
    OutageError,
    Point,
    Run,
    RunSpec,
    StartedRun,
    Status,
    StoreError,
)
from sweep.tracking.grouped_runs import expand
from sweep.tracking.uri import (
    line,
    probe_database,
    probe_sqlite,
    redact,
    sibling_folder,
    sqlite_file,
)

VIEW_TAG = "mlflow.sharedViewState."
"""Prefix of the tags, each with the key of a view, in which MLflow stores saved views."""
BATCH = 1000
"""Most metrics that MLflow accepts in one request."""

REFUSALS = (
    "INVALID_PARAMETER_VALUE", "RESOURCE_DOES_NOT_EXIST", "RESOURCE_ALREADY_EXISTS", "BAD_REQUEST",
)  # fmt: skip
"""Error codes of a store that answers and refuses; any other error may be temporary."""


@contextlib.contextmanager
def answering() -> Iterator[None]:
    """Turn errors of a store that does not answer or cannot write into OutageError.

    A refusal stays an MlflowException.
    """
    import requests
    from mlflow.exceptions import MlflowException

    try:
        yield
    except MlflowException as error:
        if error.error_code in REFUSALS:
            raise
        raise OutageError(redact(line(error))) from error
    except (OSError, requests.RequestException) as error:
        raise OutageError(redact(line(error))) from error


class MlflowTracker:
    """See `Tracker`. Open one per process, since opening takes about a second.

    Raises StoreError if the store or the experiment cannot be used.
    """

    def __init__(self, uri: str, experiment: str) -> None:
        quiet()
        from mlflow.exceptions import MlflowException
        from mlflow.tracking import MlflowClient

        self._name, self._uri = experiment, uri
        try:
            if uri.startswith("sqlite") and not sqlite_file(uri).exists():
                _create_sqlite(sqlite_file(uri))
            self._client = MlflowClient(tracking_uri=uri)
            stored = self._client.get_experiment_by_name(experiment)
        except MlflowException as error:
            raise StoreError(f"tracking.uri: cannot use {redact(uri)}: {line(error)}") from None
        if stored is not None and stored.lifecycle_stage != "active":
            raise StoreError(
                f"tracking.experiment: {experiment!r} is deleted in this store; "
                "restore it in MLflow or give tracking.experiment=NAME"
            )
        if stored is not None and _behind_server(stored) and not uri.startswith("http"):
            raise StoreError(
                f"tracking.experiment: {experiment!r} has its artifacts behind an MLflow server; "
                "give the address of that server, tracking.uri=http://HOST:PORT"
            )
        self._experiment = None if stored is None else str(stored.experiment_id)

    @answering()
    def start_run(self, spec: RunSpec, *, always_new: bool = False) -> StartedRun:
        if not always_new and self._experiment is not None:
            earlier = next(self._search(spec.kind, spec.parent, spec.key), None)
            if earlier is not None:
                return StartedRun(earlier.id, earlier.start_ms, new=False)
        if self._experiment is None:
            self._experiment = self._create_experiment()
        tags = {
            **spec.tags,
            "sweep.kind": spec.kind,
            spec.kind: spec.key,
            "mlflow.source.name": "sweep",
            "mlflow.source.type": "LOCAL",
        }
        if spec.parent is not None:
            tags["mlflow.parentRunId"] = spec.parent
        run = self._client.create_run(
            self._experiment, start_time=spec.start_ms, tags=tags, run_name=spec.name
        )
        if spec.data:
            self._client.log_inputs(run.info.run_id, [_dataset(data) for data in spec.data])
        return StartedRun(str(run.info.run_id), spec.start_ms, new=True)

    def _create_experiment(self) -> str:
        from mlflow.exceptions import MlflowException

        try:
            return str(self._client.create_experiment(self._name, _artifact_location(self._uri)))
        except MlflowException:  # another machine may have created it meanwhile
            experiment = self._client.get_experiment_by_name(self._name)
            if experiment is None:
                raise
            return str(experiment.experiment_id)

    @answering()
    def log(
        self,
        run: str,
        points: Sequence[Point],
        *,
        start_ms: int,
        params: Mapping[str, str] | None = None,
    ) -> None:
        from mlflow.entities import Metric, Param

        head = [Param(key, value) for key, value in (params or {}).items()]
        room = BATCH - len(head)
        first = points[:room]
        self._client.log_batch(
            run,
            metrics=[Metric(p.key, p.value, start_ms + p.step, p.step) for p in first],
            params=head,
        )
        for at in range(room, len(points), BATCH):
            batch = points[at : at + BATCH]
            self._client.log_batch(
                run, metrics=[Metric(p.key, p.value, start_ms + p.step, p.step) for p in batch]
            )

    @answering()
    def log_artifact(self, run: str, path: Path, folder: str | None = None) -> None:
        self._client.log_artifact(run, str(path), folder)

    @answering()
    def set_tags(self, run: str, tags: Mapping[str, str | None]) -> None:
        for key, value in tags.items():
            if value is None:
                self._client.delete_tag(run, key)
            else:
                self._client.set_tag(run, key, value)

    @answering()
    def describe(self, text: str) -> None:
        self._client.set_experiment_tag(self._experiment, "mlflow.note.content", text)

    @answering()
    def arrange(self, views: Mapping[str, str]) -> str:
        for key, value in views.items():
            self._client.set_experiment_tag(self._experiment, f"{VIEW_TAG}{key}", value)
        return f"#/experiments/{self._experiment}/runs"

    @answering()
    def end_run(
        self, run: str, status: Status, *, end_ms: int, tags: Mapping[str, str | None] | None = None
    ) -> None:
        self.set_tags(run, tags or {})
        if status == "RUNNING":
            self._client.update_run(run, status=status)
        else:
            self._client.set_terminated(run, status, end_ms)

    @answering()
    def runs(self, parent: str | None, key: str | None = None) -> list[Run]:
        if parent is None:
            return list(self._search("sweep", None, key))
        groups = list(self._search("group", parent))
        members = [run for run in expand(groups, self.download_artifact) if key in (None, run.key)]
        return [*self._search("cell", parent, key), *members]

    @answering()
    def steps(self, run: str, key: str) -> set[int]:
        return {point.step for point in self._client.get_metric_history(run, key)}

    @answering()
    def running(self, parent: str) -> list[str]:
        unfinished = "attributes.status = 'RUNNING'"
        kinds = ("cell", "group")
        return [run.id for kind in kinds for run in self._search(kind, parent, more=unfinished)]

    @answering()
    def finished(self) -> dict[str, Run]:
        done = "attributes.status = 'FINISHED'"
        runs = [
            *self._search("cell", more=done),
            *expand([*self._search("group")], self.download_artifact),
        ]
        return {run.key: run for run in runs if run.status == "FINISHED"}

    def download_artifact(self, run: str, artifact: str, folder: Path) -> Path:
        from mlflow.exceptions import MlflowException

        try:
            return Path(self._client.download_artifacts(run, artifact, str(folder)))
        except (MlflowException, OSError) as error:
            raise FileNotFoundError(f"run {run} has no artifact {artifact}: {error}") from None

    def _search(
        self, kind: str, parent: str | None = None, key: str | None = None, more: str = ""
    ) -> Iterator[Run]:
        """Yield the runs of a kind, latest first."""
        if self._experiment is None:
            return
        filters = [f"tags.`sweep.kind` = '{kind}'", *([more] if more else [])]
        if parent is not None:
            filters.append(f"tags.`mlflow.parentRunId` = '{parent}'")
        if key is not None:
            filters.append(f"tags.{kind} = '{key}'")
        token: str | None = None
        while True:
            page = self._client.search_runs(
                [self._experiment],
                filter_string=" and ".join(filters),
                max_results=1000,
                order_by=["attributes.start_time DESC"],
                page_token=token,
            )
            for run in page:
                yield Run(
                    id=run.info.run_id,
                    key=run.data.tags[kind],
                    status=run.info.status,
                    params=dict(run.data.params),
                    metrics=dict(run.data.metrics),
                    tags=dict(run.data.tags),
                    start_ms=run.info.start_time,
                )
            token = page.token
            if not token:
                return


def _dataset(data: DatasetInfo) -> Any:
    """Build the input that MLflow shows in its column Dataset."""
    from mlflow.entities import Dataset, DatasetInput, InputTag

    facts = json.dumps(data.facts)
    dataset = Dataset(data.name, data.digest, "code", source=facts, profile=facts)
    return DatasetInput(dataset, [InputTag("mlflow.data.context", "real data")])


def preload() -> None:
    """Import mlflow now, which takes 1.5 seconds."""
    quiet()
    importlib.import_module("mlflow.tracking")


def experiments(uri: str) -> list[str]:
    """Return the names of the experiments in a store."""
    quiet()
    from mlflow.tracking import MlflowClient

    return [e.name for e in MlflowClient(tracking_uri=uri).search_experiments()]


def probe(uri: str, *, timeout: float = 5.0) -> None:
    """Raise StoreError within seconds if a store cannot be opened; MLflow retries for minutes."""
    scheme = urlsplit(uri).scheme
    if scheme == "sqlite":
        probe_sqlite(sqlite_file(uri))
    elif scheme.startswith("http"):
        _probe_server(uri, timeout)
    else:
        probe_database(uri, timeout)


def _probe_server(uri: str, timeout: float) -> None:
    import requests

    try:
        requests.get(f"{uri.rstrip('/')}/health", timeout=timeout)
    except requests.RequestException as error:
        reason = type(error).__name__  # its text repeats the URI with the password
        raise StoreError(
            f"tracking.uri: no MLflow server answers at {redact(uri)} ({reason})"
        ) from None
    quiet()
    from mlflow.exceptions import MlflowException
    from mlflow.utils.credentials import get_default_host_creds
    from mlflow.utils.rest_utils import http_request

    try:
        answer = http_request(
            get_default_host_creds(uri),
            "/api/2.0/mlflow/experiments/search",
            "GET",
            params={"max_results": 1},
            timeout=timeout,
            max_retries=0,
            raise_on_status=False,
        )
    except MlflowException as error:
        raise StoreError(f"tracking.uri: cannot use {redact(uri)}: {line(error)}") from None
    if answer.status_code == 401:
        raise StoreError(
            f"tracking.uri: {redact(uri)} rejects this user name and password; "
            "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"
        )
    if not answer.ok or "json" not in answer.headers.get("Content-Type", ""):
        reply = f"HTTP {answer.status_code}: {line(answer.text)}"
        raise StoreError(
            f"tracking.uri: {redact(uri)} does not answer like an MLflow server ({reply})"
        )


def quiet() -> None:
    """Prepare the import of mlflow: no log lines in the progress bar, no telemetry, short waits."""
    for name, value in (
        ("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2"),
        ("MLFLOW_HTTP_REQUEST_TIMEOUT", "30"),
        ("MLFLOW_LOGGING_LEVEL", "CRITICAL"),  # the sweep itself reports failures, in one line
        ("MLFLOW_DISABLE_TELEMETRY", "true"),
        ("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true"),
        ("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false"),
    ):
        os.environ.setdefault(name, value)
    logging.getLogger("alembic").setLevel(logging.ERROR)


def _create_sqlite(path: Path) -> None:
    """Create a store completely or not at all: a partial migration could never be reopened.

    Only one process may call this at a time.
    """
    from mlflow.tracking import MlflowClient

    for old in path.parent.glob(f".{path.name}.new-*"):
        old.unlink(missing_ok=True)
    temporary = path.with_name(f".{path.name}.new-{os.getpid()}")
    MlflowClient(tracking_uri=f"sqlite:///{temporary}").search_experiments()
    os.replace(temporary, path)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        # With a WAL, writers sync once per transaction, and readers never wait for writers.
        connection.execute("PRAGMA journal_mode=WAL")


def _artifact_location(uri: str) -> str | None:
    """Return the artifact folder next to a SQLite file; None leaves the choice to the server."""
    return (
        sibling_folder(sqlite_file(uri), "artifacts").as_uri() if uri.startswith("sqlite") else None
    )


def _behind_server(experiment: Any) -> bool:
    """Return whether its artifacts are reachable only through a server."""
    return str(experiment.artifact_location).startswith("mlflow-artifacts:")
