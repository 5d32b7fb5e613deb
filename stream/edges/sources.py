"""Files as one ordered stream: rows with their labels, or two files, or labels at their time."""

from collections.abc import Callable, Sequence
from itertools import repeat

from stream.core.errors import SourceError
from stream.core.merge import Item, Merge
from stream.core.reading import read_events, read_label, split_rows, times_of
from stream.core.records import Fault, LabelRecord, Record, Row
from stream.core.settings import Settings
from stream.edges.readers import RowReader
from stream.edges.transports.base import Position, Source

_BATCH = 1024
_MOST = 1 << 16  # rows taken at once, where they lie in columns
_UNTIMED = float("-inf")  # a record without a usable time stays behind the one before it


class FileSource:
    """The rows of a file, in order.

    Parameters
    ----------
    settings
        Names of the fields that hold ids, times and labels.
    open_events
        Opens the file at its start.
    """

    def __init__(
        self, settings: Settings, open_events: Callable[[], RowReader], as_rows: bool = False
    ) -> None:
        self._settings = settings
        self._as_rows = as_rows
        self._open = open_events
        self._reader = open_events()
        self._next = 0

    def read(self, most: int) -> list[Item]:
        """Give up to `most` further records; [] at the end."""
        table = self._reader.read_table(most)
        offsets = range(self._next, self._next + len(table))
        self._next += len(table)
        events = table.rows() if self._as_rows else read_events(self._settings, offsets, table)
        return list(zip(repeat("events"), offsets, events, strict=False))

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
    as_rows: bool = False,
) -> Source:
    """Give the rows of files as one stream: labels within them, apart, or split off.

    Parameters
    ----------
    as_rows
        Whether to give rows with all their fields, for whoever passes them on, rather than the
        events and labels that the fold takes.
    """
    if open_labels is None and settings.label_time_field is None:
        return FileSource(settings, open_events, as_rows)
    return MergedSource(settings, open_events, open_labels, as_rows)


class MergedSource:
    """Events and labels in order of time: two files, or one whose rows say when the label came.

    Parameters
    ----------
    settings
        Names of the fields that hold ids, times and labels.
    open_events, open_labels
        Open the files at their start; without `open_labels` each row of the first is split
        into its event and, at the time in `label_time_field`, its label.
    as_rows
        Whether to give rows with all their fields.
    """

    def __init__(
        self,
        settings: Settings,
        open_events: Callable[[], RowReader],
        open_labels: Callable[[], RowReader] | None,
        as_rows: bool = False,
    ) -> None:
        self._settings = settings
        self._as_rows = as_rows
        self._open_events = open_events
        self._open_labels = open_labels
        self._start()

    def _start(self) -> None:
        self._events = self._open_events()
        self._labels = None if self._open_labels is None else self._open_labels()
        self._merge = Merge(self._settings.max_pending)
        if self._labels is None:
            self._merge.end("labels")
        self._events_fed = self._labels_fed = 0
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
            self._feed_events()
        if self._labels is not None and self._merge.wants("labels"):
            self._feed_labels(self._labels)

    def _feed_events(self) -> None:
        table = self._events.read_table(_MOST)
        if not len(table):
            return self._merge.end("events")
        settings, offsets = self._settings, range(self._events_fed, self._events_fed + len(table))
        self._events_fed += len(table)
        whole = list(map(_copied, table.rows())) if self._as_rows else []
        labels: Sequence[LabelRecord | Row | None] = []
        if self._labels is None:
            events, labels = split_rows(settings, offsets, table)
        else:
            events = read_events(settings, offsets, table)
        records: Sequence[Record] = whole or events
        times = self._merge.feed_all("events", times_of(events), offsets, records)
        due = list(map(_due, times, labels))
        apart = list(map(self._apart, labels, offsets, whole)) if whole else labels
        self._merge.promise(due, offsets, apart)
        for row in whole if labels else []:
            self._without_label(row)
        return None

    def _apart(self, label: LabelRecord | Row | None, offset: int, row: Row) -> Row | None:
        """Give a label that was split off as a row of its own."""
        if not isinstance(label, LabelRecord):
            return label
        assert isinstance(row.fields, dict), "a row without fields has no label"
        named = self._settings.id_field
        identity = row.fields.get(named) if named else offset
        apart = {
            named or "id": identity,
            self._settings.label_field or "label": label.label,
            self._settings.label_time_field or "": label.time,
        }
        return Row(apart, row.raw)

    def _without_label(self, row: Row) -> None:
        if not isinstance(row.fields, Fault):
            row.fields.pop(self._settings.label_field or "label", None)
            row.fields.pop(self._settings.label_time_field or "", None)

    def _feed_labels(self, reader: RowReader) -> None:
        rows = reader.read(_BATCH)
        if not rows:
            return self._merge.end("labels")
        offsets = range(self._labels_fed, self._labels_fed + len(rows))
        self._labels_fed += len(rows)
        labels: list[Record] = []
        times = []
        timed = self._settings.time_field or self._settings.label_time_field
        for offset, row in zip(offsets, rows, strict=True):
            label = read_label(self._settings, row)
            if self._as_rows:
                labels.append(row)
            else:
                labels.append(Row(label, row.raw) if isinstance(label, Fault) else label)
            moment = None if isinstance(label, Fault) else label.moment
            if timed is None:
                moment = float(offset)
            times.append(_UNTIMED if moment is None else moment)
        self._merge.feed_all("labels", times, offsets, labels)
        return None


def _due(time: float, label: LabelRecord | Row | None) -> float:
    """Give when a label is taken: when it became known, but not before its event."""
    if type(label) is not LabelRecord:
        return time
    _, _, moment, _, _ = label
    return time if moment is None or moment < time else moment


def _copied(row: Row) -> Row:
    """Keep a row whole, since reading its event takes the fields apart."""
    return row if isinstance(row.fields, Fault) else row._replace(fields=dict(row.fields))
