"""How far a run has come: a live line on a terminal, nothing in a pipe."""

import time
from pathlib import Path
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from stream.app.engine import FileRun, FolderRun
from stream.edges.worker import Worker

_COMPRESSED = (".gz", ".zst", ".parquet")


class Progress:
    """Shows events, their rate, the score and the alarms while a run goes on.

    Parameters
    ----------
    source
        The file that is read, if it is one; its size gives the time left.
    total
        Records that will come, where it is known.
    """

    def __init__(self, source: Path | None, total: int | None = None) -> None:
        self._console = Console(stderr=True)
        self._source = source
        self._total = total
        self._started = time.perf_counter()
        self._before = 0
        self._score = ""
        self._bar = Bar(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.percentage:>3.0f}%"),
            TimeRemainingColumn(compact=True),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def begin(self, run: FolderRun) -> None:
        """Start the clock; records of an earlier, interrupted run do not count for the rate."""
        self._started = time.perf_counter()
        self._before = run.worker.committed.records
        total = self._total or self._estimate(run)
        self._task = self._bar.add_task("reading", total=total)

    def update(self, worker: Worker) -> bool:
        """Show what has been done; never asks to stop."""
        if self._task is not None and self._console.is_terminal:
            events = worker.partition.counts.events
            rate = (worker.records - self._before) / (time.perf_counter() - self._started)
            if worker.last_report is not None:
                name, value = next(iter(worker.last_report["cumulative"].items()))
                self._score = "" if value is None else f"  {name} {value:.4f}"
            alarms = sum(worker.partition.response.alarms.values())
            self._bar.update(
                self._task,
                completed=events,
                description=f"{events:,} events  {rate:,.0f}/s{self._score}  {alarms} alarms",
            )
        return False

    def _estimate(self, run: FolderRun) -> int | None:
        """Guess the number of rows from the size of the file and of its first rows."""
        if self._source is None or not isinstance(run, FileRun):
            return None
        if self._source.suffix in _COMPRESSED or not run.head_bytes:
            return None
        return max(1, round(self._source.stat().st_size / run.head_bytes))
