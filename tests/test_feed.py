"""From a history in files to records of topics: nothing changes on the way, not even the order."""

import csv
import random
from functools import partial
from typing import Any

import orjson
import pyarrow
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from stream.app.config import parse_config
from stream.app.engine import FileRun, open_events, parts_of
from stream.app.topics import topics_of
from stream.core.decode import decode_json
from stream.core.merge import Merge, Stream
from stream.core.partition import Partition
from stream.core.records import Fault, Record, Row
from stream.edges.feed import Stamps, encode, messages
from stream.edges.readers import open_rows
from stream.edges.sources import in_order
from stream.edges.transports.directory import read_records
from stream.edges.transports.partitioner import partition_of
from tests.runs import write_data

NOTHING = Row({}, b"")

CONFIG: dict[str, Any] = {
    "name": "app",
    "task": "binary",
    "input": {
        "id": "id", "time": "at", "label": "late", "label_time": "known",
        "types": {"a": "number", "b": "number", "city": "text"},
    },
    "learner": {
        "class": "river.tree.HoeffdingTreeClassifier",
        "params": {"grace_period": 50, "tau": 0.5},
    },
    "labels": {"ttl": "2h"},
    "scoring": {"every": 300, "window": 300},
    "response": {"concept": "reset", "cooldown": 200},
}  # fmt: skip


def file_order(events, promises):
    """Merge as runs on files do: each label is promised with its event."""
    merge = Merge()
    for n, (time, known) in enumerate(zip(events, promises, strict=True)):
        taken = merge.feed_all("events", [time], [n], [NOTHING])
        if known is not None:
            merge.promise([max(taken[0], known)], [n], [Row({"id": n}, b"")])
    merge.end("events")
    merge.end("labels")
    return [(stream, known_fields(row)["id"] if stream == "labels" else offset)
            for stream, offset, row in merge.take(10**6)]  # fmt: skip


def known_fields(row: Record) -> dict[str, Any]:
    assert isinstance(row, Row)
    assert not isinstance(row.fields, Fault), row.fields
    return row.fields


times = st.floats(0, 50, allow_nan=False) | st.integers(0, 50).map(float)


@given(st.lists(st.tuples(times, st.none() | times), max_size=40))
@settings(max_examples=400)
def test_merging_two_topics_by_the_stamps_gives_the_order_of_the_file(rows):
    events = [time for time, _ in rows]
    promises = [known for _, known in rows]
    order = file_order(events, promises)
    stamps = Stamps(float("inf"))
    topics: dict[Stream, list[tuple[int, int]]] = {"events": [], "labels": []}
    for stream, n in order:
        moment = round((events[n] if stream == "events" else promises[n]) * 1000)
        topics[stream].append((stamps.stamp(stream, moment), n))
    merge = Merge()
    for stream, records in topics.items():
        for offset, (time, _) in enumerate(records):
            merge.feed(stream, time, offset, NOTHING)
        merge.end(stream)
    taken = merge.take(10**6)
    assert [(stream, topics[stream][offset][1]) for stream, offset, _ in taken] == order


streams = st.sampled_from(["events", "labels"])


@given(st.lists(st.tuples(streams, st.integers(0, 10_000)), max_size=60))
def test_a_record_is_moved_on_by_no_more_than_is_allowed_and_never_back(records):
    stamps = Stamps(most=100)
    assert all(moment <= stamps.stamp(stream, moment) <= moment + 100 for stream, moment in records)


def test_one_event_from_the_far_future_moves_none_of_those_after_it():
    stamps = Stamps(most=86_400_000)
    assert [stamps.stamp(*each) for each in (
        ("events", 1000), ("events", 4_000_000_000_000), ("labels", 2000), ("events", 3000),
        ("labels", 4000),
    )] == [1000, 4_000_000_000_000, 2000, 3000, 4000]  # fmt: skip


