"""A composed config without a subprocess."""

from typing import Any

from sweep.config.compose import from_arguments
from sweep.config.schema import Settings, parse


def config(*overrides: str) -> dict[str, Any]:
    """What the command line `overrides` composes to, as plain data."""
    return from_arguments(overrides)


def settings(*overrides: str) -> Settings:
    return parse(config(*overrides))


CLUSTER = ("cluster=ray", "cluster.storage=/mnt/lab", "tracking=server", "tracking.uri=http://h:5")
