"""Records of a log decoded many at a time are what they are when decoded one by one."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.core.contract import Contract
from stream.core.decode import decode_alike
from stream.core.records import Event, LabelRecord, Row
from stream.core.settings import Settings
from stream.edges.history import Inputs, decode, decode_all
from stream.edges.transports.log import Place

SETTINGS = [
    Settings(task="binary", id_field="id", time_field="t", label_field="y", max_record=200,
             reference=3, unknown_field=unknown, wrong_type=wrong, missing_field=missing)
    for unknown in ("ignore", "dead-letter")
    for wrong in ("dead-letter", "missing")
    for missing in ("accept", "dead-letter")
]  # fmt: skip


def to_json(record: Any) -> bytes:
    return json.dumps(record).encode()


plain = st.sampled_from([0, 1, 2.5, -3.0, 10**9, 1e299, 1e308, 10**25])
others = st.one_of(plain, st.sampled_from(["x", "1", True, False, None, [1], {"a": 1}]))
alike = st.fixed_dictionaries({"id": st.sampled_from("abcd"), "t": st.integers(0, 9), "f": plain,
                               "g": plain, "y": st.sampled_from([0, 1])})  # fmt: skip
unlike = st.fixed_dictionaries(
    {}, optional={"id": others, "t": others, "f": others, "g": others, "h": others, "y": others}
)
labels = st.fixed_dictionaries({"id": st.sampled_from("abcd"), "y": st.sampled_from([0, 1, None])})
broken = st.sampled_from([None, b"", b"{", b"[1]", b"null", b'{"f": NaN}', b"\xff", b" " * 300])
encoded = st.one_of(alike, alike, alike, unlike, labels).map(to_json)
batches = st.one_of(
    st.lists(alike.map(to_json), min_size=1, max_size=9),
    st.lists(labels.map(to_json), min_size=1, max_size=9),
    st.lists(st.one_of(encoded, encoded, broken), min_size=1, max_size=9),
)


def seen_by(contract: Contract, stream: str, offset: int, record: Any) -> Any:
    """Give what the contract makes of a record, whatever shape was known of it."""
    event = stream == "events"
    made = contract.event(offset, record) if event else contract.label(record)
    return made._replace(shape=None) if isinstance(made, Event) else made


@given(st.sampled_from(SETTINGS), st.lists(batches, max_size=4))
def test_of_a_topic_of_both_kinds(settings, polled):
    inputs = Inputs(settings, {"events": Place("in", 0)})
    together, alone, offset = Contract(settings), Contract(settings), 0
    for values in polled:
        records = [(offset + n, 0, value) for n, value in enumerate(values)]
        for (stream, at, record), (_, _, value) in zip(inputs.mixed(records), records, strict=True):
            row = decode(value, settings.max_record)
            assert (stream, at) == (inputs.stream_of(row), offset)
            expected = seen_by(alone, stream, at, decode(value, settings.max_record))
            assert seen_by(together, stream, at, record) == expected
            offset += 1
    assert together.state() == alone.state()


@given(st.sampled_from(SETTINGS), st.lists(batches, max_size=4))
def test_of_a_topic_of_events_alone(settings, polled):
    inputs = Inputs(settings, {"events": Place("in", 0), "labels": Place("known", 0)})
    together, alone = Contract(settings), Contract(settings)
    for values in polled:
        records = [(n, 7, value) for n, value in enumerate(values)]
        for (time, at, record), (n, _, value) in zip(
            inputs.heads("events", records), records, strict=True
        ):
            assert (time, at) == (7.0, n)
            row = decode(value, settings.max_record)
            assert seen_by(together, "events", n, record) == seen_by(alone, "events", n, row)
    assert together.state() == alone.state()


def test_labels_are_left_for_the_fold():
    inputs = Inputs(SETTINGS[0], {"events": Place("in", 0)})
    both = [(0, 0, b'{"id": "a", "t": 1, "f": 2}'), (1, 0, b'{"id": "a", "y": 1}')]
    (_, _, event), (stream, _, label) = inputs.mixed(both)
    assert type(event) is Event
    assert (stream, type(label)) == ("labels", Row)
    read = Contract(SETTINGS[0]).label(label)
    assert read == (LabelRecord("a", None, None, 1, b'{"id": "a", "y": 1}'), True)


@pytest.mark.parametrize("odd", [b"[1]", b"{", None, b'{"a": "' + b"x" * 200 + b'"}'])
def test_one_odd_record_is_looked_at_with_its_neighbours(odd):
    assert decode_alike([b'{"a": 1}', odd], 100) is None
    assert decode_all([b'{"a": 1}', odd], 100) == [decode(b'{"a": 1}', 100), decode(odd, 100)]


@pytest.mark.parametrize("second", [b'{"b": 1}', b'{"a": null}', b'{"a": "x"}', b'{"a": true}'])
def test_objects_that_differ_have_no_shape(second):
    rows = decode_alike([b'{"a": 1}', second], 100)
    assert rows is not None
    assert [row.shape for row in rows] == [None, None]
