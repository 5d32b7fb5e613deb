"""Records read many at a time are what they are when read one by one."""

from copy import deepcopy
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from stream.core.merge import Merge
from stream.core.reading import read_event, read_events, split_rows, times_of
from stream.core.records import Event, Fault, LabelRecord, Row
from stream.core.settings import Settings
from stream.core.times import parse_time, parse_times

SETTINGS = [
    Settings(id_field=named, time_field=timed, label_field="y", label_time_field=known,
             ignore=("skip",))
    for named in (None, "id") for timed in (None, "t") for known in (None, "k")
]  # fmt: skip

ids = st.sampled_from(["a", "b", "", None, 7, 1.5, "x" * 300, True])
times = st.sampled_from(
    ["5", "12.5", "-3", "1e2", "1e-5", "2020-01-01T00:00:00Z", "2020-01-02", "20200101", "soon",
     "nan", "inf", "1e13", "", "1_0", " 4", None, 3, 2.5, True, [1], 0, "0"]
)  # fmt: skip
values = st.sampled_from([1.0, 2, "x", "NA", "1", True, None, [1], {"a": 1}])
fields = st.fixed_dictionaries(
    {}, optional={"id": ids, "t": times, "k": times, "y": values, "skip": values, "f": values}
)
rows = st.lists(
    st.one_of(
        fields.map(lambda some: Row(some, b"raw")),
        st.just(Row(Fault("bad", "bad"), b"bad", 9, "0f")),
    ),
    max_size=9,
)


@settings(deadline=None)
@given(st.lists(times, max_size=8))
def test_times_read_together_are_those_read_alone(raws):
    assert parse_times(raws) == list(map(parse_time, raws))


@settings(deadline=None)
@given(st.sampled_from(SETTINGS), rows, st.integers(0, 50))
def test_events_read_together_are_those_read_alone(config, some, first):
    alone: list[Any] = []
    for offset, row in enumerate(deepcopy(some), first):
        event = read_event(config, offset, row)
        faulty = row if isinstance(row.fields, Fault) else Row(event, row.raw)  # type: ignore[arg-type]
        alone.append(faulty if isinstance(event, Fault) else event)
    offsets = range(first, first + len(some))
    assert read_events(config, offsets, deepcopy(some)) == alone


def naive_label(row: Row, event: Event | Row) -> Any:
    """Say what becomes of the label of a row: its value, a fault, or nothing."""
    if isinstance(row.fields, Fault) or isinstance(event, Row):
        return None
    truth, moment = row.fields.get("y"), parse_time(row.fields.get("k"))
    if truth is None or truth == "NA":
        return None
    return "bad_label_time" if isinstance(moment, Fault) else (event.id, moment, truth)


@settings(deadline=None)
@given(st.sampled_from([each for each in SETTINGS if each.label_time_field]), rows)
def test_rows_are_split_into_their_event_and_their_label(config, some):
    events, labels = split_rows(config, range(len(some)), deepcopy(some))
    for row, event, label in zip(some, events, labels, strict=True):
        found: Any = label
        if isinstance(label, LabelRecord):
            found = (label.id, label.moment, label.label)
            assert label.raw == row.raw
        elif isinstance(label, Row):
            assert isinstance(label.fields, Fault)
            found = label.fields.reason
        assert found == naive_label(row, event)
        assert not isinstance(event, Event) or event.label is None


@settings(deadline=None)
@given(st.sampled_from([each for each in SETTINGS if each.label_time_field]), rows, st.data())
def test_the_order_does_not_depend_on_what_was_read_together(config, some, data):
    def run(size: int) -> list[tuple[str, int]]:
        merge, fed, order = Merge(), 0, list[tuple[str, int]]()
        merge.end("labels")
        while True:
            if merge.wants("events"):
                part = deepcopy(some[fed : fed + size])
                if not part:
                    merge.end("events")
                else:
                    offsets = range(fed, fed + len(part))
                    events, labels = split_rows(config, offsets, part)
                    taken = merge.feed_all("events", times_of(events), offsets, events)
                    merge.promise(taken, offsets, labels)
                fed += len(part)
            items = merge.take(data.draw(st.integers(1, 5)))
            if not items:
                return order
            order += [(stream, offset) for stream, offset, _ in items]

    assert run(1) == run(data.draw(st.integers(2, 9)))
