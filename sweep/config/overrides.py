"""Turns overrides that Hydra cannot use into ConfigErrors, from the attributes of its errors."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, Quote, QuotedString, ValueType
from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from omegaconf.errors import ConfigAttributeError, ConfigKeyError, OmegaConfBaseException

from sweep.config.schema import key_paths
from sweep.config.validate import ConfigError, nearest
from sweep.paths import CONF


def quoted(text: str) -> str:
    """Quote a text as a value in Hydra's grammar, without interpolation of `${`."""
    return str(QuotedString(text, Quote.single).with_quotes()).replace("${", "\\${")


@contextmanager
def refusing(overrides: Sequence[str]) -> Iterator[None]:
    """Refuse overrides that Hydra would misread, and turn its errors into ConfigErrors."""
    keys: list[str] = []
    try:
        parsed = OverridesParser.create().parse_overrides(list(overrides))
        keys += [override.key_or_group for override in parsed]
        _check(parsed)
        yield
    except ConfigError:
        raise
    except yaml.YAMLError as error:
        raise ConfigError(f"a config file is not valid YAML: {error}") from None
    except (HydraException, OmegaConfBaseException, ValueError, TypeError) as error:
        raise ConfigError(_explain(error, keys)) from None


def _check(overrides: Sequence[Override]) -> None:
    """Raise ConfigError for what Hydra refuses in prose only, or misreads."""
    groups = {path.name for path in CONF.iterdir() if path.is_dir()}
    added = [override.key_or_group for override in overrides if override.is_add()]
    for override in overrides:
        key = override.key_or_group
        if override.package is not None and not override.is_hydra_override():
            path = f"{key}@{override.package}"
            raise ConfigError(f"{path}: unknown key{nearest(path, key_paths())}")
        if key == "experiment" and key not in added:
            raise ConfigError("experiment: write +experiment=NAME, with the plus")
        if key in groups and added.count(key) > 1:
            raise ConfigError(f"{key}: is given {added.count(key)} times; give one")
        sweep = override.is_sweep_override()  # a sweep of Hydra: a,b or range(1,3)
        # A list would merge one file over the other, whichever comes last.
        named = sweep or override.is_delete() or isinstance(override.value(), str | dict)
        if sweep or (key in groups and not named):
            got = override.get_value_string()
            values = got if override.value_type == ValueType.SIMPLE_CHOICE_SWEEP else "10,37"
            remedy = "allowed: one name" if key in groups else f"write a list: {key}=[{values}]"
            raise ConfigError(f"{key}: got {got}; {remedy}")


def _explain(error: Exception, keys: Sequence[str]) -> str:
    """Describe an error of Hydra or OmegaConf in one line with the remedy.

    keys: those that were overridden.
    """
    cause = error.__cause__ or error
    if isinstance(error, OverrideParseException):
        return f"{error.override}: cannot be read; write key=value, and a list as key=[1,2]"
    if isinstance(error, MissingConfigException) and error.options:
        group, _, name = str(error.missing_cfg_file).rpartition("/")
        allowed = f"{', '.join(error.options)}{nearest(name, error.options)}"
        return f"{group}: got {name!r}; allowed: {allowed}"
    if isinstance(cause, ConfigAttributeError | ConfigKeyError):  # has the existing part alone
        begun = str(cause.full_key)
        return _unknown(next((k for k in keys if f"{k}.".startswith(f"{begun}.")), begun))
    if isinstance(cause, OmegaConfBaseException):
        return f"{cause.full_key}: {str(cause.msg or cause).splitlines()[0]}"
    if not isinstance(error, HydraException):  # raised by Python, for a key below a value
        below = (k for k in keys if k not in key_paths() and k.split(".")[0] in key_paths())
        return next(map(_unknown, below), str(error))
    return str(error)


def _unknown(key: str) -> str:
    """Say why a key cannot be overridden."""
    section, every = key.split(".")[0], key_paths()
    if key in every and section in ("model", "cluster"):
        return f"{key}: is not a key of the {section} chosen; leave it out, or choose another"
    elsewhere = next((path for path in every if path.endswith(f".{key}")), None)
    hint = f"; did you mean {elsewhere}?" if elsewhere else nearest(key, every)
    return f"{key}: unknown key{hint}"
