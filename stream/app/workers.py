"""Several processes in one group, watched over by one that does nothing else."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from stream.app.stopping import on_signals

_QUICK = 10.0
"""Seconds within which a second crash of the same worker is waited out, longer each time."""

_PATIENCE = 60.0
"""Seconds that a worker may take to stop, before it is killed; nothing is lost by that."""

_LIFELINE = "DRIFTLINE_LIFELINE"


class _Worker:
    """One process, started again when it was killed."""

    def __init__(self, command: Sequence[str], lifeline: int) -> None:
        self._command = command
        self._lifeline = lifeline
        self._pause = 0.5
        self._again: float | None = None
        self._start()

    def _start(self) -> None:
        self._again = None
        self._started = time.monotonic()
        environment = {**os.environ, _LIFELINE: str(self._lifeline)}
        self.process = subprocess.Popen(
            self._command, env=environment, pass_fds=[self._lifeline]
        )

    def look(self) -> int | None:
        """Give the exit status of one that ended by itself; start one that was killed again."""
        now = time.monotonic()
        if self._again is not None:
            if now >= self._again:
                self._start()
            return None
        status = self.process.poll()
        if status is None or status >= 0:
            return status
        self._pause = min(2 * self._pause, 30.0) if now - self._started < _QUICK else 0.5
        print(
            f"driftline: worker {self.process.pid} was killed (signal {-status}); starting "
            f"another in {self._pause:g} s", file=sys.stderr, flush=True,
        )  # fmt: skip
        self._again = now + self._pause
        return None

    def end(self, seconds: float) -> int:
        """Wait for the end of one that was asked to stop; gives its exit status."""
        try:
            status = self.process.wait(max(seconds, 0.0))
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = self.process.wait()
        return max(status, 0)


def run_workers(config: Path, count: int, command: Sequence[str] | None = None) -> int:
    """Run so many workers until SIGTERM or Ctrl-C; gives the exit status.

    One that is killed is started again. One that ends with an error ends all: what is wrong
    with it is wrong with the others too. When this process itself is killed, they stop.

    Parameters
    ----------
    command
        What to run; `driftline run` of the configuration when absent.
    """
    stopping = False

    def stop() -> None:
        nonlocal stopping  # a signal handler has nobody to return to
        stopping = True

    on_signals(stop)
    lifeline, _held = os.pipe()  # its other end is closed when this process ends, however it does
    ours = [sys.executable, "-m", "stream.app.cli", "run", str(config)]
    workers = [_Worker(command or ours, lifeline) for _ in range(count)]
    status = 0
    while not stopping:
        ended = [status for status in (worker.look() for worker in workers) if status is not None]
        if ended:
            status = max(ended)
            break
        time.sleep(0.2)
    for worker in workers:
        if worker.process.poll() is None:
            worker.process.send_signal(signal.SIGTERM)
    until = time.monotonic() + _PATIENCE
    return max(status, *(worker.end(until - time.monotonic()) for worker in workers))


def stop_with_supervisor(stop: Callable[[], None]) -> None:
    """Stop when the process that watches over this one is gone; if there is one."""
    lifeline = os.environ.pop(_LIFELINE, None)
    if lifeline is None:
        return

    def wait() -> None:
        os.read(int(lifeline), 1)  # nobody writes: it comes back when the other end is closed
        print("driftline: the supervisor is gone; stopping", file=sys.stderr, flush=True)
        stop()

    threading.Thread(target=wait, name="lifeline", daemon=True).start()
