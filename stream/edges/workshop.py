"""Models made beside the stream: each in a process of its own, which must not hold anything up."""

import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from shutil import rmtree
from subprocess import DEVNULL, PIPE, Popen
from tempfile import mkdtemp
from typing import Any, Protocol
from weakref import finalize

import orjson

from stream.core.orders import Order
from stream.core.partition import Partition

TASK, RESULT = "task", "result.json"
"""What a process finds in its folder, and what it leaves there."""

_LAST = 300
"""Characters of what a process said last that are told of one that failed."""


class Job(Protocol):
    """A model that is being made."""

    def result(self) -> dict[str, Any] | None:
        """Give what came of it, None while nothing has: `model`, its sha256, or the `failure`.

        `seconds` of processor time are told beside it, where they are known.
        """
        ...

    def close(self) -> None:
        """Give it up, if it is not finished."""
        ...


Workshop = Callable[[Partition, Order], Job]
"""Begins to make what was ordered, out of what the state holds now."""


class ProcessJob:
    """A job in a process: ``python -m MODULE FOLDER``, which ends with its standard input.

    Parameters
    ----------
    module
        What to run.
    task
        The bytes that it finds in its folder as `TASK`.
    limit
        Seconds after which it is given up.
    """

    def __init__(self, module: str, task: bytes, limit: float) -> None:
        self._limit = limit
        self._until = time.monotonic() + limit
        self._folder = Path(mkdtemp(prefix="driftline-model-"))
        (self._folder / TASK).write_bytes(task)
        with (self._folder / "said").open("wb") as said:
            # The pipe is never written to: it ends when this process does, however it ends.
            self._process = Popen(
                [sys.executable, "-m", module, str(self._folder)],
                stdin=PIPE, stdout=DEVNULL, stderr=said, start_new_session=True,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            )  # fmt: skip
        self._end = finalize(self, _end, self._process, self._folder)

    def result(self) -> dict[str, Any] | None:
        """Give what came of it, None while nothing has."""
        status = self._process.poll()
        if status is None:
            if time.monotonic() < self._until:
                return None
            _kill(self._process)
            return {"failure": f"it took longer than {self._limit:g} s ([training.budget] beside)"}
        try:
            result: dict[str, Any] = orjson.loads((self._folder / RESULT).read_bytes())
        except (OSError, orjson.JSONDecodeError):
            with (self._folder / "said").open("rb") as file:
                file.seek(max(file.seek(0, 2) - _LAST, 0))
                said = file.read().decode(errors="replace").strip()
            return {"failure": f"its process ended with status {status}: {said}"}
        return result

    def close(self) -> None:
        """Kill it if it still runs, and remove its folder; so does whoever forgets it."""
        self._end()


def _kill(process: Popen[bytes]) -> None:
    """Kill a process that still runs, with all that the learner has started in it."""
    if process.poll() is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def _end(process: Popen[bytes], folder: Path) -> None:
    _kill(process)
    process.wait()
    if process.stdin is not None:
        process.stdin.close()
    rmtree(folder, ignore_errors=True)


class _NoJob:
    """A job that could not even be begun."""

    def __init__(self, why: str) -> None:
        self._why = why

    def result(self) -> dict[str, Any]:
        return {"failure": f"no process could be started for it: {self._why}"}

    def close(self) -> None:
        """There is nothing to give up."""


class Bench:
    """Where a partition's models are made, one at a time.

    Parameters
    ----------
    workshop
        None where nothing is made: whatever is ordered waits for a control record.

    Attributes
    ----------
    seconds
        Processor time of the jobs that were finished, until an observer takes it away.
    """

    def __init__(self, workshop: Workshop | None) -> None:
        self._workshop = workshop
        self._job: Job | None = None
        self._order = 0
        self._told = False
        self.seconds: list[float] = []

    def tend(self, partition: Partition, heard: bool) -> dict[str, Any] | None:
        """See to what is ordered; gives the control record that tells what came of it, once.

        Parameters
        ----------
        heard
            Whether it may be begun: all control records there are have been folded, of which one
            may be about this order, from an owner before.
        """
        order = partition.training.order
        if self._job is not None and (order is None or order.number != self._order):
            self.close()
        if order is None or self._workshop is None:
            return None
        if self._job is None:
            if heard:
                self._order = order.number
                try:
                    self._job = self._workshop(partition, order)
                except OSError as error:  # no room for its folder, or for another process
                    self._job = _NoJob(str(error))
            return None
        result = None if self._told else self._job.result()
        if result is None:
            return None
        self._told = True
        self.seconds += [result["seconds"]] if "seconds" in result else []
        return {"action": "adopt", "order": order.number, **result}

    def close(self) -> None:
        """Give up what is being made."""
        if self._job is not None:
            self._job.close()
            self._job = None
        self._told = False