values = st.one_of(
    st.floats(), st.integers(-(2**63), 2**64 - 1), st.booleans(), st.text(), st.none(),
    st.lists(st.integers(-(2**63), 2**64 - 1), max_size=2), st.binary(max_size=3),
)  # fmt: skip


@given(st.dictionaries(st.text(min_size=1), values, max_size=5))
def test_fields_come_out_of_the_json_as_they_went_in(fields):
    fields = {k: v for k, v in fields.items() if v == v}  # no reader gives NaN
    out = known_fields(decode_json(encode(Row(fields, b"")), 1 << 20))
    assert out.keys() == fields.keys()
    for name, value in fields.items():
        if value in (float("inf"), float("-inf")):
            assert abs(out[name]) > 1e300
            assert (out[name] > 0) == (value > 0)
        elif isinstance(value, bytes):
            assert isinstance(out[name], list)  # nested: refused as a feature, here as there
        else:
            assert (type(out[name]), repr(out[name])) == (type(value), repr(value))


@given(st.binary(max_size=50))
def test_what_could_not_be_read_can_not_be_read_there_either(raw):
    sent = encode(Row(Fault("bad_csv", "whatever"), raw))
    assert isinstance(decode_json(sent, 1 << 20).fields, Fault)


@pytest.mark.parametrize("raw", [b'{"id": 1}', b'{"id": "a", "late": true}'])
def test_a_broken_row_that_happens_to_be_json_stays_unusable(raw):
    assert isinstance(decode_json(encode(Row(Fault("bad_csv", "x"), raw)), 100).fields, Fault)


def test_json_too_deep_to_be_written_goes_as_it_was():
    raw = b'{"id": 1, "a": ' + b"[" * 500 + b"]" * 500 + b"}"
    row = decode_json(raw, 10_000)
    assert encode(row) == raw


def converted(path, folder, kind):
    """Write the same table in another format, without the cells that have no kind there."""
    reader = open_rows(path, text=("id", "at", "known"))
    rows = [known_fields(row) for row in reader.read(10**6)]
    reader.close()
    target = folder / f"data.{kind}"
    if kind == "jsonl":
        target.write_bytes(b"\n".join(map(orjson.dumps, rows)))
    else:
        numbers = [{k: v for k, v in row.items() if k != "a" or type(v) is float} for row in rows]
        parquet.write_table(pyarrow.Table.from_pylist(numbers), target)
    return target


def history(config, source, labels=None, partitions=1):
    opener = partial(open_events, config, source)
    label_opener = None if labels is None else partial(open_events, config, labels)
    ordered = in_order(config.settings(), opener, label_opener, as_rows=True)
    try:
        yield from messages(ordered, config.settings(), topics_of(config), partitions)
    finally:
        ordered.close()


def folded(config, sent):
    """Fold records as the service does: the heads of two topics by record time."""
    partition = Partition(config.settings(), parts_of(config))
    merge = Merge()
    offsets: dict[Stream, int] = {"events": 0, "labels": 0}
    for message in sent:
        row: Record = decode_json(message.value, config.input.max_record)
        merge.feed(message.stream, message.time, offsets[message.stream], row)
        offsets[message.stream] += 1
    for ended in offsets:
        merge.end(ended)
    for stream, offset, row in merge.take(10**6):
        (partition.on_event if stream == "events" else partition.on_label)(offset, row)
    partition.finish()
    return partition


def as_json(records):
    return [orjson.loads(orjson.dumps(record)) for record in records]


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_folding_the_topics_gives_the_predictions_and_metrics_of_the_files(tmp_path, kind):
    config = parse_config(CONFIG)
    source = write_data(tmp_path / "data.csv", 2000)
    if kind != "csv":
        source = converted(source, tmp_path, kind)
    out = tmp_path / "out"
    FileRun(config, source, out).run()
    partition = folded(config, history(config, source))
    assert as_json(partition.out.predictions) == read_records(out, "predictions")
    assert as_json(partition.out.metrics) == read_records(out, "metrics")
    assert {"duplicate", "expired"} <= partition.counts.dead.keys()


