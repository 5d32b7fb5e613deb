"""From decoded objects to events and labels, as far as this takes no state.

A record can be read by itself, in the fold, or with many others beforehand, a column at a
time, which is cheaper. Both give the same, and it does not depend on what came before.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import repeat
from typing import Any

from stream.core.records import Event, Fault, LabelRecord, Record, Row
from stream.core.settings import Settings
from stream.core.tables import Table, as_table
from stream.core.times import parse_time, parse_times

_LONGEST_ID = 256
_NO_TIME = Fault("bad_label_time", "the row has a label but no usable time at which it was known")

# Without the call of `__new__`, which takes longer than the rest of a record here.
_as_event: Callable[[Iterable[Any]], Event] = partial(tuple.__new__, Event)
_as_label: Callable[[Iterable[Any]], LabelRecord] = partial(tuple.__new__, LabelRecord)


def read_event(settings: Settings, offset: int, row: Record) -> Event | Fault:
    """Read an event; the fields of the row are taken over and become its features."""
    assert isinstance(row, Row), "a label is no event"
    fields = row.fields
    if isinstance(fields, Fault):
        return fields
    named, timed, labelled = settings.id_field, settings.time_field, settings.label_field
    identity = str(offset) if named is None else read_id(fields.pop(named, None))
    time = offset if timed is None else fields.pop(timed, None)
    moment = float(offset) if timed is None else parse_time(time)
    label = None if labelled is None else fields.pop(labelled, None)
    for name in (*settings.ignore, settings.label_time_field or ""):
        fields.pop(name, None)
    if isinstance(identity, Fault):
        return identity
    if isinstance(moment, Fault):
        return moment
    return Event(identity, time, moment, fields, label, None, row.raw)


def read_label(settings: Settings, row: Record) -> LabelRecord | Fault:
    """Read a label record: the id, the label as it came, and a time if there is one."""
    assert isinstance(row, Row), "an event is no label"
    fields = row.fields
    if isinstance(fields, Fault):
        return fields
    identity = read_id(fields.get(settings.id_field or "id"))
    if isinstance(identity, Fault):
        return identity
    label = fields.get(settings.label_field or "label")
    time = label_time(settings, fields)
    if time is None:
        return LabelRecord(identity, None, None, label, row.raw)
    moment = parse_time(time)
    if isinstance(moment, Fault):
        return moment
    return LabelRecord(identity, time, moment, label, row.raw)


def read_events(
    settings: Settings, offsets: Sequence[int], records: Table | Sequence[Row]
) -> list[Event | Row]:
    """Read many events at once; one that cannot be used stays a row with its fault."""
    table = as_table(records)
    ids: Sequence[str | Fault]
    moments: Sequence[float | Fault]
    if settings.id_field is None:
        ids = list(map(str, offsets))
    else:
        ids = _read_ids(table.take(settings.id_field))
    if settings.time_field is None:
        times: Sequence[Any] = offsets
        moments = list(map(float, offsets))
    else:
        times = table.take(settings.time_field)
        moments = parse_times(times)
    labels: Iterable[Any] = repeat(None)
    if settings.label_field is not None:
        labels = table.take(settings.label_field)
    for name in (*settings.ignore, settings.label_time_field):
        if name is not None:
            table.take(name)
    features, shapes = table.features()
    columns = zip(ids, times, moments, features, labels, shapes, table.raws, strict=False)
    events: list[Event | Row] = list(map(_as_event, columns))
    for column in (moments, ids):  # of two faults the first counts
        if Fault in set(map(type, column)):
            for index, value in enumerate(column):
                if isinstance(value, Fault):
                    events[index] = Row(value, table.raws[index])
    for index, row in table.faults().items():
        events[index] = row
    return events


def split_rows(
    settings: Settings, offsets: Sequence[int], records: Table | Sequence[Row]
) -> tuple[list[Event | Row], list[LabelRecord | Row | None]]:
    """Read rows that hold an event and, with the time at which it became known, its label.

    Returns
    -------
    events, labels
        For each row its event, and its label: None where it has none or is of no use itself.
    """
    table = as_table(records)
    truths = table.take(settings.label_field or "label")
    known = table.take(settings.label_time_field or "")
    events = read_events(settings, offsets, table)
    moments = parse_times(known)
    ids, raws = [event[0] for event in events], table.raws
    made = map(_as_label, zip(ids, known, moments, truths, raws, strict=True))
    labels: list[LabelRecord | Row | None] = list(made)
    if not {type(None), str}.isdisjoint(map(type, truths)):
        missing = frozenset(settings.missing)
        labels = [
            None if truth is None or (type(truth) is str and truth in missing) else label
            for truth, label in zip(truths, labels, strict=True)
        ]
    if Fault in set(map(type, moments)):
        for index, moment in enumerate(moments):
            if isinstance(moment, Fault) and labels[index] is not None:
                labels[index] = Row(_NO_TIME, raws[index])
    if Row in set(map(type, events)):
        labels = [
            label if type(event) is Event else None
            for event, label in zip(events, labels, strict=True)
        ]
    return events, labels


def times_of(events: Sequence[Event | Row]) -> list[float]:
    """Give the time of each event; one that cannot be used stays behind the one before it."""
    if Row in set(map(type, events)):
        return [event.moment if type(event) is Event else float("-inf") for event in events]
    return [event[2] for event in events]


def read_id(raw: Any) -> str | Fault:
    """Read an id: a text of 1 to 256 characters, or an integer."""
    if type(raw) is str and 0 < len(raw) <= _LONGEST_ID:
        return raw
    if type(raw) is int:
        return str(raw)
    if raw is None or raw == "":
        return Fault("missing_id", "the record has no id")
    if type(raw) is not str:
        return Fault("bad_id", f"a {type(raw).__name__} is not an id")
    return Fault("bad_id", f"an id of {len(raw)} characters, {_LONGEST_ID} at most")


def raw_time(settings: Settings, stream: str, fields: dict[str, Any]) -> Any:
    """Give the time field of a record as it came, None where there is none."""
    if stream == "labels":
        return label_time(settings, fields)
    return fields.get(settings.time_field or "")


def label_time(settings: Settings, fields: dict[str, Any]) -> Any:
    """Give the time field of a label record, None where there is none."""
    for name in (settings.label_time_field, settings.time_field):
        if name is not None and fields.get(name) is not None:
            return fields[name]
    return None


def _read_ids(raws: Sequence[Any]) -> Sequence[str | Fault]:
    if set(map(type, raws)) == {str}:
        sizes = set(map(len, raws))
        if min(sizes) > 0 and max(sizes) <= _LONGEST_ID:
            return raws
    return list(map(read_id, raws))
