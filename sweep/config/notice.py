"""What a user may want to hear about a sweep that is not refused."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Notice:
    """One line for the user."""

    key: str
    """The config key that it is about: it is shown if the user gave that key. Empty: always."""
    message: str
