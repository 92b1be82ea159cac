"""The command line: Hydra's config in, a table and an exit status out.

Exit status: 0 all cells finished, 1 some failed, 2 the config was refused,
130 interrupted.
"""

import os
import re
import shlex
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from models.schedules import RULES
from sweep.checks import ConfigError, nearest
from sweep.config import KEYS, Settings, key_paths, parse
from sweep.stores import redact, settle

if TYPE_CHECKING:
    from sweep.grid import Cell
    from sweep.tracking import Store

HERE = Path(__file__).resolve().parent
CONF = next(path for path in (HERE / "conf", HERE.parent / "conf") if path.is_dir())
"""The configs: inside the package in a wheel, beside it in a checkout."""


HYDRA_FLAGS = (
    "--help", "-h", "--hydra-help", "--version", "--cfg", "-c", "--resolve", "--package", "-p",
    "--run", "-r", "--shell-completion", "-sc", "--config-path", "-cp", "--config-name", "-cn",
    "--config-dir", "-cd", "--info", "-i",
)  # fmt: skip
"""Written out, since argparse takes any beginning of a flag for the flag."""


def experiments() -> dict[str, str]:
    """Name -> purpose of every experiment that comes with the package."""
    from omegaconf import OmegaConf

    found = {}
    for path in sorted((CONF / "experiment").glob("*.yaml")):
        found[path.stem] = str(OmegaConf.select(OmegaConf.load(path), "purpose", default=""))
    return found


def main() -> None:
    """Entry point of `python -m sweep` and `collapse-sweep`."""
    try:
        code = _main(sys.argv[1:])
    except ConfigError as error:
        print(f"sweep: {redact(' '.join(str(error).split()))}", file=sys.stderr)
        code = 2
    except KeyboardInterrupt:
        print("\nsweep: interrupted; the same command goes on from here", file=sys.stderr)
        sys.stdout.flush()
        os._exit(130)  # threads that are still starting up have nothing to lose
    sys.stdout.flush()
    sys.exit(code)


def _main(arguments: list[str]) -> int:
    for argument in arguments:
        _refuse_flags(argument)
    import hydra
    from hydra.errors import HydraException
    from omegaconf import DictConfig, OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    named = {name: rule.purpose for name, rule in RULES.items()}
    for resolver, lines in (("experiments", experiments()), ("schedules", named)):
        listing = "\n".join(
            textwrap.fill(f"{name:<21} {what}", 78, initial_indent="  ", subsequent_indent=" " * 24)
            for name, what in lines.items()
        )
        OmegaConf.register_new_resolver(resolver, lambda text=listing: text, replace=True)
    # Composed inside Hydra, run outside it: Hydra adds lines of its own to our errors.
    composed: list[DictConfig] = []
    before = os.environ.get("HYDRA_FULL_ERROR")
    os.environ["HYDRA_FULL_ERROR"] = "1"  # else Hydra prints and exits 1 itself
    try:
        hydra.main(version_base="1.3", config_path=str(CONF), config_name="config")(
            composed.append
        )()
        if not composed:  # --help, --cfg: Hydra has done it
            return 0
        if len(composed) > 1:
            raise ConfigError("hydra.mode: a sweep is one command with lists; leave it out")
        plain = OmegaConf.to_container(composed[0], resolve=True)
    except yaml.YAMLError as error:
        raise ConfigError(f"a config file is not valid YAML: {error}") from None
    except (HydraException, OmegaConfBaseException, ValueError) as error:
        raise ConfigError(_explain(error, arguments)) from None
    finally:
        os.environ.pop("HYDRA_FULL_ERROR")
        if before is not None:
            os.environ["HYDRA_FULL_ERROR"] = before
    assert isinstance(plain, dict)
    return sweep({str(key): value for key, value in plain.items()}, arguments)


def sweep(config: dict[str, Any], arguments: Sequence[str]) -> int:
    """Run the sweep that a composed config describes; prints, and returns the exit status."""
    if config.get("name") is None:
        listing = ", ".join(experiments())
        raise ConfigError(f"no experiment given; write +experiment=NAME, with one of: {listing}")
    from sweep import report, run, texts
    from sweep.grid import expand
    from sweep.tracking import OutageError

    settings = parse(config)
    text = texts.fetch(settings)
    cells, notices = expand(settings, text)
    run.check(settings)
    for notice in notices:
        print(textwrap.fill(f"notice: {notice}", 80, subsequent_indent="  "))
    with run.store(settings) as address:
        if settings.dry_run:
            from sweep.plan import plan

            print(plan(settings, cells, address))
            return 0
        report.check_output(settings.output)
        try:
            code = _run(settings, cells, address, config, arguments, text)
            settle(address.uri)
            return code
        except run.InterruptedSweepError as error:
            goes_on = "the same command" + (", without force=true," if settings.force else "")
            print(f"\nsweep: interrupted; {error}; {goes_on} goes on", file=sys.stderr)
            return 130
        except OutageError as error:
            print(f"\nsweep: the store does not answer: {redact(str(error))}", file=sys.stderr)
            print(
                f"What is computed waits in {_relative(address.state / 'spool')}. When the store "
                "is back, the same command goes on,\nor python -m sweep.report deliver=true "
                "sends what waits.",
                file=sys.stderr,
            )
            return 1


