"""A shared tracking server without Docker: PostgreSQL and `mlflow server` as plain processes.

    python -m sweep.server up       [folder=mlflow-server] [host=127.0.0.1] [port=5000] [workers=2]
    python -m sweep.server down     [folder=mlflow-server]
    python -m sweep.server backup   [folder=mlflow-server] to=FOLDER
    python -m sweep.server restore  [folder=mlflow-server] from=FOLDER

Everything is in one folder: the database, the artifacts, the log, and the name and
password of the administrator in `credentials`.
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from sweep import streams
from sweep.config.validate import ConfigError, nearest
from sweep.options import parse
from sweep.server.mlflow_server import Server, backup, down, restore, up
from sweep.server.postgres import ServerError

OPTIONS = {
    "up": {"folder": "mlflow-server", "host": "127.0.0.1", "port": "5000", "workers": "2"},
    "down": {"folder": "mlflow-server"},
    "backup": {"folder": "mlflow-server", "to": ""},
    "restore": {"folder": "mlflow-server", "from": ""},
}
"""The keys of each command with their defaults; an empty default means required."""


def main() -> None:
    """Entry point of `python -m sweep.server`."""
    streams.tolerate()
    try:
        for line in _run(sys.argv[1:]):
            print(line)
    except (ConfigError, ServerError) as error:
        print(f"sweep.server: {error}", file=sys.stderr)
        sys.exit(2)


def _run(arguments: Sequence[str]) -> Iterator[str]:
    if not arguments or arguments[0] in ("-h", "--help"):
        yield __doc__ or ""
        return
    command, options = arguments[0], _options(arguments)
    server = Server(Path(options["folder"]).absolute())
    if command == "up":
        whole = {key: _whole(key, options[key]) for key in ("port", "workers")}
        yield up(server, host=options["host"], **whole)
    elif command == "down":
        yield down(server)
    elif command == "backup":
        yield backup(server, Path(options["to"]).absolute())
    else:
        yield restore(server, Path(options["from"]).absolute())


def _options(arguments: Sequence[str]) -> Mapping[str, str]:
    command = arguments[0]
    if command not in OPTIONS:
        raise ConfigError(f"{command}: allowed: {', '.join(OPTIONS)}" + nearest(command, OPTIONS))
    options = parse(arguments[1:], OPTIONS[command])
    for key, value in options.items():
        if not value:
            raise ConfigError(f"{key}: is required; write {key}=VALUE")
    return options


def _whole(key: str, value: str) -> int:
    if not value.isdecimal() or not 1 <= int(value) <= 65535:
        raise ConfigError(f"{key}: got {value!r}; allowed: whole numbers from 1 to 65535")
    return int(value)


if __name__ == "__main__":
    main()
