"""Ctrl-C and SIGTERM while a sweep runs."""

import signal
import sys
import threading
import weakref

import pytest

from sweep.launch import signals


@pytest.mark.parametrize("number", signals.STOPPING)
def test_an_interrupt_that_python_drops_comes_again(number: signal.Signals) -> None:
    """Python drops what is raised in the callback of a weak reference, as its imports use."""
    before = sys.unraisablehook, signal.getsignal(number)
    with signals.handlers_kept():
        signals.interruptible()
        thing = {1}
        reference = weakref.ref(thing, lambda _: signal.raise_signal(number))
        del thing
        with pytest.raises(KeyboardInterrupt):
            threading.Event().wait(30)
        assert reference() is None
    assert (sys.unraisablehook, signal.getsignal(number)) == before