def _run(
    settings: Settings,
    cells: "Sequence[Cell]",
    address: "Store",
    config: dict[str, Any],
    arguments: Sequence[str],
    text: str | None,
) -> int:
    from sweep import report, run

    command = shlex.join(["python", "-m", "sweep", *(a for a in arguments if "://" not in a)])
    started = time.monotonic()
    with run.execute(
        settings, cells, address, command=command, commit=_commit(), text=text
    ) as finished:
        tracker, parent = finished.tracker, finished.parent
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "config.yaml"
            path.write_text(redact(yaml.safe_dump(config, sort_keys=False)))
            tracker.attach(parent.run, path)
        built = report.build(tracker, parent, finished.rows, Path(settings.output))
        status = report.close(tracker, parent, finished.rows, len(cells))
    print(f"\n{report.text(built.entries)}\n")
    failed = [entry for entry in built.entries if entry.row.status != "FINISHED"]
    kept = len(cells) - finished.new
    print(
        f"{len(cells) - len(failed)} of {len(cells)} cells finished"
        + (f", {kept} of them before" if kept else "")
        + f"; {time.monotonic() - started:.1f} s"
    )
    for path in built.files:
        if path.suffix in (".png", ".html"):
            print(f"{'figure' if path.suffix == '.png' else 'report'}  {_relative(path)}")
    if address.kind == "mlflow":
        print(f"compare {_compare(address.uri)}")
    for entry in failed[:10]:
        reason = entry.row.tags.get("error", entry.row.status)
        print(f"FAILED  {entry.cell.name}: {reason}", file=sys.stderr)
    if failed:
        print(
            f"sweep: {len(failed)} of {len(cells)} cells failed; their tracebacks are "
            "artifacts of their runs; the same command tries them again",
            file=sys.stderr,
        )
    return 0 if status == "FINISHED" else 1


def _relative(path: Path) -> Path:
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def _compare(uri: str) -> str:
    """The one command, or address, that opens MLflow on this store."""
    if uri.startswith("http"):
        return redact(uri)
    if uri.startswith("sqlite:///"):
        file = Path(uri.removeprefix("sqlite:///"))
        return f"mlflow ui --backend-store-uri sqlite:///{_relative(file)}"
    return "mlflow ui --backend-store-uri URI, with the tracking.uri given"


def _commit() -> str:
    """The commit of the checkout this code is in, marked if it has changes; else nothing."""
    if not (HERE.parent / ".git").exists():
        return ""
    found = []
    for question in (["rev-parse", "HEAD"], ["status", "--porcelain", "-uno"]):
        try:
            done = subprocess.run(
                ["git", "-C", str(HERE.parent), *question], capture_output=True, text=True
            )
        except OSError:
            return ""
        found.append(done.stdout.strip())
    return found[0] + (" with changes" if found[1] else "")


def _refuse_flags(argument: str) -> None:
    name = argument.split("=")[0]
    if name == "-m" or name.startswith("--mu") or "hydra.mode" in name:
        raise ConfigError(
            f"{argument}: a sweep is one command with lists; write grid.n=[10,37] instead"
        )
    if not argument.startswith("-") or name in HYDRA_FLAGS:
        return
    key = name.lstrip("-").replace("-", "_")
    if key == "experiment":
        raise ConfigError(f"{argument}: write +experiment=NAME, with a plus and without dashes")
    known = f"; write {key}=VALUE" if key in key_paths() else nearest(key, key_paths())
    raise ConfigError(f"{argument}: unknown flag; options are keys without dashes{known}")


def _explain(error: Exception, arguments: Sequence[str]) -> str:
    """Hydra's message as one line with the remedy."""
    text = str(error)
    if found := re.search(r"Ambiguous value for argument '([^=']+)=([^']*)'", text):
        key, values = found.groups()
        if "." not in key and key.lstrip("+") not in KEYS[""]:  # a group, such as +experiment
            return f"{key}: got {values}; allowed: one name"
        return f"{key}: got {values}; write a list: {key}=[{values}]"
    if found := re.search(r"Could not find '([^/']+)/([^']+)'", text):
        group, name = found.groups()
        options = re.findall(r"^\t(\S+)$", text, flags=re.M)
        options = [o for o in options if not o.startswith("provider=")]
        return f"{group}: got {name!r}; allowed: {', '.join(options)}{nearest(name, options)}"
    if found := re.search(r"Could not override '([^']+)'", text):
        key = found.group(1)
        if key == "experiment":
            return "experiment: write +experiment=NAME, with the plus"
        if key.startswith("model.") and key in key_paths():
            return f"{key}: is not a key of the model chosen; leave it out, or choose model=gpt"
        if key.startswith("cluster.") and key in key_paths():
            return f"{key}: is not a key of the cluster chosen; leave it out, or choose another"
        paths = {path.split(".")[-1]: path for path in reversed(key_paths())}
        hint = f"; did you mean {paths[key]}?" if key in paths else nearest(key, key_paths())
        return f"{key}: unknown key{hint}"
    if "multirun" in text:
        return f"a sweep is one command with lists; write grid.n=[10,37] ({text.splitlines()[0]})"
    if "Multiple values for" in text:
        return text.split(".")[0] + "; give one"
    if found := re.search(r"Error parsing override '([^']*)'", text):
        return f"{found.group(1)}: cannot be read; write key=value"
    if "mismatched input" in text or "no viable alternative" in text:
        bad = [a for a in arguments if not a.startswith("-")]
        return f"cannot read one of: {' '.join(bad)} ({text.splitlines()[0]})"
    return text
