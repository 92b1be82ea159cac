"""Handlers of Ctrl-C and SIGTERM while a sweep runs, which are restored afterwards."""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator

STOPPING = (signal.SIGINT, signal.SIGTERM)


@contextlib.contextmanager
def handlers_kept() -> Iterator[None]:
    """Restore the signal handlers when the context ends."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in STOPPING}
    try:
        yield
    finally:
        for number, handler in before.items():
            if handler is not None:  # None: not set from Python, and not settable
                signal.signal(number, handler)


def _in_a_notebook() -> bool:
    return "ipykernel" in sys.modules or hasattr(sys, "ps1")


def interruptible() -> None:
    """Make Ctrl-C and SIGTERM interrupt, and a second one exit at once; main thread only."""
    if threading.current_thread() is not threading.main_thread():
        return

    def first(*_: object) -> None:
        if not _in_a_notebook():  # whose kernel must survive
            for number in STOPPING:
                signal.signal(number, lambda *_: os._exit(130))
        raise KeyboardInterrupt

    for number in STOPPING:
        signal.signal(number, first)
