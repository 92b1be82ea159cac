"""Tracking URIs: checked, made absolute, and probed before anything starts.

MLflow retries for minutes if a store does not answer, so every access has its own
time limit: here for files and databases, in `sweep.tracking.mlflow_tracker` for
servers.
"""

import contextlib
import hashlib
import os
import re
import sqlite3
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sweep.tracking.base import StoreError

DEFAULT = "sqlite:///mlflow.db"
"""The default store: a file in the working folder."""
SCHEMES = ("sqlite", "postgresql", "mysql", "http", "https")


def absolute(uri: str) -> str:
    """Make the path of a SQLite URI absolute. Raises StoreError for a scheme unknown to MLflow."""
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
    """Return the absolute path of a SQLite URI. Raises StoreError if the URI names no file."""
    path = uri.removeprefix("sqlite:///")
    if path == uri or not path.strip("/") or path.startswith(":memory:"):
        raise StoreError(f"tracking.uri: got {uri!r}; allowed: sqlite:///FILE.db, a file")
    return Path(path).absolute()


def probe_sqlite(path: Path) -> None:
    """Raise StoreError if a SQLite store cannot be written.

    Nothing is created: a store that does not exist only needs a writable folder.
    """
    if not path.parent.is_dir():
        raise StoreError(f"tracking.uri: {path} cannot be opened: there is no folder {path.parent}")
    try:
        with tempfile.TemporaryFile(dir=path.parent):
            pass
        for needed in (path, sibling_folder(path, "artifacts"), sibling_folder(path, "state")):
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
            f"tracking.uri: {path} cannot be opened for writing: {line(error)}"
        ) from None


def probe_database(uri: str, timeout: float) -> None:
    """Raise StoreError if no database answers within `timeout` seconds."""
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
        raise StoreError(f"tracking.uri: {redact(uri)} cannot be opened: {line(error)}") from None


def redact(text: str) -> str:
    """Remove user names and passwords from the URIs in a text."""
    text = re.sub(r"([?&](?:user|password)=)[^&\s'\"]*", r"\1***", text)
    return re.sub(r"://[^\s'\"]*@", "://***@", text)


def short(path: Path) -> Path:
    """Shorten a path below the working folder to its relative form."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def sibling_folder(file: Path, what: str) -> Path:
    """Return a folder of a SQLite store: mlflow.db has mlflow-artifacts and mlflow-state."""
    stem = file.stem if file.suffix == ".db" else file.name
    return file.parent / f"{stem}-{what}"


def state_folder(uri: str, folder: Path = Path()) -> Path:
    """Return the folder of a store for results that are computed but not delivered.

    It is next to a SQLite file. For other stores it is in `folder`, by default the
    working folder; its name is a hash of the URI without user and password.
    """
    if uri.startswith("sqlite"):
        return sibling_folder(sqlite_file(uri), "state")
    place = redact(uri).replace("***@", "")
    name = f"sweep-state-{hashlib.sha256(place.encode()).hexdigest()[:12]}"
    return (folder / name).absolute()


def checkpoint_wal(uri: str) -> None:
    """Merge the journal of a SQLite store into its file, which can then be copied alone."""
    if uri.startswith("sqlite"):
        with (
            contextlib.suppress(
                sqlite3.Error
            ),  # another process is writing, and the last one merges
            contextlib.closing(sqlite3.connect(sqlite_file(uri), timeout=5.0)) as connection,
        ):
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def line(error: Any) -> str:
    """Return the first line of an error, at most 200 characters."""
    return " ".join(str(error).splitlines()[:1])[:200] or type(error).__name__
