"""Calls that may wait without a limit get one: past it the process ends."""

import faulthandler
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_LOOK = 0.5


def _end(message: str) -> None:
    print(f"driftline: {message}", file=sys.stderr, flush=True)
    os._exit(1)


def end_when_frozen(seconds: float) -> None:
    """End this process once none of its threads has run Python for so long.

    A client may wait in C and hold the interpreter's lock all the while: then neither signals
    nor a `Watchdog` are heard. The timer behind this needs no lock; it shows where each thread
    stood, and ends the process with status 1.

    Parameters
    ----------
    seconds
        How long nothing has to run. A process that was suspended for longer is ended as well.
    """

    def live() -> None:
        while True:
            faulthandler.dump_traceback_later(seconds, exit=True)
            time.sleep(min(_LOOK, seconds / 4))

    threading.Thread(target=live, name="frozen", daemon=True).start()


class Watchdog:
    """Ends the process when a guarded call takes too long; nothing uncommitted counts then.

    One call at a time is guarded: that of the thread which runs the service.

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
        self._guarded: tuple[str, float] | None = None
        threading.Thread(target=self._watch, name="watchdog", daemon=True).start()

    @contextmanager
    def guard(self, what: str) -> Iterator[None]:
        """Give the calls within so long."""
        self._guarded = what, time.monotonic() + self._seconds
        try:
            yield
        finally:
            self._guarded = None

    def _watch(self) -> None:
        while True:
            time.sleep(min(_LOOK, self._seconds / 4))
            guarded = self._guarded
            if guarded is not None and time.monotonic() > guarded[1]:
                self._guarded = None
                self._bark(
                    f"{guarded[0]} has not come back within {self._seconds:g} s ([kafka] "
                    f"watchdog); the process ends, and goes on from its last commit when it is "
                    f"started again"
                )
