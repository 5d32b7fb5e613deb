"""What a watcher knows of a run."""

import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from stream.app.lives import Lives

Kind = Literal["metrics", "alarms", "models", "dead-letters", "checkpoints"]

_REPORTS = 200
_ALARMS = 200
_RATE_OVER = 10.0


class Update(NamedTuple):
    """A record that came out of the run."""

    kind: Kind
    partition: int
    record: dict[str, Any]


class Progress(NamedTuple):
    """How far the run has come.

    Attributes
    ----------
    events
        Event records that are done, as far as this can be told; None when not.
    lag
        Records still to be read, by input; empty for files.
    finished
        Whether the input had an end and it was reached.
    """

    events: int | None
    lag: Mapping[str, int]
    finished: bool


@dataclass
class View:
    """Everything that a frame shows.

    Parameters
    ----------
    name, source
        Of the application, and where it is watched.
    clock
        Seconds; for the rate.
    """

    name: str
    source: str
    clock: Callable[[], float] = time.monotonic
    reports: dict[int, deque[dict[str, Any]]] = field(default_factory=dict)
    alarms: dict[str, Update] = field(default_factory=dict)
    kinds: Counter[str] = field(default_factory=Counter)
    models: dict[int, Lives] = field(default_factory=dict)
    dead: Update | None = None
    checkpoints: int = 0
    checkpoint: Update | None = None
    progress: Progress = field(default_factory=lambda: Progress(None, {}, False))
    _seen: deque[tuple[float, int]] = field(default_factory=deque)
    _rates: deque[float] = field(default_factory=lambda: deque(maxlen=60))

    def take(self, updates: Iterable[Update]) -> None:
        """Take records in; a later record of an alarm amends it."""
        for update in updates:
            if update.kind == "metrics":
                of = self.reports.setdefault(update.partition, deque(maxlen=_REPORTS))
                of.append(update.record)
            elif update.kind == "alarms":
                self._alarm(update)
            elif update.kind == "models":
                self.models.setdefault(update.partition, Lives()).take(update.record)
            elif update.kind == "dead-letters":
                self.dead = update
            else:
                self.checkpoints += 1
                self.checkpoint = update

    def advance(self, progress: Progress) -> None:
        """Hear how far the run has come; the rate is that of the last ten seconds."""
        self.progress = progress
        if progress.events is None:
            return
        now = self.clock()
        self._seen.append((now, progress.events))
        while now - self._seen[0][0] > _RATE_OVER:
            self._seen.popleft()
        if (rate := self.rate) is not None:
            self._rates.append(rate)

    @property
    def rate(self) -> float | None:
        """Event records a second; None when there is no telling yet."""
        if len(self._seen) < 2:
            return None
        (then, before), (now, after) = self._seen[0], self._seen[-1]
        return (after - before) / (now - then) if now > then else None

    @property
    def rates(self) -> list[float | None]:
        """The rates at the last looks."""
        return list(self._rates)

    @property
    def last(self) -> dict[str, Any] | None:
        """The latest report of any partition."""
        latest = [of[-1] for of in self.reports.values()]
        return max(latest, key=lambda report: str(report["time"])) if latest else None

    def total(self, key: str) -> int:
        """Add a number of the latest reports up over the partitions."""
        return sum(of[-1].get(key) or 0 for of in self.reports.values())

    def letters(self) -> Counter[str]:
        """Count dead letters by reason, over the partitions."""
        found: Counter[str] = Counter()
        for of in self.reports.values():
            found.update(of[-1]["dead_letters"])
        return found

    def _alarm(self, update: Update) -> None:
        identity = f"{update.partition} {update.record['alarm']}"
        if identity not in self.alarms:
            self.kinds[update.record["kind"]] += 1
        self.alarms[identity] = update
        if len(self.alarms) > _ALARMS:
            del self.alarms[next(iter(self.alarms))]
