"""One order out of several inputs; files and Kafka use the same.

Records are taken by time; at the same time events come before labels. Within an input
the order is always its own: a record whose time lies before that of the one ahead of it has
that one's place. A record is taken only when no other input can still bring an earlier one,
because it has come as far in time, or has ended for now: what is decided never depends on how
records were batched.
"""

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Collection, Iterable
from heapq import heappop, heappush, heapreplace
from itertools import accumulate, repeat
from typing import Any, Literal

from stream.core.records import Fault, Record, Row

Stream = Literal["events", "labels", "control"]


Item = tuple[Stream, int, Record]
"""A record in its place: which input it belongs to, its position in that input, and itself."""

_Timed = tuple[float, Stream, int, Record]
"""An item behind its time. These sort as they are: events before labels, then by position."""

_START, _END = float("-inf"), float("inf")


Head = tuple[float, int, Record]
"""A record that waits to be taken, behind its time and its position."""


def by_heads(
    events: deque[Head], labels: deque[Head], most: int, ended: Collection[Stream]
) -> list[Item]:
    """Take up to `most` records of two inputs by the times of their heads.

    It is the order of `Merge`, decided with nothing but the heads in view. So a sequence that
    was taken can be cut anywhere, and the records of each part put in order by themselves
    give that part again: what a journal of the cuts relies on.

    Parameters
    ----------
    ended
        Inputs that are at their end for now; of the others the head has to be known.

    Examples
    --------
    >>> from stream.core.records import Row
    >>> row = Row({}, b"")
    >>> events, labels = deque([(10.0, 0, row), (30.0, 1, row)]), deque([(10.0, 0, row)])
    >>> [(stream, offset) for stream, offset, _ in by_heads(events, labels, 9, {"labels"})]
    [('events', 0), ('labels', 0), ('events', 1)]
    """
    taken: list[Item] = []
    add, next_event, next_label = taken.append, events.popleft, labels.popleft
    while len(taken) < most:
        if events and (labels or "labels" in ended):
            label_first = bool(labels) and labels[0][0] < events[0][0]
        elif labels and "events" in ended:
            label_first = True
        else:
            break
        _, offset, record = next_label() if label_first else next_event()
        add(("labels" if label_first else "events", offset, record))
    return taken


