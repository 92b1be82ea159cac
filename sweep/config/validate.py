"""Checks of single config values; each refuses with one line: field, value, what is allowed."""

import difflib
import math
from collections.abc import Iterable, Mapping
from typing import Any

from models.schedules import LARGEST_SAMPLE


class ConfigError(ValueError):
    """The config is refused; the message is one line for the user."""


def nearest(word: str, allowed: Iterable[str]) -> str:
    """`; did you mean X?` if a name is close, else nothing."""
    found = difflib.get_close_matches(word, list(allowed), n=1, cutoff=0.5)
    return f"; did you mean {found[0]}?" if found else ""


def text(value: Any, field: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ConfigError(f"{field}: got {value!r}; allowed: text")
    return value


def flag(value: Any, field: str) -> bool:
    if not isinstance(value, bool):
        raise ConfigError(f"{field}: got {value!r}; allowed: true or false")
    return value


def choice(value: Any, field: str, allowed: Iterable[str]) -> str:
    names = list(allowed)
    if value not in names:
        raise ConfigError(
            f"{field}: got {value!r}; allowed: {', '.join(names)}{nearest(str(value), names)}"
        )
    return str(value)


def number(value: Any, field: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ConfigError(f"{field}: got {value!r}; allowed: a number")
    if isinstance(value, float) and not math.isfinite(value):
        raise ConfigError(f"{field}: got {value}; allowed: a finite number")
    return value


def whole(value: Any, field: str, low: int, high: int) -> int:
    allowed = f"allowed: whole numbers from {low} to {high}"
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ConfigError(f"{field}: got {value!r}; {allowed}")
    found = number(value, field)
    if not low <= found <= high or found != int(found):
        raise ConfigError(f"{field}: got {str(value)[:40]}; {allowed}")
    return int(found)


def values(value: Any, field: str) -> list[Any]:
    """A scalar or a list as a list; empty and nested lists are refused."""
    found = list(value) if isinstance(value, list | tuple) else [value]
    if not found:
        raise ConfigError(f"{field}: got an empty list; allowed: at least one value")
    for one in found:
        if isinstance(one, list | tuple | Mapping):
            raise ConfigError(f"{field}: got {value!r}; allowed: a value or a flat list of values")
    return found


def axis(value: Any, field: str, *, repeats: bool) -> tuple[int, ...] | None:
    if value is None:
        return None
    found = [whole(v, field, 1, LARGEST_SAMPLE) for v in values(value, field)]
    return tuple(found if repeats else dict.fromkeys(found))


def fractions(value: Any, field: str, low: str, *, repeats: bool) -> tuple[float, ...] | None:
    if value is None:
        return None
    numbers = [float(number(v, field)) for v in values(value, field)]
    for one in numbers:
        if not 0 < one < 1:
            raise ConfigError(f"{field}: got {one:g}; allowed: {low}, not including, 1")
    return tuple(numbers if repeats else dict.fromkeys(numbers))


def real(value: Any, field: str, low: float, high: float, allowed: str) -> float:
    """A number in [low, high]; `allowed` says so in words."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise ConfigError(f"{field}: got {value!r}; allowed: {allowed}")
    return float(value)
