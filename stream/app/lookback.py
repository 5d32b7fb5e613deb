"""Labelled events of the past, read again from the topics: more than the state can hold."""

from collections import deque
from collections.abc import Callable, Iterator
from typing import ParamSpec, TypeVar

from stream.app.stretch import Stretch
from stream.core.contract import Contract
from stream.core.errors import StopRequestedError
from stream.core.labelled import Labelled
from stream.core.making import Past
from stream.core.merge import Item
from stream.core.records import Fault, Features, Record
from stream.edges.history import History
from stream.edges.transports.base import Position

_AT_ONCE = 1024

Given = ParamSpec("Given")
Found = TypeVar("Found")


def labelled_before(stretch: Stretch, past: Past) -> list[Labelled]:
    """Give up to so many of the newest labelled events before a position, as labels came.

    Events are held to the contract as it stood at that position. It goes back twice as many
    events as are wanted, and twice as many again while those do not do: there are too few, or
    labels between them are of events from before that, fewer each time.
    """
    end, count = past.position, past.wanted
    first = stretch.ranges[stretch.inputs.places["events"]].start
    back, missed = 2 * count, count + 1
    while True:
        start = max(end["events"] - back, first)
        found = _labelled(stretch, past, start)
        enough = len(found.newest) == count and not 0 < found.missed < missed
        if enough or start == first:
            return [row for _, row in found.newest]
        back, missed = 2 * back, found.missed


def _labelled(stretch: Stretch, past: Past, start: int) -> "_Reading":
    settings = stretch.settings
    reading = _Reading(Contract(settings), past.wanted, settings.max_pending)
    reading.contract.restore(past.contract)
    for stream, offset, record in _items(stretch, start, past.position):
        if stream == "events":
            reading.event(offset, record)
        elif stream == "labels":
            reading.label(record)
    return reading


def _items(stretch: Stretch, start: int, end: Position) -> Iterator[Item]:
    begin = {s: min(n, end.get(s, 0)) for s, n in stretch.position(str(start)).items()}
    history = History(stretch.log, stretch.inputs, begin, stretch.steps(begin, end))
    while items := history.read(_AT_ONCE):
        yield from items


class _Reading:
    """Joins events with their labels, as the fold did.

    Attributes
    ----------
    newest
        The newest labelled events, behind a number that grows with the labels.
    """

    def __init__(self, contract: Contract, count: int, most: int) -> None:
        self.contract = contract
        self.newest: deque[tuple[int, Labelled]] = deque(maxlen=count)
        self._labels = 0
        self._astray: deque[int] = deque(maxlen=count)  # numbers of labels without an event
        self._most = most
        self._waiting: dict[str, tuple[float, Features]] = {}

    def event(self, offset: int, record: Record) -> None:
        read = _read(self.contract.event, offset, record)
        if isinstance(read, Fault) or read.id in self._waiting:
            return
        if read.label is not None:
            self._add(Labelled(read.moment, read.features, read.label))
            return
        self._waiting[read.id] = read.moment, read.features
        if len(self._waiting) > self._most:
            del self._waiting[next(iter(self._waiting))]

    def label(self, record: Record) -> None:
        known = _read(self.contract.label, record)
        if isinstance(known, Fault):
            return
        read, label = known
        if event := self._waiting.pop(read.id, None):
            self._add(Labelled(*event, label))
        else:
            self._labels += 1
            self._astray.append(self._labels)

    def _add(self, row: Labelled) -> None:
        self._labels += 1
        self.newest.append((self._labels, row))

    @property
    def missed(self) -> int:
        """Labels without an event that came after the oldest of the newest."""
        oldest = self.newest[0][0] if self.newest else 0
        return sum(number > oldest for number in self._astray)


def _read(
    reader: Callable[Given, Found | Fault], *given: Given.args, **named: Given.kwargs
) -> Found | Fault:
    try:
        return reader(*given, **named)
    except StopRequestedError as error:  # that was long ago
        return Fault("stopped", str(error))
