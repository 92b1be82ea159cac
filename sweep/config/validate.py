"""Checks of single values, to annotate fields with: `Annotated[int, Whole(1, 9)]`.

This module does not import pydantic, so that modules which only raise a ConfigError load fast.
"""

import difflib
import math
import re
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Annotated, Any

if TYPE_CHECKING:
    from pydantic_core import CoreSchema


class ConfigError(ValueError):
    """The config is refused; the message is one line for the user, which begins with the key.

    Rules over several keys of a section raise it too, with the key as named in that section.
    """

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(line.strip() for line in message.splitlines()))


def nearest(word: str, allowed: Collection[str]) -> str:
    """Return `; did you mean X?` if an allowed name is close, else an empty text."""
    close = difflib.get_close_matches(word, allowed, n=1, cutoff=0.5)
    return f"; did you mean {close[0]}?" if close else ""


class Check:
    """A function from a raw value to a checked one.

    It raises ValueError with what it got and what is allowed; the caller adds the field.
    """

    def __init__(self, check: Callable[[Any], Any]) -> None:
        self._check = check

    def __call__(self, value: Any) -> Any:
        return self._check(value)

    def at(self, field: str, value: Any) -> Any:
        """Check the value of a field. Raises ConfigError."""
        try:
            return self._check(value)
        except ValueError as error:
            raise ConfigError(f"{field}: {error}") from None

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> "CoreSchema":
        from pydantic_core.core_schema import no_info_plain_validator_function

        return no_info_plain_validator_function(self._check)


def Whole(low: int, high: int) -> Check:
    """A whole number in [low, high], which may be written as 1e3."""
    allowed = f"whole numbers from {low} to {high}"
    return _passing(lambda v: _is_number(v) and low <= v <= high and v == int(v), allowed, int)


def Real(low: float, high: float, allowed: str) -> Check:
    """A number in [low, high], which `allowed` describes."""
    return _passing(lambda v: _is_number(v) and low <= v <= high, allowed, float)


def Choice(names: Collection[str]) -> Check:
    """One of these names."""
    return _passing(lambda v: v in list(names), ", ".join(names), str, names)


def Matching(pattern: str, allowed: str) -> Check:
    """Text that the pattern matches in full."""
    return _passing(lambda v: isinstance(v, str) and re.fullmatch(pattern, v), allowed, str)


def ScalarOrList(each: Check, *, repeats: bool = False) -> Check:
    """A value or a flat list of values, as a tuple; `repeats` keeps duplicates."""

    def check(value: Any) -> tuple[Any, ...]:
        values = value if isinstance(value, list | tuple) else [value]
        if not values:
            raise ValueError("got an empty list; allowed: at least one value")
        if any(isinstance(v, list | tuple | Mapping) for v in values):
            raise ValueError(f"got {value!r}; allowed: a value or a flat list of values")
        checked = map(each, values)
        return tuple(checked if repeats else dict.fromkeys(checked))

    return Check(check)


def OrNull(check: Check, then: Any = None) -> Check:
    """Values that another check accepts, and null or an empty text, which mean `then`."""
    return Check(lambda v: then if v is None or v == "" else check(v))


def _passing(
    test: Callable[[Any], Any],
    allowed: str,
    convert: Callable[[Any], Any],
    names: Collection[str] = (),
) -> Check:
    def check(value: Any) -> Any:
        if not test(value):
            got = repr(value)[:80]
            raise ValueError(f"got {got}; allowed: {allowed}{nearest(str(value), names)}")
        return convert(value)

    return Check(check)


def _is_number(value: Any) -> bool:
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"got {value}; allowed: a finite number")
    return isinstance(value, int | float) and not isinstance(value, bool)


TEXT = Matching(r"(?s).*\S.*", "text")
FLAG = _passing(lambda v: isinstance(v, bool), "true or false", bool)
Text = Annotated[str, TEXT]
Flag = Annotated[bool, FLAG]
