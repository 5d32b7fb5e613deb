"""Files as one ordered stream: rows with their labels, or two files, or labels at their time."""

from collections.abc import Callable

from stream.core.errors import SourceError
from stream.core.merge import Item, Merge, Promise, Stream
from stream.core.records import Fault, Row
from stream.core.settings import Settings
from stream.core.times import parse_time
from stream.edges.readers import RowReader
from stream.edges.transports.base import Position, Source
from stream.edges.transports.memory import record_time

_BATCH = 1024
_NO_TIME = Fault("bad_label_time", "the row has a label but no usable time at which it was known")


class FileSource:
    """The rows of a file, in order.

    Parameters
    ----------
    open_events
        Opens the file at its start.
    """

    def __init__(self, open_events: Callable[[], RowReader]) -> None:
        self._open = open_events
        self._reader = open_events()
        self._next = 0

    def read(self, most: int) -> list[Item]:
        """Give up to `most` further records; [] at the end."""
        first = self._next
        rows = self._reader.read(most)
        self._next += len(rows)
        return [("events", offset, row) for offset, row in enumerate(rows, first)]

    def seek(self, position: Position) -> None:
        """Go on from a position that was reached before, or from the start."""
        if position["events"] == self._next:
            return
        self._reader.close()
        self._reader = self._open()
        self._next = self._reader.skip(position["events"])

    def close(self) -> None:
        """Close the file."""
        self._reader.close()


def in_order(
    settings: Settings,
    open_events: Callable[[], RowReader],
    open_labels: Callable[[], RowReader] | None,
) -> Source:
    """Give the rows of files as one stream: labels within them, apart, or split off."""
    if open_labels is None and settings.label_time_field is None:
        return FileSource(open_events)
    return MergedSource(settings, open_events, open_labels)


class MergedSource:
    """Events and labels in order of time: two files, or one whose rows say when the label came.

    Parameters
    ----------
    settings
        Names of the fields that hold ids, times and labels.
    open_events, open_labels
        Open the files at their start; without `open_labels` each row of the first is split
        into its event and, at the time in `label_time_field`, its label.
    """

    def __init__(
        self,
        settings: Settings,
        open_events: Callable[[], RowReader],
        open_labels: Callable[[], RowReader] | None,
    ) -> None:
        self._settings = settings
        self._label_field = settings.label_field or "label"
        self._known_field = settings.label_time_field or ""
        self._open_events = open_events
        self._open_labels = open_labels
        self._start()

    def _start(self) -> None:
        self._events = self._open_events()
        self._labels = None if self._open_labels is None else self._open_labels()
        self._merge = Merge()
        if self._labels is None:
            self._merge.end("labels")
        self._fed: dict[Stream, int] = {"events": 0, "labels": 0}
        self._last: dict[Stream, float] = {"events": float("-inf"), "labels": float("-inf")}
        self._taken = 0

    def read(self, most: int) -> list[Item]:
        """Give up to `most` further records in their final order; [] at the end."""
        items: list[Item] = []
        while len(items) < most:
            self._fill()
            taken = self._merge.take(most - len(items))
            if not taken:
                break
            items += taken
        self._taken += len(items)
        return items

    def seek(self, position: Position) -> None:
        """Go on from a position that was reached before, or from the start."""
        target = sum(position.values())
        if target == self._taken:
            return
        self.close()
        self._start()
        while self._taken < target:
            if not self.read(min(_BATCH, target - self._taken)):
                raise SourceError(
                    f"the input ends after {self._taken} records, before the {target} that were "
                    f"folded already: it was cut; start afresh with --fresh"
                )

    def close(self) -> None:
        """Close the files."""
        self._events.close()
        if self._labels is not None:
            self._labels.close()

    def _fill(self) -> None:
        if self._merge.wants("events"):
            self._feed("events", self._events)
        if self._labels is not None and self._merge.wants("labels"):
            self._feed("labels", self._labels)

    def _feed(self, stream: Stream, reader: RowReader) -> None:
        rows = reader.read(_BATCH)
        if not rows:
            self._merge.end(stream)
        settings, feed, split = self._settings, self._merge.feed, self._labels is None
        time = self._last[stream]
        for offset, row in enumerate(rows, self._fed[stream]):
            time = record_time(settings, stream, row, offset, time)
            feed(stream, time, offset, row, self._promise(offset, time, row) if split else None)
        self._fed[stream] += len(rows)
        self._last[stream] = time

    def _promise(self, offset: int, time: float, row: Row) -> Promise | None:
        """Take the label out of a row, to be set free when it became known."""
        fields = row.fields
        if isinstance(fields, Fault):
            return None
        label = fields.pop(self._label_field, None)
        known = fields.pop(self._known_field, None)
        if label is None or label in self._settings.missing:
            return None
        moment = parse_time(known)
        if isinstance(moment, Fault):
            return Promise(time, Row(_NO_TIME, row.raw))
        named = self._settings.id_field
        identity = fields.get(named) if named else offset
        apart = {named or "id": identity, self._label_field: label, self._known_field: known}
        return Promise(moment, Row(apart, row.raw))
