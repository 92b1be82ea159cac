"""The tracker on MLflow; the only module that imports mlflow.

Everything goes in batches: measured, 2,500 points cost 0.3 s this way and 43 s
one by one. Runs are found again by their tags, and the time of a point is the
cell's stored start plus its step, so sending a cell twice adds no row.
"""

import contextlib
import importlib
import logging
import os
import re
import sqlite3
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sweep.summary import Point
from sweep.tracking import Identity, Row, Status, StoreError

BATCH = 1000
"""Most metrics that MLflow takes in one request."""
SCHEMES = ("sqlite", "postgresql", "mysql", "http", "https")


class MlflowTracker:
    """See `sweep.tracking.Tracker`. Keep one for each process: opening costs about a second."""

    def __init__(self, uri: str, experiment: str) -> None:
        quiet()
        from mlflow.exceptions import MlflowException
        from mlflow.tracking import MlflowClient

        self._name, self._uri = experiment, uri
        try:
            if uri.startswith("sqlite") and not sqlite_file(uri).exists():
                _create_sqlite(sqlite_file(uri))
            self._client = MlflowClient(tracking_uri=uri)
            found = self._client.get_experiment_by_name(experiment)
        except MlflowException as error:
            raise StoreError(f"tracking.uri: cannot use {redact(uri)}: {_line(error)}") from None
        if found is not None and found.lifecycle_stage != "active":
            raise StoreError(
                f"tracking.experiment: {experiment!r} is deleted in this store; "
                "restore it in MLflow or give tracking.experiment=NAME"
            )
        if found is not None and _behind_server(found) and not uri.startswith("http"):
            raise StoreError(
                f"tracking.experiment: {experiment!r} has its artifacts behind an MLflow server; "
                "give that server's address, tracking.uri=http://HOST:PORT"
            )
        self._experiment = None if found is None else str(found.experiment_id)

    def begin(self, identity: Identity, *, anew: bool = False) -> str:
        rows = [] if anew else self.read(identity.parent, identity.key)
        if rows:
            return rows[0].run
        if self._experiment is None:
            self._experiment = self._create_experiment()
        tags = {
            **identity.tags,
            "sweep.kind": identity.kind,
            identity.kind: identity.key,
            "mlflow.source.name": "sweep",
            "mlflow.source.type": "LOCAL",
        }
        if identity.parent is not None:
            tags["mlflow.parentRunId"] = identity.parent
        run = self._client.create_run(
            self._experiment, start_time=identity.start_ms, tags=tags, run_name=identity.name
        )
        return str(run.info.run_id)

    def _create_experiment(self) -> str:
        from mlflow.exceptions import MlflowException

        try:
            return str(self._client.create_experiment(self._name, _artifact_location(self._uri)))
        except MlflowException:  # another machine may have been faster
            found = self._client.get_experiment_by_name(self._name)
            if found is None:
                raise
            return str(found.experiment_id)

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

    def attach(self, run: str, path: Path, folder: str | None = None) -> None:
        self._client.log_artifact(run, str(path), folder)

    def end(
        self, run: str, status: Status, *, end_ms: int, tags: Mapping[str, str | None] | None = None
    ) -> None:
        for key, value in (tags or {}).items():
            if value is None:
                self._client.delete_tag(run, key)
            else:
                self._client.set_tag(run, key, value)
        if status == "RUNNING":
            self._client.update_run(run, status=status)
        else:
            self._client.set_terminated(run, status, end_ms)

    def read(self, parent: str | None, key: str | None = None) -> list[Row]:
        kind = "sweep" if parent is None else "cell"
        filters = [f"tags.`sweep.kind` = '{kind}'"]
        if parent is not None:
            filters.append(f"tags.`mlflow.parentRunId` = '{parent}'")
        if key is not None:
            filters.append(f"tags.{kind} = '{key}'")
        return list(self._search(" and ".join(filters), kind))

    def finished(self) -> dict[str, str]:
        query = "tags.`sweep.kind` = 'cell' and attributes.status = 'FINISHED'"
        return {row.key: row.run for row in self._search(query, "cell")}

    def fetch(self, run: str, artifact: str, folder: Path) -> Path:
        from mlflow.exceptions import MlflowException

        try:
            return Path(self._client.download_artifacts(run, artifact, str(folder)))
        except (MlflowException, OSError) as error:
            raise FileNotFoundError(f"run {run} has no artifact {artifact}: {error}") from None

    def _search(self, query: str, kind: str) -> Iterator[Row]:
        if self._experiment is None:
            return
        token: str | None = None
        while True:
            page = self._client.search_runs(
                [self._experiment],
                filter_string=query,
                max_results=1000,
                order_by=["attributes.start_time DESC"],
                page_token=token,
            )
            for run in page:
                yield Row(
                    run=run.info.run_id,
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


def preload() -> None:
    """Import mlflow now, a second and a half."""
    quiet()
    importlib.import_module("mlflow.tracking")


def experiments(uri: str) -> list[str]:
    """Names of the experiments of a store."""
    quiet()
    from mlflow.tracking import MlflowClient

    return [e.name for e in MlflowClient(tracking_uri=uri).search_experiments()]


def quiet() -> None:
    """Before mlflow is imported: no chatter over the progress bar, and no calls home."""
    for name, value in (
        ("MLFLOW_LOGGING_LEVEL", "ERROR"),
        ("MLFLOW_DISABLE_TELEMETRY", "true"),
        ("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true"),
        ("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false"),
    ):
        os.environ.setdefault(name, value)
    logging.getLogger("alembic").setLevel(logging.ERROR)


def absolute(uri: str) -> str:
    """The URI with a SQLite path made absolute. Raises StoreError for a scheme MLflow lacks."""
    scheme = urlsplit(uri).scheme
    if scheme not in SCHEMES and scheme.split("+")[0] not in ("postgresql", "mysql"):
        raise StoreError(
            f"tracking.uri: got {redact(uri)!r}; allowed: sqlite:///FILE.db, http://HOST:PORT, "
            "postgresql://.."
        )
    if scheme != "sqlite":
        return uri
    return f"sqlite:///{sqlite_file(uri)}"


def sqlite_file(uri: str) -> Path:
    """The file of a sqlite URI, absolute."""
    path = uri.removeprefix("sqlite:///")
    if path == uri or not path.strip("/") or path.startswith(":memory:"):
        raise StoreError(f"tracking.uri: got {uri!r}; allowed: sqlite:///FILE.db, a file")
    return Path(path).absolute()


def probe(uri: str, *, timeout: float = 5.0) -> None:
    """Raise StoreError in seconds if a store cannot be opened; MLflow would retry for minutes."""
    scheme = urlsplit(uri).scheme
    if scheme == "sqlite":
        _probe_sqlite(sqlite_file(uri))
    elif scheme.startswith("http"):
        _probe_server(uri, timeout)
    else:
        _probe_database(uri, timeout)


def _probe_server(uri: str, timeout: float) -> None:
    import requests

    try:
        requests.get(f"{uri.rstrip('/')}/health", timeout=timeout)
    except requests.RequestException as error:
        reason = type(error).__name__  # its text repeats the address, password and all
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
        raise StoreError(f"tracking.uri: cannot use {redact(uri)}: {_line(error)}") from None
    if answer.status_code == 401:
        raise StoreError(
            f"tracking.uri: {redact(uri)} does not know this user and password; "
            "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"
        )
    if not answer.ok or "json" not in answer.headers.get("Content-Type", ""):
        said = f"HTTP {answer.status_code}: {_line(answer.text)}"
        raise StoreError(f"tracking.uri: {redact(uri)} does not answer as MLflow does ({said})")


def _probe_sqlite(path: Path) -> None:
    """Nothing is created: what does not exist needs only a folder that can be written."""
    if not path.parent.is_dir():
        raise StoreError(f"tracking.uri: {path} cannot be opened: there is no folder {path.parent}")
    try:
        with tempfile.TemporaryFile(dir=path.parent):
            pass
        for needed in (path, beside(path, "artifacts"), beside(path, "state")):
            if needed.exists() and not os.access(needed, os.W_OK):
                raise PermissionError(f"{needed} is read-only")
        if path.exists():
            connection = sqlite3.connect(f"{path.as_uri()}?mode=rw", uri=True, timeout=5.0)
            with contextlib.closing(connection):
                connection.execute("PRAGMA schema_version").fetchone()
                connection.execute("BEGIN IMMEDIATE")
                connection.rollback()
    except (sqlite3.Error, OSError) as error:
        raise StoreError(
            f"tracking.uri: {path} cannot be opened for writing: {_line(error)}"
        ) from None


def _probe_database(uri: str, timeout: float) -> None:
    import sqlalchemy

    try:
        engine = sqlalchemy.create_engine(uri, connect_args={"connect_timeout": round(timeout)})
        with engine.connect():
            pass
        engine.dispose()
    except ImportError as error:
        raise StoreError(
            f"tracking.uri: {redact(uri)} needs a Python package ({error}); for PostgreSQL: "
            "pip install 'collapse-sweep[server]', and postgresql+psycopg2://.."
        ) from None
    except sqlalchemy.exc.SQLAlchemyError as error:
        raise StoreError(f"tracking.uri: {redact(uri)} cannot be opened: {_line(error)}") from None


def redact(text: str) -> str:
    """The text without the user names and passwords of addresses in it."""
    text = re.sub(r"([?&](?:user|password)=)[^&\s'\"]*", r"\1***", text)
    return re.sub(r"://[^\s'\"]*@", "://***@", text)


def _create_sqlite(path: Path) -> None:
    """A new store appears whole or not at all: half a migration could never be opened again.

    To be called by one process at a time.
    """
    from mlflow.tracking import MlflowClient

    for old in path.parent.glob(f".{path.name}.new-*"):
        old.unlink(missing_ok=True)
    temporary = path.with_name(f".{path.name}.new-{os.getpid()}")
    MlflowClient(tracking_uri=f"sqlite:///{temporary}").search_experiments()
    os.replace(temporary, path)


def beside(file: Path, what: str) -> Path:
    """A folder that belongs to a SQLite store: mlflow.db has mlflow-artifacts, mlflow-state."""
    stem = file.stem if file.suffix == ".db" else file.name
    return file.parent / f"{stem}-{what}"


def _artifact_location(uri: str) -> str | None:
    """A folder beside a SQLite file; elsewhere the server's own choice."""
    return beside(sqlite_file(uri), "artifacts").as_uri() if uri.startswith("sqlite") else None


def _behind_server(experiment: Any) -> bool:
    """Whether a server alone can reach its artifacts."""
    return str(experiment.artifact_location).startswith("mlflow-artifacts:")


def _line(error: Any) -> str:
    """The first line of an error, short."""
    return " ".join(str(error).splitlines()[:1])[:200] or type(error).__name__
