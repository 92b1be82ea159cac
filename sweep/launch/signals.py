"""Ctrl-C and SIGTERM while a sweep runs, and as they were afterwards."""

import contextlib
import os
import signal
import sys
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


def _in_a_notebook() -> bool:
    return "ipykernel" in sys.modules or hasattr(sys, "ps1")


def interruptible() -> None:
    """Ctrl-C and SIGTERM interrupt; a second one leaves at once. Only the main thread can."""
    if threading.current_thread() is not threading.main_thread():
        return

    def first(*_: object) -> None:
        if not _in_a_notebook():  # whose kernel has more to lose than a sweep
            for number in STOPPING:
                signal.signal(number, lambda *_: os._exit(130))
        raise KeyboardInterrupt

    for number in STOPPING:
        signal.signal(number, first)
