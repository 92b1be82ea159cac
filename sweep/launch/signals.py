"""Handlers of Ctrl-C and SIGTERM while a sweep runs, which are restored afterwards."""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator

STOPPING = (signal.SIGINT, signal.SIGTERM)
AGAIN_SECONDS = 0.05
"""Time after which an interrupt that Python dropped is raised again."""


@contextlib.contextmanager
def handlers_kept() -> Iterator[None]:
    """Restore the signal handlers, and the hook for dropped exceptions, when the context ends."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in STOPPING}
    hook = sys.unraisablehook
    try:
        yield
    finally:
        sys.unraisablehook = hook
        for number, handler in before.items():
            if handler is not None:  # None: not set from Python, and not settable
                signal.signal(number, handler)


def _in_a_notebook() -> bool:
    return "ipykernel" in sys.modules or hasattr(sys, "ps1")


def interruptible() -> None:
    """Make Ctrl-C and SIGTERM interrupt, and a second one exit at once; main thread only."""
    if threading.current_thread() is not threading.main_thread():
        return

    for number in STOPPING:
        signal.signal(number, _first)
    sys.unraisablehook = _dropped


def _first(*_: object) -> None:
    if not _in_a_notebook():  # whose kernel must survive
        for number in STOPPING:
            signal.signal(number, lambda *_: os._exit(130))
    raise KeyboardInterrupt


def _dropped(what: "sys.UnraisableHookArgs") -> None:
    """Raise an interrupt again that Python dropped, since it fell into a callback or a `__del__`.

    Later, in code that can pass it on: what this function raises is dropped as well.
    """
    if not issubclass(what.exc_type, KeyboardInterrupt):
        sys.__unraisablehook__(what)
        return
    for number in STOPPING:
        signal.signal(number, _first)
    again = threading.Timer(AGAIN_SECONDS, signal.raise_signal, (signal.SIGINT,))
    again.daemon = True
    again.start()
