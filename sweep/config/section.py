"""Groups of keys as frozen pydantic models: the keys, their checks, and refusals in one line.

Each group is a class and each key a field, with its check in the annotation. The keys of the
command line (`key_tree`) and every refusal follow from the fields.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, ValidationError, field_validator
from pydantic_core import CoreSchema, PydanticCustomError
from pydantic_core.core_schema import no_info_after_validator_function

from sweep.config.validate import ConfigError, nearest

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo
    from pydantic_core import ErrorDetails

REQUIRED = "???"
"""Marks a value in conf/ that the user must write."""
KeyTree = dict[str, Any]
"""Key -> the tree of its keys if it is a group, else an empty tree."""
MESSAGES = {
    "missing": "is missing",
    "extra_forbidden": "unknown key",
    "required": "is required; write {path}=VALUE",
}
"""Error type of pydantic -> our message, where pydantic refuses and not one of our checks."""


class Section(BaseModel):
    """A group of keys."""

    # Validators are built when a config is checked; --help needs none.
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    @field_validator("*", mode="before")
    @classmethod
    def _require(cls, value: Any) -> Any:
        if isinstance(value, str) and value == REQUIRED:
            raise PydanticCustomError("required", "is required")
        return value


class BuiltFrom:
    """Annotates a field whose type is a plain dataclass of `models`, which imports no pydantic.

    The dataclass has the fields, and the section has their checks; `constants` are fields that
    no key sets.
    """

    def __init__(self, section: type[Section], **constants: Any) -> None:
        self.section = section
        self._constants = constants

    def __get_pydantic_core_schema__(
        self, source: type[Any], handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        def build(section: Section) -> Any:
            return source(**dict(section), **self._constants)

        return no_info_after_validator_function(build, handler(self.section))


def key_tree(*sections: type[Section]) -> KeyTree:
    """Return the keys that any of these models of a group has."""
    return {
        field.alias or name: key_tree(*_sections_of(field))
        for section in sections
        for name, field in section.model_fields.items()
    }


def paths(tree: KeyTree, at: str = "") -> Iterator[str]:
    """Yield every key as it is typed, groups included, upper levels first."""
    yield from (f"{at}{key}" for key in tree)
    for key, below in tree.items():
        yield from paths(below, f"{at}{key}.")


def check_keys(group: Mapping[str, Any], tree: KeyTree, every: Sequence[str], at: str = "") -> None:
    """Raise ConfigError for a key that no model has, also in groups that this sweep ignores."""
    for key, value in group.items():
        path = f"{at}{key}"
        if key not in tree:
            raise ConfigError(f"{path}: unknown key{nearest(path, every)}")
        if below := tree[key]:
            if not isinstance(value, Mapping):
                keys = ", ".join(f"{path}.{name}" for name in below)
                raise ConfigError(f"{path}: got {value!r}; it is a group of keys: {keys}")
            check_keys(value, below, every, f"{path}.")


AnySection = TypeVar("AnySection", bound=Section)


def checked(section: type[AnySection], group: Any, *at: str) -> AnySection:
    """Validate a group of keys as a section; `at` is its path. Raises ConfigError."""
    try:
        return section.model_validate(group)
    except ValidationError as refused:
        raise ConfigError(_line(refused.errors(include_url=False)[0], at)) from None


def _line(error: "ErrorDetails", at: Sequence[str]) -> str:
    """Describe an error of pydantic in one line: the key, and what is wrong with it."""
    cause = error.get("ctx", {}).get("error")
    path = ".".join(map(str, [*at, *error["loc"]]))
    if isinstance(cause, ConfigError):  # from a section: begins with the key below it
        return f"{path}.{cause}" if path else str(cause)
    message = MESSAGES.get(error["type"], f"got {error['input']!r}; {error['msg']}")
    return f"{path}: {cause or message.replace('{path}', path)}"


def _sections_of(field: "FieldInfo") -> list[type[Section]]:
    """Return the models of a field that is a group; none if it is a value."""
    types = (field.annotation, *get_args(field.annotation))
    sections = [t for t in types if isinstance(t, type) and issubclass(t, Section)]
    return sections + [m.section for m in field.metadata if isinstance(m, BuiltFrom)]
