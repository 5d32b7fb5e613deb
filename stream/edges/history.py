"""A stretch of the log's inputs, read again as one ordered source."""

from collections import deque
from collections.abc import Iterator, Sequence

from stream.core.decode import decode_json
from stream.core.errors import SourceError
from stream.core.merge import Head, Item, Stream, by_heads
from stream.core.reading import read_events
from stream.core.records import Fault, Row
from stream.core.settings import Settings
from stream.edges.transports.base import Position
from stream.edges.transports.log import Incoming, Log, Place, Record

_BATCH = 1024
_FAR = 1 << 63
_TOMBSTONE = Row(Fault("tombstone", "the record has no value"), b"")


def decode(value: bytes | None, max_record: int) -> Row:
    """Decode the value of a record; a tombstone becomes a fault as well."""
    return _TOMBSTONE if value is None else decode_json(value, max_record)


class Inputs:
    """Where the streams of one partition number lie in the log.

    Parameters
    ----------
    settings
        Field names, to tell labels from events where both come in one topic.
    places
        Of events and, where they have a topic of their own, of labels.
    """

    def __init__(self, settings: Settings, places: dict[Stream, Place]) -> None:
        self.settings = settings
        self.places = places
        self.streams = {place: stream for stream, place in places.items()}
        self._aside = {
            settings.id_field or "id",
            settings.time_field,
            settings.label_time_field,
            settings.label_field or "label",
        }

    @property
    def single(self) -> bool:
        """Whether events and labels come in one topic."""
        return len(self.places) == 1

    def next_offset(self, position: Position, stream: Stream) -> int:
        """Give the next offset of the topic in which a stream comes."""
        return max(position.values()) if self.single else position[stream]

    def starts(self, position: Position) -> dict[Place, int]:
        """Give the next offset to read of each topic."""
        return {
            place: self.next_offset(position, stream) for stream, place in self.places.items()
        }

    def heads(self, stream: Stream, records: Sequence[Incoming]) -> Iterator[Head]:
        """Decode records of a topic of one kind, behind their times."""
        limit = self.settings.max_record
        offsets = [offset for offset, _, _ in records]
        rows = [decode(value, limit) for _, _, value in records]
        times = [float(time) for _, time, _ in records]
        read = read_events(self.settings, offsets, rows) if stream == "events" else rows
        return zip(times, offsets, read, strict=True)

    def mixed(self, records: Sequence[Incoming]) -> Iterator[Item]:
        """Decode records of a topic of both kinds; their order is that of the topic."""
        limit = self.settings.max_record
        for offset, _, value in records:
            row = decode(value, limit)
            yield self.stream_of(row), offset, row

    def stream_of(self, row: Row) -> Stream:
        """Tell an event from a label in a common topic: a label has no features beside it."""
        fields = row.fields
        if isinstance(fields, Fault) or fields.get(self.settings.label_field or "label") is None:
            return "events"
        return "labels" if fields.keys() <= self._aside else "events"


class History:
    """Records between two positions, in the order in which they were or would be folded.

    Parameters
    ----------
    steps
        Positions at which the order was cut, ascending, the last one being the end. Within a
        step records are taken by time, events first. One step alone is the order of files.
    """

    def __init__(
        self, log: Log, inputs: Inputs, start: Position, steps: Sequence[Position]
    ) -> None:
        self._inputs = inputs
        self._steps = steps
        self._readers = {
            stream: _Reader(log, place, inputs.next_offset(start, stream),
                            inputs.next_offset(steps[-1], stream) if steps else 0)
            for stream, place in inputs.places.items()
        }  # fmt: skip
        self._items = self._alone() if inputs.single else self._in_steps()

    def read(self, most: int) -> list[Item]:
        """Give up to `most` further records; [] at the end."""
        items = []
        for item in self._items:
            items.append(item)
            if len(items) == most:
                break
        return items

    def _alone(self) -> Iterator[Item]:
        reader = self._readers["events"]
        while records := reader.take(_FAR, _BATCH):
            yield from self._inputs.mixed(records)

    def _in_steps(self) -> Iterator[Item]:
        for step in self._steps:
            yield from self._step(step)

    def _step(self, step: Position) -> Iterator[Item]:
        heads: dict[Stream, deque[Head]] = {"events": deque(), "labels": deque()}
        ended: set[Stream] = set()
        while True:
            for stream, reader in self._readers.items():
                if not heads[stream] and stream not in ended:
                    records = reader.take(step[stream], _BATCH)
                    heads[stream].extend(self._inputs.heads(stream, records))
                    if not records:
                        ended.add(stream)
            taken = by_heads(heads["events"], heads["labels"], _BATCH, ended)
            if not taken:
                return
            yield from taken


class _Reader:
    """One topic's records up to an end, taken in portions."""

    def __init__(self, log: Log, place: Place, start: int, end: int) -> None:
        self._records = log.read(place, start, end) if start < end else iter(())
        self._ahead: Record | None = None

    def take(self, end: int, most: int) -> list[Incoming]:
        taken: list[Incoming] = []
        while len(taken) < most:
            record = self._ahead or next(self._records, None)
            self._ahead = record
            if record is None or record.offset >= end:
                break
            taken.append((record.offset, record.time, record.value))
            self._ahead = None
        return taken


def check_reached(position: Position, target: Position) -> None:
    """Make sure that a stretch was there as a whole.

    Raises
    ------
    SourceError
        Records that were folded before are no longer in the log.
    """
    if position != target:
        raise SourceError(
            f"the log does not hold again what was folded up to {target}, only to {position}: "
            f"records were deleted or compacted away; go on under a new application name, or "
            f"replay what is left"
        )
