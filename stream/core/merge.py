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


class Item(NamedTuple):
    """A record in its place.

    Attributes
    ----------
    stream
        Which input it belongs to.
    offset
        Its position in that input.
    """

    stream: Stream
    offset: int
    row: Row


class Merge:
    """Takes events and labels in order of time.

    Labels either come as an input of their own (`feed` them), or are set free when their
    event is taken (`promise`), as in a file where each row holds an event and the time at
    which its label became known.

    Examples
    --------
    >>> merge, row = Merge(), Row({}, b"")
    >>> merge.feed("events", 10.0, 0, row); merge.feed("events", 30.0, 1, row)
    >>> merge.feed("labels", 10.0, 0, row)
    >>> merge.end("labels")
    >>> [(item.stream, item.offset) for item in merge.take(9)]
    [('events', 0), ('labels', 0), ('events', 1)]
    """

    def __init__(self) -> None:
        self._events: deque[tuple[float, int, Row]] = deque()
        self._labels: deque[tuple[float, int, Row]] = deque()
        self._promised: list[tuple[float, int, Row]] = []
        self._promises: dict[int, tuple[float, Row]] = {}
        self._set_free = 0
        self._ended: set[Stream] = set()

    def feed(self, stream: Stream, time: float, offset: int, row: Row) -> None:
        """Add the next record of an input."""
        (self._events if stream == "events" else self._labels).append((time, offset, row))

    def promise(self, event: int, time: float, row: Row) -> None:
        """Add the label of an event that was fed, to be taken at `time` but after its event."""
        self._promises[event] = (time, row)

    def end(self, stream: Stream) -> None:
        """Hear that an input has no further records for now."""
        self._ended.add(stream)

    def wants(self, stream: Stream) -> bool:
        """Whether nothing can be taken before this input is fed or ended."""
        queue = self._events if stream == "events" else self._labels
        return not queue and stream not in self._ended

    def take(self, most: int) -> list[Item]:
        """Take up to `most` records that are in their final order."""
        taken: list[Item] = []
        while len(taken) < most:
            if not self._events and "events" not in self._ended:
                break
            if not self._labels and "labels" not in self._ended:
                break
            item = self._next()
            if item is None:
                break
            taken.append(item)
        return taken

    def _next(self) -> Item | None:
        event = self._events[0] if self._events else None
        label = self._labels[0] if self._labels else None
        promised = self._promised[0] if self._promised else None
        if event is not None and (label is None or event[0] <= label[0]) and (
            promised is None or event[0] <= promised[0]
        ):
            self._events.popleft()
            self._free(event[1])
            return Item("events", event[1], event[2])
        if promised is not None:
            heappop(self._promised)
            self._set_free += 1
            return Item("labels", self._set_free - 1, promised[2])
        if label is not None:
            self._labels.popleft()
            return Item("labels", label[1], label[2])
        return None

    def _free(self, event: int) -> None:
        promise = self._promises.pop(event, None)
        if promise is not None:
            heappush(self._promised, (promise[0], event, promise[1]))
