"""A stretch of the log's inputs, read again as one ordered source."""

from collections import deque
from collections.abc import Iterator, Sequence
from itertools import islice

from stream.core.decode import decode_alike, decode_json
from stream.core.errors import SourceError
from stream.core.merge import Head, Item, Stream, by_heads
from stream.core.reading import read_events
from stream.core.records import Fault, Record, Row, Shape
from stream.core.settings import Settings
from stream.edges.topics import Topics
from stream.edges.transports.base import Position
from stream.edges.transports.log import Incoming, Log, Place
from stream.edges.transports.log import Record as Kept

_BATCH = 1024
_CONTROL = 4096
_ALIKE = 512
"""Records that are taken to be alike; where one is not, these lose the gain of it."""

_TOMBSTONE = Row(Fault("tombstone", "the record has no value"), b"")


def decode(value: bytes | None, max_record: int) -> Row:
    """Decode the value of a record; a tombstone becomes a fault as well."""
    return _TOMBSTONE if value is None else decode_json(value, max_record)


def decode_all(values: Sequence[bytes | None], max_record: int) -> list[Row]:
    """Decode the values of records, a few hundred at a time where nothing is wrong with them."""
    rows: list[Row] = []
    for start in range(0, len(values), _ALIKE):
        some = values[start : start + _ALIKE]
        rows += decode_alike(some, max_record) or [decode(value, max_record) for value in some]
    return rows


class Inputs:
    """Where the streams of one partition number lie in the log.

    Parameters
    ----------
    settings
        Field names, to tell labels from events where both come in one topic.
    places
        Of events, of control records and, where they have a topic of their own, of labels.
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
        return "labels" not in self.places

    def next_offset(self, position: Position, stream: Stream) -> int:
        """Give the next offset of the topic in which a stream comes."""
        if stream == "events" and self.single:
            return max(position["events"], position["labels"])
        return position.get(stream, 0)

    def starts(self, position: Position) -> dict[Place, int]:
        """Give the next offset to read of each topic."""
        return {
            place: self.next_offset(position, stream) for stream, place in self.places.items()
        }

    def heads(self, stream: Stream, records: Sequence[Incoming]) -> Iterator[Head]:
        """Decode records of a topic of one kind, behind their times."""
        if not records:
            return iter(())
        offsets, times, values = zip(*records, strict=True)
        # What the service asks of itself is longer than a limit on events might be.
        most = max(self.settings.max_record, _CONTROL * (stream == "control"))
        rows = decode_all(values, most)
        read = read_events(self.settings, offsets, rows) if stream == "events" else rows
        return zip(map(float, times), offsets, read, strict=True)

    def mixed(self, records: Sequence[Incoming]) -> Iterator[Item]:
        """Decode records of a topic of both kinds; their order is that of the topic."""
        if not records:
            return iter(())
        offsets, _, values = zip(*records, strict=True)
        rows = decode_all(values, self.settings.max_record)
        streams = self._streams_of(rows)
        if "labels" not in streams:
            return zip(streams, offsets, read_events(self.settings, offsets, rows), strict=True)
        events = [n for n, stream in enumerate(streams) if stream == "events"]
        read = read_events(self.settings, [offsets[n] for n in events], [rows[n] for n in events])
        found: list[Record] = list(rows)
        for n, event in zip(events, read, strict=True):
            found[n] = event
        return zip(streams, offsets, found, strict=True)

    def _streams_of(self, rows: Sequence[Row]) -> list[Stream]:
        """Tell events from labels; rows of one shape have no nulls, and are all the same."""
        known: dict[Shape, Stream] = {}
        streams: list[Stream] = []
        for row in rows:
            shape = row[4]
            stream = None if shape is None else known.get(shape)
            if stream is None:
                stream = self.stream_of(row)
                if shape is not None:
                    known[shape] = stream
            streams.append(stream)
        return streams

    def stream_of(self, row: Row) -> Stream:
        """Tell an event from a label in a common topic: a label has no features beside it."""
        fields = row.fields
        if isinstance(fields, Fault) or fields.get(self.settings.label_field or "label") is None:
            return "events"
        return "labels" if fields.keys() <= self._aside else "events"


def inputs_of(settings: Settings, topics: Topics, number: int) -> Inputs:
    """Say where the streams of a partition number lie."""
    named: dict[Stream, str | None] = {
        "events": topics.events, "labels": topics.labels, "control": topics.control,
    }  # fmt: skip
    return Inputs(settings, {s: Place(name, number) for s, name in named.items() if name})


class History:
    """Records between two positions, in the order in which they were or would be folded.

    Parameters
    ----------
    steps
        Positions at which the order was cut, ascending, the last one being the end. Within a
        step control records come first and the others by time, events before labels. One step
        alone is the order of files.
    """

    def __init__(
        self, log: Log, inputs: Inputs, start: Position, steps: Sequence[Position]
    ) -> None:
        self._inputs = inputs
        self._steps = steps
        starts, ends = inputs.starts(start), inputs.starts(steps[-1])
        self._readers = {
            stream: _Reader(log, place, starts[place], ends[place])
            for stream, place in inputs.places.items()
        }
        self._items = (item for step in steps for item in self._step(step))

    def read(self, most: int) -> list[Item]:
        """Give up to `most` further records; [] at the end."""
        return list(islice(self._items, most))

    def _step(self, step: Position) -> Iterator[Item]:
        end = {s: self._inputs.next_offset(step, s) for s in self._readers}
        if "control" in self._readers:
            while records := self._readers["control"].take(end["control"], _BATCH):
                for _, offset, row in self._inputs.heads("control", records):
                    yield "control", offset, row
        if self._inputs.single:
            while records := self._readers["events"].take(end["events"], _BATCH):
                yield from self._inputs.mixed(records)
        else:
            yield from self._by_time(end)

    def _by_time(self, end: dict[Stream, int]) -> Iterator[Item]:
        events: deque[Head] = deque()
        labels: deque[Head] = deque()
        ended: set[Stream] = set()
        while True:
            queues: tuple[tuple[Stream, deque[Head]], ...] = ("events", events), ("labels", labels)
            for stream, queue in queues:
                if not queue and stream not in ended:
                    records = self._readers[stream].take(end[stream], _BATCH)
                    queue.extend(self._inputs.heads(stream, records))
                    if not records:
                        ended.add(stream)
            taken = by_heads(events, labels, _BATCH, ended)
            if not taken:
                return
            yield from taken


class _Reader:
    """One topic's records up to an end, taken in portions."""

    def __init__(self, log: Log, place: Place, start: int, end: int) -> None:
        self._records = log.read(place, start, end) if start < end else iter(())
        self._ahead: Kept | None = None

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
