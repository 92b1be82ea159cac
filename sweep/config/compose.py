"""From overrides to a composed config, as plain data; the only module that imports hydra.

`from_command_line` lets Hydra read sys.argv, with its own --help and --cfg;
`from_arguments` only composes. Both refuse with the same ConfigErrors.
"""

import os
import re
import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import yaml

from models.schedules import RULES
from sweep.config.schema import KEYS, key_paths
from sweep.config.validate import ConfigError, nearest
from sweep.paths import CONF

if TYPE_CHECKING:
    from omegaconf import DictConfig

PLAIN = r"[A-Za-z_][A-Za-z0-9_./-]*"
"""Text that needs no quotes in Hydra's grammar, but for `WORDS`."""
WORDS = ("true", "false", "null", "nan", "inf")


def experiments() -> dict[str, str]:
    """Name -> purpose of every experiment that comes with the package."""
    from omegaconf import OmegaConf

    found = {}
    for path in sorted((CONF / "experiment").glob("*.yaml")):
        found[path.stem] = str(OmegaConf.select(OmegaConf.load(path), "purpose", default=""))
    return found


def from_command_line(arguments: Sequence[str]) -> dict[str, Any] | None:
    """What the arguments of this process (sys.argv) compose to.

    None: Hydra has printed what was asked for, as with --help. Raises ConfigError.
    """
    import hydra
    from omegaconf import OmegaConf

    named = {name: rule.purpose for name, rule in RULES.items()}
    for resolver, lines in (("experiments", experiments()), ("schedules", named)):
        listing = "\n".join(
            textwrap.fill(f"{name:<21} {what}", 78, initial_indent="  ", subsequent_indent=" " * 24)
            for name, what in lines.items()
        )
        OmegaConf.register_new_resolver(resolver, lambda text=listing: text, replace=True)
    # Composed inside Hydra, run outside it: Hydra adds lines of its own to our errors.
    composed: list[DictConfig] = []
    main = hydra.main(version_base="1.3", config_path=str(CONF), config_name="config")
    before = os.environ.get("HYDRA_FULL_ERROR")
    os.environ["HYDRA_FULL_ERROR"] = "1"  # else Hydra prints and exits 1 itself
    try:
        with _Refusing(arguments):
            main(composed.append)()
            if len(composed) > 1:
                raise ConfigError("hydra.mode: a sweep is one command with lists; leave it out")
            return _plain(composed[0]) if composed else None
    finally:
        os.environ.pop("HYDRA_FULL_ERROR")
        if before is not None:
            os.environ["HYDRA_FULL_ERROR"] = before


def from_arguments(arguments: Sequence[str]) -> dict[str, Any]:
    """What these overrides compose to; Hydra's own state and sys.argv play no part.

    Raises ConfigError.
    """
    from hydra import compose, initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra

    state = GlobalHydra.instance()
    before, state.hydra = state.hydra, None  # a notebook may use Hydra itself
    try:
        with _Refusing(arguments), initialize_config_dir(str(CONF), version_base="1.3"):
            return _plain(compose("config", list(arguments)))
    finally:
        GlobalHydra.instance().hydra = before


def arguments_of(experiment: str, overrides: Mapping[str, Any]) -> list[str]:
    """The arguments of the command line that say the same as Python values."""
    pairs = {"+experiment": experiment, **overrides}
    return [f"{key}={_written(value)}" for key, value in pairs.items()]


def _plain(config: "DictConfig") -> dict[str, Any]:
    from omegaconf import OmegaConf

    plain = OmegaConf.to_container(config, resolve=True)
    assert isinstance(plain, dict)
    return {str(key): value for key, value in plain.items()}


def _written(value: Any) -> str:
    """A value in Hydra's grammar; what it has no word for is left to our own checks."""
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if value is None:
        return "null"
    if isinstance(value, bool | int | float):
        return str(value).lower()
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{key}:{_written(v)}" for key, v in value.items()) + "}"
    if isinstance(value, list | tuple | range):
        return "[" + ",".join(map(_written, value)) + "]"
    text = str(value)
    if re.fullmatch(PLAIN, text) and text.lower() not in WORDS:
        return text
    # Backslashes count where a quote follows, and a dollar would begin an interpolation.
    text = re.sub(r"(\\*)('|$)", lambda m: 2 * m[1] + ("\\'" if m[2] else ""), text)
    return "'" + text.replace("${", "\\${") + "'"


class _Refusing:
    """Turns whatever Hydra raises into a ConfigError of one line."""

    def __init__(self, arguments: Sequence[str]) -> None:
        self._arguments = arguments

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        from hydra.errors import HydraException
        from omegaconf.errors import OmegaConfBaseException

        if isinstance(error, ConfigError):
            return
        if isinstance(error, yaml.YAMLError):
            raise ConfigError(f"a config file is not valid YAML: {error}") from None
        if isinstance(error, HydraException | OmegaConfBaseException | ValueError):
            raise ConfigError(_explain(error, self._arguments)) from None


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
