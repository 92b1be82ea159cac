"""A shared tracking server without Docker: PostgreSQL and `mlflow server` as plain processes."""

import contextlib
import os
import secrets
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from sweep.server.postgres import Postgres, ServerError

START_SECONDS = 120.0
"""Time for the server to answer; the first start creates all tables."""
DATABASES = ("mlflow", "mlflow_auth")
"""One for runs, one for users and permissions: MLflow migrates them separately."""
GUNICORN = "--worker-class gthread --threads 8 --keep-alive 30 --timeout 120 --no-control-socket"
"""Options of gunicorn. MLflow's default is uvicorn, which leaves TCP_NODELAY off, so with more than
one worker each response waits 40 ms. Measured, one writer: 6,200 points/s against 1,800."""
LEAST_PASSWORD = 12
"""Fewest characters of a password that MLflow accepts."""


@dataclass(frozen=True)
class Server:
    """The folder of a server."""

    folder: Path

    @property
    def postgres(self) -> Postgres:
        return Postgres(self.folder / "postgres")

    @property
    def artifacts(self) -> Path:
        return self.folder / "artifacts"

    @property
    def credentials(self) -> Path:
        """Name and password of the administrator as shell exports; mode 600."""
        return self.folder / "credentials"

    @property
    def log(self) -> Path:
        return self.folder / "server.log"

    @property
    def pid(self) -> Path:
        """File with the process id and the address of `mlflow server`."""
        return self.folder / "server.pid"


def up(server: Server, *, host: str, port: int, workers: int) -> str:
    """Start whatever is not running, and return lines that explain how to use it.

    Raises ServerError if it cannot be started.
    """
    _make(server.folder)
    user, password = _admin(server)
    server.postgres.start(DATABASES)
    running = _mlflow(server)
    if running is None:
        address = _start_mlflow(server, host, port, workers, user, password)
    else:
        _, address = running
    return "\n".join(
        (
            f"{'started' if running is None else 'already running'}: {address}, in {server.folder}",
            f"login  source {server.credentials}   # user {user}; the password is in that file",
            f"use    python -m sweep +experiment=partial tracking=server tracking.uri={address}",
        )
    )


def down(server: Server) -> str:
    """Stop MLflow, then PostgreSQL, and keep what is stored. Raises ServerError."""
    running = _mlflow(server)
    if running is not None:
        _stop(running[0])
    server.pid.unlink(missing_ok=True)
    postgres = server.postgres.runs()
    if postgres:
        server.postgres.stop()
    ran = postgres or running is not None
    return f"{'stopped' if ran else 'was not running'}: {server.folder}"


def backup(server: Server, to: Path) -> str:
    """Dump databases and artifacts into a new folder, also while the server is in use.

    Raises ServerError if no server is running, or the folder exists.
    """
    if not server.postgres.runs():
        raise ServerError(f"folder: no server is running in {server.folder}; start it with up")
    if to.exists():
        raise ServerError(f"to: got {to}, which exists; allowed: a new folder")
    temporary = to.with_name(f".{to.name}.new")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True, mode=0o700)
    # Databases first: every artifact that they name then exists and is copied.
    for name in DATABASES:
        server.postgres.dump(name, temporary / f"{name}.dump")
    shutil.copytree(server.artifacts, temporary / "artifacts")
    shutil.copy2(server.credentials, temporary / "credentials")
    temporary.rename(to)
    return f"backed up: {to}; it holds the admin's password, as {server.folder} does"


def restore(server: Server, source: Path) -> str:
    """Restore a backup into the folder of a new server, which is not started.

    Raises ServerError if the backup is incomplete, or the folder not empty.
    """
    for part in (*(f"{name}.dump" for name in DATABASES), "artifacts", "credentials"):
        if not (source / part).exists():
            raise ServerError(f"from: {source} is not a backup: {part} is missing")
    if server.folder.exists() and any(server.folder.iterdir()):
        raise ServerError(
            f"folder: {server.folder} is not empty; move it away, or restore to another folder=.."
        )
    _make(server.folder)
    server.postgres.start(DATABASES)
    try:
        for name in DATABASES:
            server.postgres.load(name, source / f"{name}.dump")
    finally:
        server.postgres.stop()
    shutil.copytree(source / "artifacts", server.artifacts, dirs_exist_ok=True)
    shutil.copy2(source / "credentials", server.credentials)
    return f"restored: {server.folder}; start it with up"


