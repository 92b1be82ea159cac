"""A composed config without a subprocess."""

from typing import Any

from sweep.compose import from_arguments
from sweep.config import Settings, parse


def config(*overrides: str) -> dict[str, Any]:
    """What the command line `overrides` composes to, as plain data."""
    return from_arguments(overrides)


def settings(*overrides: str) -> Settings:
    return parse(config(*overrides))
