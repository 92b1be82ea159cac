"""From overrides to a composed config, as plain data.

`from_command_line` lets Hydra read sys.argv, with its --help and --cfg;
`from_arguments` only composes. Both raise the same ConfigErrors.
"""

import os
import re
import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from sweep.config.validate import ConfigError
from sweep.models.schedules import RULES
from sweep.paths import CONF

if TYPE_CHECKING:
    from omegaconf import DictConfig

PLAIN = r"[A-Za-z_][A-Za-z0-9_./-]*"
"""Text that needs no quotes in Hydra's grammar, except `RESERVED`."""
RESERVED = ("true", "false", "null", "nan", "inf")


def experiments() -> dict[str, str]:
    """Name -> purpose of every experiment that comes with the package."""
    from omegaconf import OmegaConf

    purposes = {}
    for path in sorted((CONF / "experiment").glob("*.yaml")):
        purposes[path.stem] = str(OmegaConf.select(OmegaConf.load(path), "purpose", default=""))
    return purposes


def from_command_line(arguments: Sequence[str]) -> dict[str, Any] | None:
    """Compose the arguments of this process (sys.argv).

    Returns None if Hydra has printed what was asked for, as with --help. Raises ConfigError.
    """
    import hydra
    from hydra.main import get_args_parser
    from omegaconf import OmegaConf

    from sweep.config.overrides import refusing

    named = {name: rule.purpose for name, rule in RULES.items()}
    for resolver, lines in (("experiments", experiments()), ("schedules", named)):
        listing = "\n".join(
            textwrap.fill(f"{name:<21} {what}", 78, initial_indent="  ", subsequent_indent=" " * 24)
            for name, what in lines.items()
        )
        OmegaConf.register_new_resolver(resolver, lambda text=listing: text, replace=True)
    # Composed inside Hydra and run outside it, since Hydra adds lines to our errors.
    composed: list[DictConfig] = []
    main = hydra.main(version_base="1.3", config_path=str(CONF), config_name="config")
    before = os.environ.get("HYDRA_FULL_ERROR")
    os.environ["HYDRA_FULL_ERROR"] = "1"  # else Hydra prints and exits 1 itself
    try:
        with refusing(get_args_parser().parse_args(arguments).overrides):
            main(composed.append)()
            if len(composed) > 1:
                raise ConfigError("hydra.mode: a sweep is one command with lists; leave it out")
            return _plain(composed[0]) if composed else None
    finally:
        os.environ.pop("HYDRA_FULL_ERROR")
        if before is not None:
            os.environ["HYDRA_FULL_ERROR"] = before


def from_arguments(arguments: Sequence[str]) -> dict[str, Any]:
    """Compose these overrides, independently of Hydra's global state and sys.argv.

    Raises ConfigError.
    """
    from hydra import compose, initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra

    from sweep.config.overrides import refusing

    state = GlobalHydra.instance()
    before, state.hydra = state.hydra, None  # a notebook may use Hydra itself
    try:
        with refusing(arguments), initialize_config_dir(str(CONF), version_base="1.3"):
            return _plain(compose("config", list(arguments)))
    finally:
        GlobalHydra.instance().hydra = before


def arguments_of(experiment: str, overrides: Mapping[str, Any]) -> list[str]:
    """Return the command-line arguments that are equivalent to Python values."""
    pairs = {"+experiment": experiment, **overrides}
    return [f"{key}={_written(value)}" for key, value in pairs.items()]


def _plain(config: "DictConfig") -> dict[str, Any]:
    from omegaconf import OmegaConf

    plain = OmegaConf.to_container(config, resolve=True)
    assert isinstance(plain, dict)
    return {str(key): value for key, value in plain.items()}


def _written(value: Any) -> str:
    """Write a value in Hydra's grammar; other types become text, for our checks to refuse."""
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
    if re.fullmatch(PLAIN, text) and text.lower() not in RESERVED:
        return text
    from sweep.config.overrides import quoted

    return quoted(text)
