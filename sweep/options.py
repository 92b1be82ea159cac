"""Options as `key=value`, of the commands that Hydra does not read."""

from collections.abc import Mapping, Sequence

from sweep.config.validate import ConfigError, nearest


def parse(arguments: Sequence[str], defaults: Mapping[str, str]) -> dict[str, str]:
    """The defaults with what the arguments say. Raises ConfigError for any other key."""
    options = dict(defaults)
    for argument in arguments:
        key, equals, value = argument.partition("=")
        if key not in defaults or not equals:
            allowed = ", ".join(f"{name}=.." for name in defaults)
            raise ConfigError(f"{argument}: allowed: {allowed}{nearest(key, defaults)}")
        options[key] = value
    return options