class Merge:
    """Takes events and labels in order of time.

    Labels either come as an input of their own, or are promised with their event, as in a
    file where each row holds an event and the time at which its label became known: such a
    label is taken at that time, but after its event.

    Parameters
    ----------
    most_promised
        How many labels may be promised at once. Of more, those furthest ahead become faults.

    Examples
    --------
    >>> from stream.core.records import Row
    >>> merge, row = Merge(), Row({}, b"")
    >>> merge.feed("events", 10.0, 0, row); merge.feed("events", 30.0, 1, row)
    >>> merge.feed("labels", 10.0, 0, row)
    >>> merge.end("labels")
    >>> [(stream, offset) for stream, offset, _ in merge.take(9)]
    [('events', 0), ('labels', 0), ('events', 1)]
    """

    def __init__(self, most_promised: int = 1_000_000) -> None:
        self._most_promised = most_promised
        self._events = _Fed()
        self._labels: list[_Timed] = []
        self._come: dict[Stream, float] = {"events": _START, "labels": _START}
        self._ended: set[Stream] = set()
        self._promised = _Promised()
        self._promises = False
        self._set_free = 0
        self._due: list[Item] = []  # in their final order
        self._next = 0  # of those due

    def feed(self, stream: Stream, time: float, offset: int, record: Record) -> None:
        """Add the next record of an input."""
        self.feed_all(stream, [time], [offset], [record])

    def feed_all(
        self,
        stream: Stream,
        times: list[float],
        offsets: Iterable[int],
        records: Iterable[Record],
    ) -> list[float]:
        """Add the next records of an input; gives the times by which they are taken."""
        if not times:
            return []
        come = times
        if times[0] < self._come[stream] or sorted(times) != times:
            come = list(accumulate(times, max, initial=self._come[stream]))
            del come[0]
        self._come[stream] = come[-1]
        if stream == "events":
            self._events.add(come, offsets, records)
        else:
            self._labels += zip(come, repeat(stream), offsets, records, strict=False)
        return come

    def promise(
        self, times: Iterable[float], offsets: Iterable[int], labels: Iterable[Record | None]
    ) -> None:
        """Add the labels of events just fed, where they have one.

        Parameters
        ----------
        times
            At which each is to be taken, not before its event's.
        offsets
            Those of the events.
        """
        self._promises = True
        timed = zip(times, repeat("labels"), offsets, labels, strict=False)
        promised: list[_Timed] = sorted(
            label for label in timed if label[3] is not None  # type: ignore[misc]
        )
        room = max(self._most_promised - len(self._promised), 0)
        fault = Fault("too_many_promised", f"over {self._most_promised} labels were known later")
        refused: list[_Timed] = [
            (self._come["events"], "labels", offset, Row(fault, label.raw))
            for _, _, offset, label in promised[room:]
        ]
        self._promised.add(promised[:room])
        self._promised.add(sorted(refused))

    def end(self, stream: Stream) -> None:
        """Hear that an input has no further records for now."""
        self._ended.add(stream)

    def wants(self, stream: Stream) -> bool:
        """Whether nothing can be taken before this input is fed or ended."""
        fed = self._events.times if stream == "events" else self._labels
        return not fed and stream not in self._ended and self._next == len(self._due)

    def take(self, most: int) -> list[Item]:
        """Take up to `most` records that are in their final order."""
        if self._next == len(self._due):
            self._due, self._next = self._decide(), 0
        taken = self._due[self._next : self._next + most]
        self._next += len(taken)
        return taken

    def _decide(self) -> list[Item]:
        """Put all in order that nothing yet to come can go before."""
        until = _END if "labels" in self._ended else self._come["labels"]
        before = _END if "events" in self._ended else self._come["events"]
        cut = len(self._labels) if before == _END else bisect_left(self._labels, (before,))
        labels = self._labels[:cut]
        del self._labels[:cut]
        if self._promises:
            labels = self._numbered(sorted(labels + self._promised.take(before)))
        times, offsets, records = self._events.take(until)
        items: list[Item] = []
        at, size = 0, len(times)
        for label in labels:
            known: float = label[0]
            while at < size and times[at] <= known:
                items.append(("events", offsets[at], records[at]))
                at += 1
            items.append(label[1:])
        items += zip(repeat("events"), offsets[at:], records[at:], strict=False)
        return items

    def _numbered(self, labels: list[_Timed]) -> list[_Timed]:
        """Give labels that were promised their own positions, in the order they are taken."""
        first = self._set_free
        self._set_free += len(labels)
        return [
            (time, stream, at, record)
            for at, (time, stream, _, record) in enumerate(labels, first)
        ]


class _Fed:
    """Events in their order, that are not decided yet."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self._offsets: list[Any] = []  # integers, passed on and no more
        self._records: list[Record] = []

    def add(self, times: list[float], offsets: Iterable[int], records: Iterable[Record]) -> None:
        self.times += times
        self._offsets += offsets
        self._records += records

    def take(self, until: float) -> tuple[list[float], list[Any], list[Record]]:
        """Take those out that are not later."""
        times, offsets, records = self.times, self._offsets, self._records
        cut = len(times) if until == _END else bisect_right(times, until)
        if cut == len(times):
            self.times, self._offsets, self._records = [], [], []
            return times, offsets, records
        taken = times[:cut], offsets[:cut], records[:cut]
        del times[:cut], offsets[:cut], records[:cut]
        return taken


class _Promised:
    """Labels that are known only later: sorted runs, and a heap of their first times."""

    def __init__(self) -> None:
        self._runs: list[tuple[float, int, list[_Timed]]] = []
        self._made = 0
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def add(self, labels: list[_Timed]) -> None:
        """Add labels, which are sorted."""
        if labels:
            self._made += 1
            self._size += len(labels)
            heappush(self._runs, (labels[0][0], self._made, labels))

    def take(self, before: float) -> list[_Timed]:
        """Take those out that come before, run by run."""
        taken: list[_Timed] = []
        runs = self._runs
        while runs and (runs[0][0] < before or before == _END):
            _, number, run = runs[0]
            cut = len(run) if before == _END else bisect_left(run, (before,))
            taken += run[:cut]
            del run[:cut]
            if run:
                heapreplace(runs, (run[0][0], number, run))
            else:
                heappop(runs)
        self._size -= len(taken)
        return taken
