"""`key=value` options of the commands that do not use Hydra."""

from collections.abc import Mapping, Sequence

from sweep.config.validate import ConfigError, nearest


def parse(arguments: Sequence[str], defaults: Mapping[str, str]) -> dict[str, str]:
    """Return the defaults, updated by the arguments. Raises ConfigError for any other key."""
    options = dict(defaults)
    for argument in arguments:
        key, equals, value = argument.partition("=")
        if key not in defaults or not equals:
            allowed = ", ".join(f"{name}=.." for name in defaults)
            raise ConfigError(f"{argument}: allowed: {allowed}{nearest(key, defaults)}")
        options[key] = value
    return options
