"""One order out of several inputs; files and Kafka use the same.

Records are taken by time; at the same time events come before labels. Within an input
the order is always its own. A head is taken only when the head of every other input is
known, or that input has ended for now: what is decided never depends on how records
were batched.
"""

from collections import deque
from heapq import heappop, heappush
from typing import Literal, NamedTuple

from stream.core.records import Row

Stream = Literal["events", "labels"]


Item = tuple[Stream, int, Row]
"""A record in its place: which input it belongs to, its position in that input, and itself."""


class Promise(NamedTuple):
    """A label that comes with its event and is set free at its own time."""

    time: float
    row: Row


class Merge:
    """Takes events and labels in order of time.

    Labels either come as an input of their own, or are promised with their event, as in a
    file where each row holds an event and the time at which its label became known: such a
    label is taken at that time, but after its event.

    Examples
    --------
    >>> merge, row = Merge(), Row({}, b"")
    >>> merge.feed("events", 10.0, 0, row); merge.feed("events", 30.0, 1, row)
    >>> merge.feed("labels", 10.0, 0, row)
    >>> merge.end("labels")
    >>> [(stream, offset) for stream, offset, _ in merge.take(9)]
    [('events', 0), ('labels', 0), ('events', 1)]
    """

    def __init__(self) -> None:
        self._events: deque[tuple[float, int, Row, Promise | None]] = deque()
        self._labels: deque[tuple[float, int, Row]] = deque()
        self._promised: list[tuple[float, int, Row]] = []
        self._set_free = 0
        self._ended: set[Stream] = set()

    def __len__(self) -> int:
        return len(self._events) + len(self._labels) + len(self._promised)

    def feed(
        self, stream: Stream, time: float, offset: int, row: Row, promise: Promise | None = None
    ) -> None:
        """Add the next record of an input."""
        if stream == "events":
            self._events.append((time, offset, row, promise))
        else:
            self._labels.append((time, offset, row))

    def end(self, stream: Stream) -> None:
        """Hear that an input has no further records for now."""
        self._ended.add(stream)

    def reopen(self, stream: Stream) -> None:
        """Hear that an input that was at its end goes on."""
        self._ended.discard(stream)

    def wants(self, stream: Stream) -> bool:
        """Whether nothing can be taken before this input is fed or ended."""
        queue = self._events if stream == "events" else self._labels
        return not queue and stream not in self._ended

    def take(self, most: int) -> list[Item]:
        """Take up to `most` records that are in their final order."""
        taken: list[Item] = []
        events, labels, promised = self._events, self._labels, self._promised
        more_events, more_labels = "events" not in self._ended, "labels" not in self._ended
        for _ in range(most):
            if (more_events and not events) or (more_labels and not labels):
                break
            time = events[0][0] if events else float("inf")
            if promised and promised[0][0] < time:
                _, _, row = heappop(promised)
                taken.append(("labels", self._set_free, row))
                self._set_free += 1
            elif labels and labels[0][0] < time:
                _, offset, row = labels.popleft()
                taken.append(("labels", offset, row))
            elif events:
                _, offset, row, promise = events.popleft()
                if promise is not None:
                    heappush(promised, (promise.time, offset, promise.row))
                taken.append(("events", offset, row))
            else:
                break
        return taken