def _make(folder: Path) -> None:
    """Create the folder of a server, accessible to its user only. Raises ServerError."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        (folder / "artifacts").mkdir(exist_ok=True, mode=0o700)
    except OSError as error:
        raise ServerError(f"folder: {folder} cannot be created: {error.strerror}") from None


def login(server: Server) -> tuple[str, str]:
    """Read the name and password of the administrator from the file."""
    lines = server.credentials.read_text().splitlines()
    user, password = (shlex.split(line.partition("=")[2])[0] for line in lines)
    return user, password


def _admin(server: Server) -> tuple[str, str]:
    """Return the administrator's name and password: from the file, the environment, or new ones."""
    if server.credentials.exists():
        return login(server)
    user = os.environ.get("MLFLOW_TRACKING_USERNAME") or "admin"
    password = os.environ.get("MLFLOW_TRACKING_PASSWORD") or secrets.token_urlsafe(24)
    if len(password) < LEAST_PASSWORD:
        raise ServerError(
            f"MLFLOW_TRACKING_PASSWORD: has {len(password)} characters; allowed: {LEAST_PASSWORD} "
            "or more; unset it to generate one"
        )
    text = (
        f"export MLFLOW_TRACKING_USERNAME={shlex.quote(user)}\n"
        f"export MLFLOW_TRACKING_PASSWORD={shlex.quote(password)}\n"
    )
    with open(os.open(server.credentials, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as f:
        f.write(text)
    return user, password


def require_port(host: str, port: int) -> None:
    """Raise ServerError if a port is taken: its listener would be mistaken for the new server."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((host, port))
        except OSError as error:
            raise ServerError(
                f"port: cannot listen on {host}:{port} ({error.strerror}); "
                "choose another with port=PORT"
            ) from None


def _start_mlflow(
    server: Server, host: str, port: int, workers: int, user: str, password: str
) -> str:
    """Start `mlflow server` with authentication, and return its address once it accepts logins.

    Raises ServerError if it does not start.
    """
    address = f"http://{'127.0.0.1' if host == '0.0.0.0' else host}:{port}"
    require_port(host, port)
    settings = server.folder / "auth.ini"
    settings.write_text(
        "[mlflow]\n"
        # A cell belongs to the user who runs it first, but all users share the grids.
        "default_permission = EDIT\n"
        f"database_uri = {server.postgres.address('mlflow_auth')}\n"
        # Otherwise every request computes a slow hash; an old password stays valid this long.
        "auth_cache_ttl_seconds = 60\n"
    )
    environment = {
        **os.environ,
        # Not arguments, which every user of the machine can see.
        "MLFLOW_BACKEND_STORE_URI": server.postgres.address("mlflow"),
        "MLFLOW_AUTH_CONFIG_PATH": str(settings),
        "MLFLOW_AUTH_ADMIN_USERNAME": user,
        "MLFLOW_AUTH_ADMIN_PASSWORD": password,
        "MLFLOW_FLASK_SERVER_SECRET_KEY": secrets.token_hex(32),
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # 7 processes that are not needed
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    environment.pop("MLFLOW_TRACKING_URI", None)
    with open(server.log, "a") as log:
        process = subprocess.Popen(
            [
                sys.executable, "-m", "mlflow", "server", "--app-name", "basic-auth",
                "--host", host, "--port", str(port), "--workers", str(workers),
                "--gunicorn-opts", GUNICORN,
                "--serve-artifacts", "--artifacts-destination", str(server.artifacts),
            ],
            cwd=server.folder, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            start_new_session=True,
        )  # fmt: skip
    server.pid.write_text(f"{process.pid} {address}")
    try:
        _await(process, address, user, password)
    except ServerError as error:
        _stop(process.pid)
        server.pid.unlink(missing_ok=True)
        raise ServerError(f"{error}; see {server.log}") from None
    return address


def _await(process: "subprocess.Popen[bytes]", address: str, user: str, password: str) -> None:
    """Wait until the server answers and asks for a password. Raises ServerError if it does not."""
    import requests

    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise ServerError("mlflow server exited at once")
        with contextlib.suppress(requests.RequestException):
            if requests.get(f"{address}/health", timeout=5).ok:
                break
        time.sleep(0.2)  # the server does not signal when it is ready
    else:
        raise ServerError(f"no answer from {address} in {START_SECONDS:g} s")
    question = f"{address}/api/2.0/mlflow/experiments/search?max_results=1"
    if requests.get(question, timeout=30).status_code != 401:
        raise ServerError(f"the server at {address} asks for no password")
    if requests.get(question, timeout=30, auth=(user, password)).status_code == 401:
        print(f"notice: the password of {user} was changed; the file credentials has the old one")


def _mlflow(server: Server) -> tuple[int, str] | None:
    """Return process id and address of the running `mlflow server` of this folder, if any."""
    import psutil

    try:
        pid, address = server.pid.read_text().split()
        # Process ids are reused; the command line identifies ours.
        ours = str(server.artifacts) in psutil.Process(int(pid)).cmdline()
        return (int(pid), address) if ours else None
    except (OSError, ValueError, psutil.Error):
        return None


def _stop(pid: int) -> None:
    """End a process group: SIGTERM, and SIGKILL after 10 s."""
    for number, patience in ((signal.SIGTERM, 10.0), (signal.SIGKILL, 5.0)):
        deadline = time.monotonic() + patience
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, number)
            while time.monotonic() < deadline:
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(pid, os.WNOHANG)
                os.killpg(pid, 0)
                time.sleep(0.05)  # polled, since the process need not be a child
            continue
        return
