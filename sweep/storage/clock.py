"""The time as MLflow has it."""

import time


def now_ms() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 10**6
