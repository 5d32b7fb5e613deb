"""Calls that may wait without a limit get one: past it the process ends."""

import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


def _end(message: str) -> None:
    print(f"driftline: {message}", file=sys.stderr, flush=True)
    os._exit(1)


class Watchdog:
    """Ends the process when a guarded call takes too long; nothing uncommitted counts then.

    Parameters
    ----------
    seconds
        The limit of one call.
    bark
        What to do past it; ends the process unless a test says otherwise.
    """

    def __init__(self, seconds: float, bark: Callable[[str], None] = _end) -> None:
        self._seconds = seconds
        self._bark = bark

    @contextmanager
    def guard(self, what: str) -> Iterator[None]:
        """Give the calls within so long."""
        message = (
            f"{what} has not come back within {self._seconds:g} s ([kafka] watchdog); the "
            f"process ends, and goes on from its last commit when it is started again"
        )
        timer = threading.Timer(self._seconds, self._bark, [message])
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
