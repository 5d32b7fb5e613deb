"""A stretch of the log's inputs, read again as one ordered source."""

from collections.abc import Iterator, Sequence

from stream.core.decode import decode_json
from stream.core.errors import SourceError
from stream.core.merge import Item, Merge, Stream
from stream.core.records import Fault, Row
from stream.core.settings import Settings
from stream.edges.transports.base import Position
from stream.edges.transports.log import Log, Place, Record

_BATCH = 1024
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
        inputs, limit = self._inputs, self._inputs.settings.max_record
        for record in self._readers["events"].rest():
            row = decode(record.value, limit)
            yield inputs.stream_of(row), record.offset, row

    def _in_steps(self) -> Iterator[Item]:
        for step in self._steps:
            yield from self._step(step)

    def _step(self, step: Position) -> Iterator[Item]:
        merge, limit = Merge(), self._inputs.settings.max_record
        while True:
            for stream, reader in self._readers.items():
                if merge.wants(stream):
                    records = reader.take(step[stream], _BATCH)
                    if not records:
                        merge.end(stream)
                    for record in records:
                        row = decode(record.value, limit)
                        merge.feed(stream, float(record.time), record.offset, row)
            taken = merge.take(_BATCH)
            if not taken:
                return
            yield from taken


class _Reader:
    """One topic's records up to an end, taken in portions."""

    def __init__(self, log: Log, place: Place, start: int, end: int) -> None:
        self._records = log.read(place, start, end) if start < end else iter(())
        self._ahead: Record | None = None

    def rest(self) -> Iterator[Record]:
        yield from self._records

    def take(self, end: int, most: int) -> list[Record]:
        taken: list[Record] = []
        while len(taken) < most:
            record = self._ahead or next(self._records, None)
            self._ahead = record
            if record is None or record.offset >= end:
                break
            taken.append(record)
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
