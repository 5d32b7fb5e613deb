"""To be asked to stop, by a signal at any moment."""

import signal
import time
from collections.abc import Callable

_GLANCE = 0.05
"""Seconds after which whoever waits has heard of it."""


class Stop:
    """A wish to stop, of which whoever waits hears soon.

    A `threading.Event` is not for signal handlers: one that runs while the main thread is about
    to wait finds the event's lock held by that very thread, and waits for it for ever. So here
    is no lock, and whoever waits looks up now and then.

    Examples
    --------
    >>> stop = Stop()
    >>> stop.wait(0.0), stop.set(), stop.wait(10.0), stop.is_set()
    (False, None, True, True)
    """

    def __init__(self) -> None:
        self._wished = False

    def set(self) -> None:
        """Wish to stop."""
        self._wished = True

    def is_set(self) -> bool:
        """Whether somebody wishes it."""
        return self._wished

    def wait(self, seconds: float) -> bool:
        """Wait for the wish, so long at most; gives whether somebody wishes it."""
        until = time.monotonic() + seconds
        while not self._wished and (left := until - time.monotonic()) > 0:
            time.sleep(min(left, _GLANCE))
        return self._wished


def stop_on_signals() -> Stop:
    """Give what SIGINT and SIGTERM set."""
    stop = Stop()
    on_signals(stop.set)
    return stop


def on_signals(stop: Callable[[], object]) -> None:
    """Let SIGINT and SIGTERM call something; it runs between any two steps of the main thread."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop())
