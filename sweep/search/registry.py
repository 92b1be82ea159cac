"""All searches, by the value of `search`; a new search is a module and a line here."""

from collections.abc import Callable
from typing import Any, NamedTuple

from sweep.config.notice import Notice
from sweep.config.schema import Settings
from sweep.search import grid_search, optuna_search, threshold
from sweep.search.base import Search


class SearchKind(NamedTuple):
    """How a search is made."""

    search: Callable[[Settings, str | None], tuple[Search[Any], list[Notice]]]
    """(settings, corpus) -> the search and notices; raises ConfigError."""
    section: str | None = None
    """The section of the config that only this search uses."""


SEARCHES = {
    "grid": SearchKind(grid_search.search),
    "threshold": SearchKind(threshold.search, section="threshold"),
    "optuna": SearchKind(optuna_search.search, section="optuna"),
}
