"""The time in the unit of MLflow."""

import time


def now_ms() -> int:
    """Return the current time in milliseconds since 1970."""
    return time.time_ns() // 10**6
