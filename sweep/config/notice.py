"""Notices to the user about a config that is accepted."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Notice:
    """One line for the user."""

    key: str
    """The config key that it is about, shown if the user gave that key; empty: always shown."""
    message: str
