"""Ctrl-C and SIGTERM while a sweep runs, and as they were afterwards."""

import contextlib
import os
import signal
import threading
from collections.abc import Iterator

STOPPING = (signal.SIGINT, signal.SIGTERM)


@contextlib.contextmanager
def handlers_kept() -> Iterator[None]:
    """Whatever becomes of the handlers of signals, afterwards they are what they were."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in STOPPING}
    try:
        yield
    finally:
        for number, handler in before.items():
            if handler is not None:  # None: not set from Python, and cannot be
                signal.signal(number, handler)


def interruptible() -> None:
    """Ctrl-C and SIGTERM interrupt; a second one leaves at once. Only the main thread can."""
    if threading.current_thread() is not threading.main_thread():
        return

    def first(*_: object) -> None:
        for number in STOPPING:
            signal.signal(number, lambda *_: os._exit(130))
        raise KeyboardInterrupt

    for number in STOPPING:
        signal.signal(number, first)
