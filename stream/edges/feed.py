"""From a history in files to the records of the input topics: same values, same order.

A record carries its own time: an event the time it happened, a label the time at which it
became known. The service merges its inputs by these times, in whole milliseconds; a record
whose place in the file's order they would not give back is moved on, by as little as does.
"""

import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import orjson

from stream.core.decode import decode_json
from stream.core.merge import Stream
from stream.core.reading import raw_time, read_id
from stream.core.records import Fault, Row
from stream.core.settings import Settings
from stream.core.times import parse_time
from stream.edges.topics import Topics
from stream.edges.transports.base import Source
from stream.edges.transports.log import Place
from stream.edges.transports.partitioner import partition_of

_CHUNK = 1024
_MOST_UNUSABLE = 1 << 16
"""Bytes sent of a record that cannot be read anyway; the broker takes no more than 1 MiB."""

_ABSURD = 1.7976931348623157e308
"""Stands for an infinite number, which JSON lacks; the contract refuses the one as the other."""


class Message(NamedTuple):
    """A record to write; `time` in milliseconds since the epoch."""

    stream: Stream
    place: Place
    key: bytes | None
    value: bytes
    time: int


class Stamps:
    """Record times of one partition that give its order back when events and labels are merged.

    A merge takes a label only when its time is below that of the next event. So the first
    label after some events may not be earlier than any of them, and the first event after
    some labels has to be later than all of them.

    Parameters
    ----------
    most
        Milliseconds by which a record is moved at most; one that would have to be moved
        further, because of a stray time from the far future, keeps its own.
    """

    def __init__(self, most: float) -> None:
        self._most = most
        self._last: dict[Stream, int] = {"events": 0, "labels": 0}
        self._run: Stream = "events"
        self._highest = 0

    def stamp(self, stream: Stream, moment: int | None) -> int:
        """Give the time of the next record; without a moment of its own, that before it."""
        stamp = max(0, self._last[stream] if moment is None else moment)
        if stream != self._run:
            least = self._highest + (stream == "events")
            if stamp < least <= stamp + self._most:
                stamp = least
            self._run, self._highest = stream, 0
        self._highest = max(self._highest, stamp)
        self._last[stream] = stamp
        return stamp


def messages(
    source: Source,
    settings: Settings,
    topics: Topics,
    partitions: int,
    now: Callable[[], float] = time.time,
) -> Iterator[Message]:
    """Give the records of a source as they belong into the input topics, in its order.

    What cannot be read is sent as it is, or so that it cannot be read there either. A time
    in the future, which a broker would refuse, becomes the present.

    Parameters
    ----------
    source
        Gives rows with all their fields.
    now
        Seconds since the epoch.
    """
    stamps = [Stamps(settings.slack * 1000) for _ in range(partitions)]
    names: dict[Stream, str] = {"events": topics.events, "labels": topics.labels or topics.events}
    timed = settings.time_field is not None or settings.label_time_field is not None
    while items := source.read(_CHUNK):
        present = int(now() * 1000)
        for stream, offset, row in items:
            assert isinstance(row, Row), "the source gives whole rows"
            key = _key(settings, stream, offset, row)
            partition = 0 if key is None else partition_of(key, partitions)
            moment = _moment(settings, stream, row, present) if timed else present
            stamp = stamps[partition].stamp(stream, moment)
            yield Message(stream, Place(names[stream], partition), key, encode(row), stamp)


def encode(row: Row) -> bytes:
    """Give the JSON that is decoded to the same fields, or that is as unusable as the row.

    Examples
    --------
    >>> encode(Row({"delay": 12.0}, b"12"))
    b'{"delay":12.0}'
    >>> encode(Row(Fault("bad_csv", "3 cells where 2 were expected"), b"1,2,3"))
    b'1,2,3'
    """
    fields = row.fields
    if isinstance(fields, Fault):
        return _unusable(row.raw[:_MOST_UNUSABLE])
    try:
        value = orjson.dumps(fields, default=_nested)
    except TypeError:  # deeper than orjson writes, though not than it reads
        return row.raw
    if b"null" in value and any(map(_infinite, fields.values())):
        finite = {k: (_ABSURD if v > 0 else -_ABSURD) if _infinite(v) else v
                  for k, v in fields.items()}  # fmt: skip
        value = orjson.dumps(finite, default=_nested)
    return value


def _unusable(raw: bytes) -> bytes:
    if isinstance(decode_json(raw, len(raw)).fields, Fault):
        return raw
    return orjson.dumps(raw.decode(errors="replace"))  # a text is no object


def _nested(value: Any) -> list[str]:
    """Write what a Parquet file may hold and JSON may not so that it stays no feature."""
    return [str(value)]


def _infinite(value: Any) -> bool:
    return type(value) is float and value in (float("inf"), float("-inf"))


def _key(settings: Settings, stream: Stream, offset: int, row: Row) -> bytes | None:
    """Give the id as a key; None for a record that has no usable one."""
    if isinstance(row.fields, Fault):
        return None
    named = settings.id_field or ("id" if stream == "labels" else None)
    identity = str(offset) if named is None else read_id(row.fields.get(named))
    return None if isinstance(identity, Fault) else identity.encode()


def _moment(settings: Settings, stream: Stream, row: Row, latest: int) -> int | None:
    if isinstance(row.fields, Fault):
        return None
    moment = parse_time(raw_time(settings, stream, row.fields))
    return None if isinstance(moment, Fault) else min(round(moment * 1000), latest)
