"""Several processes in one group, watched over by one that does nothing else."""

import signal
import subprocess
import sys
import time
from pathlib import Path

_QUICK = 10.0
"""Seconds within which a second crash of the same worker is waited out, longer each time."""


class _Worker:
    """One process, started again when it was killed."""

    def __init__(self, config: Path) -> None:
        self._command = [sys.executable, "-m", "stream.app.cli", "run", str(config)]
        self._pause = 0.5
        self._start()

    def _start(self) -> None:
        self._started = time.monotonic()
        self.process = subprocess.Popen(self._command)

    def look(self) -> int | None:
        """Give the exit status of one that ended by itself; start one that was killed again."""
        status = self.process.poll()
        if status is None or status >= 0:
            return status
        if time.monotonic() - self._started < _QUICK:
            self._pause = min(2 * self._pause, 30.0)
        else:
            self._pause = 0.5
        print(
            f"driftline: worker {self.process.pid} was killed (signal {-status}); starting another",
            file=sys.stderr, flush=True,
        )  # fmt: skip
        time.sleep(self._pause)
        self._start()
        return None


def run_workers(config: Path, count: int) -> int:
    """Run so many workers until SIGTERM or Ctrl-C; gives the exit status.

    One that is killed is started again. One that ends with an error ends all: what is wrong
    with it is wrong with the others too.
    """
    stopping = False

    def stop(*_: object) -> None:
        nonlocal stopping  # a signal handler has nobody to return to
        stopping = True

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    workers = [_Worker(config) for _ in range(count)]
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
    return max(status, *(max(worker.process.wait(), 0) for worker in workers))
