"""A composed config without a subprocess."""

from typing import Any

from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from sweep.cli import CONF
from sweep.config import Settings, parse


def config(*overrides: str) -> dict[str, Any]:
    """What the command line `overrides` composes to, as plain data."""
    with initialize_config_dir(str(CONF), version_base="1.3"):
        plain = OmegaConf.to_container(compose("config", list(overrides)), resolve=True)
    assert isinstance(plain, dict)
    return {str(key): value for key, value in plain.items()}


def settings(*overrides: str) -> Settings:
    return parse(config(*overrides))