def test_labels_in_a_file_of_their_own_give_the_same_too(tmp_path):
    config = parse_config({**CONFIG, "input": {**CONFIG["input"], "label_time": None}})
    source, labels = tmp_path / "events.csv", tmp_path / "labels.csv"
    draw = random.Random(3)
    with source.open("w") as events, labels.open("w") as known:
        write, tell = csv.writer(events), csv.writer(known)
        write.writerow(["id", "at", "a", "b", "city"])
        tell.writerow(["id", "late", "at"])
        for n in range(1000):
            a = draw.gauss(0, 1)
            write.writerow([f"e{n}", 1e9 + n, a, draw.random(), draw.choice("xyz")])
            tell.writerow([f"e{n}", a > 0, 1e9 + n + 90])
    out = tmp_path / "out"
    FileRun(config, source, out, labels=labels).run()
    partition = folded(config, history(config, source, labels))
    assert partition.counts.scored == 1000
    assert as_json(partition.out.predictions) == read_records(out, "predictions")
    assert as_json(partition.out.metrics) == read_records(out, "metrics")


def test_an_event_and_its_label_lie_on_the_partition_of_their_id(tmp_path):
    config = parse_config(CONFIG)
    sent = list(history(config, write_data(tmp_path / "data.csv", 500), partitions=3))
    assert {message.place.partition for message in sent} == {0, 1, 2}
    for message in sent:
        assert message.place.partition == partition_of(message.key, 3)
        assert message.key == orjson.loads(message.value)["id"].encode()
        assert message.place.topic == f"app.{message.stream}"
    assert set(orjson.loads(next(m.value for m in sent if m.stream == "labels"))) == {
        "id", "late", "known",
    }  # fmt: skip
    assert "late" not in orjson.loads(sent[0].value)


def test_records_carry_their_own_time_in_milliseconds(tmp_path):
    config = parse_config(CONFIG)
    for message in history(config, write_data(tmp_path / "data.csv", 500)):
        fields = orjson.loads(message.value)
        own = fields["known" if message.stream == "labels" else "at"]
        assert 0 <= message.time - float(own) * 1000 <= 1


def test_no_record_is_from_the_future_since_brokers_refuse_those(tmp_path):
    config = parse_config({**CONFIG, "input": {"id": "id", "time": "at", "label": "late"}})
    source = tmp_path / "events.jsonl"
    source.write_text('{"id": "1", "at": "2013-01-01", "x": 1}\n{"id": "2", "at": "2999-01-01"}\n')
    opener = partial(open_events, config, source)
    ordered = in_order(config.settings(), opener, None, as_rows=True)
    sent = list(messages(ordered, config.settings(), topics_of(config), 1, now=lambda: 2e9))
    ordered.close()
    assert [message.time for message in sent] == [1_356_998_400_000, 2_000_000_000_000]


def test_without_a_topic_of_labels_they_go_where_events_go(tmp_path):
    config = parse_config({**CONFIG, "kafka": {"labels": ""}})
    sent = list(history(config, write_data(tmp_path / "data.csv", 100)))
    assert {message.place.topic for message in sent} == {"app.events"}
    assert {message.stream for message in sent} == {"events", "labels"}


def test_a_label_without_a_usable_time_is_no_label_there_either(tmp_path):
    source = tmp_path / "data.jsonl"
    source.write_text('{"id": "1", "at": 1, "x": 1, "late": true, "known": "soon"}\n'
                      '{"id": "2", "at": 2, "x": 1, "late": true}\n')  # fmt: skip
    config = parse_config(CONFIG)
    config = replace_types(config)
    partition = folded(config, history(config, source))
    assert partition.counts.predictions == 2
    assert partition.counts.scored == 0
    assert partition.counts.dead_labels == 2


def replace_types(config):
    fields = config.input.model_copy(update={"types": {}})
    return config.model_copy(update={"input": fields})


