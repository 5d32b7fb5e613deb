"""Inputs and outputs in memory: for tests, notebooks and short histories.

It keeps the contract of every other transport: records are bytes, as they are on a wire,
and outputs appear only when they are committed.
"""

from collections.abc import Iterable, Mapping
from copy import copy
from typing import Any

import orjson

from stream.core.decode import decode_json
from stream.core.merge import Item, Merge, Stream
from stream.core.parts import Outputs
from stream.core.reading import raw_time
from stream.core.records import Fault, Row
from stream.core.settings import Settings
from stream.core.times import parse_time
from stream.edges.transports.base import Committed, Position
from stream.state.blob import Manifest


class MemorySource:
    """Events, and labels if they come apart, given as mappings or as encoded JSON.

    Parameters
    ----------
    settings
        Says which fields hold the times that decide the order of the two.
    events, labels
        The records; text and bytes are taken as one JSON object each.
    """

    def __init__(
        self,
        settings: Settings,
        events: Iterable[Mapping[str, Any] | bytes | str],
        labels: Iterable[Mapping[str, Any] | bytes | str] | None = None,
    ) -> None:
        self._settings = settings
        self._events = [_encode(event) for event in events]
        self._labels = None if labels is None else [_encode(label) for label in labels]
        self._order: list[tuple[Stream, int]] | None = None
        self._next = 0

    def read(self, most: int) -> list[Item]:
        """Give up to `most` further records in their final order; [] at the end."""
        if self._labels is None:
            end = min(self._next + most, len(self._events))
            items: list[Item] = [
                ("events", offset, self._row("events", offset)) for offset in range(self._next, end)
            ]
        else:
            self._order = self._order or self._merged()
            places = self._order[self._next : self._next + most]
            items = [(stream, offset, self._row(stream, offset)) for stream, offset in places]
        self._next += len(items)
        return items

    def seek(self, position: Position) -> None:
        """Go on from a position that was reached before, or from the start."""
        self._next = position["events"] + position["labels"]

    def close(self) -> None:
        """Do nothing: there is nothing to let go of."""

    def _row(self, stream: str, offset: int) -> Row:
        raws = self._events if stream == "events" else self._labels
        assert raws is not None
        return decode_json(raws[offset], self._settings.max_record)

    def _merged(self) -> list[tuple[Stream, int]]:
        merge = Merge()
        assert self._labels is not None
        last = float("-inf")
        for offset in range(len(self._events)):
            last = record_time(self._settings, "events", self._row("events", offset), offset, last)
            merge.feed("events", last, offset, Row({}, b""))
        last = float("-inf")
        for offset in range(len(self._labels)):
            last = record_time(self._settings, "labels", self._row("labels", offset), offset, last)
            merge.feed("labels", last, offset, Row({}, b""))
        merge.end("events")
        merge.end("labels")
        everything = len(self._events) + len(self._labels)
        return [(stream, offset) for stream, offset, _ in merge.take(everything)]


def record_time(
    settings: Settings, stream: str, row: Row, offset: int, last: float
) -> float:
    """Give the time by which a record takes its place among those of other inputs.

    A record that has no usable time stays where it is: it takes the time of the one before
    it. Without a time field it is the position.
    """
    if settings.time_field is None and settings.label_time_field is None:
        return float(offset)
    if isinstance(row.fields, Fault):
        return last
    time = parse_time(raw_time(settings, stream, row.fields))
    return last if isinstance(time, Fault) else time


class MemorySink:
    """Committed outputs as lists of records.

    Attributes
    ----------
    outputs
        Everything committed so far.
    checkpoints
        The manifests committed so far.
    """

    def __init__(self) -> None:
        self.outputs = Outputs()
        self._written = Outputs()
        self.checkpoints: list[Manifest] = []
        self.committed = Committed()

    def begin(self) -> Committed:
        """Find out what was committed last."""
        return copy(self.committed)

    def write(self, outputs: Outputs) -> None:
        """Take outputs; nobody sees them before they are committed."""
        self._written.extend(outputs)

    def discard(self) -> None:
        """Forget what was written since the last commit."""
        self._written = Outputs()

    def commit(self, committed: Committed, manifest: Manifest | None) -> None:
        """Make all that was written, the position and a new manifest appear at once."""
        self.outputs.extend(self._written)
        self._written = Outputs()
        if manifest is not None:
            self.checkpoints.append(manifest)
        self.committed = copy(committed)

    def manifests(self) -> list[Manifest]:
        """Give the manifests of all committed checkpoints, oldest first."""
        return list(self.checkpoints)

    def collected(self, kept: set[str]) -> None:
        """Do nothing: the announcements stay as the history of the run."""

    def close(self) -> None:
        """Do nothing: there is nothing to let go of."""


def _encode(record: Mapping[str, Any] | bytes | str) -> bytes:
    if isinstance(record, bytes):
        return record
    if isinstance(record, str):
        return record.encode()
    return orjson.dumps(dict(record), option=orjson.OPT_SERIALIZE_NUMPY)
