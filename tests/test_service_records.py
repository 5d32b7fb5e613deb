"""Records of every kind on a log: poison, tombstones, labels among events, a learner that fails."""

import os

import orjson
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from stream import LearnError, Partition, replay
from stream.app.connection import ensure_topics
from stream.app.engine import parts_of
from stream.app.schemas import schema_of
from stream.edges.history import Inputs, decode
from stream.edges.transports.log import Place
from stream.edges.transports.memory_log import MemoryBroker, MemoryLog
from tests.services import (
    OUTPUTS,
    check_exactly_once,
    config_for,
    everything,
    outputs_of,
    records_of,
    settle,
    start,
    turn,
    write,
)

ONE = {"partitions": 1}
POISON = [
    None,
    b"",
    b"\xff\xfe\x00",
    b"{",
    b"[1, 2]",
    b'"text"',
    b"null",
    b'{"at": 5}',
    b'{"id": null, "at": 5}',
    b'{"id": {"a": 1}, "at": 5}',
    b'{"id": "p1", "at": "soon"}',
    b'{"id": "p2", "at": 1700000000, "a": 1e999}',
    b'{"id": "p3", "at": 1700000000, "a": 1e31}',
    b'{"id": "p4", "at": 1700000000, "a": [1]}',
    b'{"id": "p5", "at": 1700000000, "a": "text where a number was"}',
    b'{"id": "p6", "at": 1700000000, "late": "perhaps"}',
    b'{"id": "e1", "at": 1700000001, "a": 1}',
    b'{"id": "p7", "at": 1700000000, "x": "' + b"x" * (1 << 20) + b'"}',
    b"[" * 2000,
    os.urandom(5000),
]


def test_every_poison_becomes_a_dead_letter_and_the_stream_goes_on(tmp_path):
    broker, config = MemoryBroker(), config_for(tmp_path, kafka=ONE)
    log = MemoryLog(broker)
    topics = ensure_topics(log, config)
    good = records_of(300, partitions=1)
    write(log, topics, good[:200])
    poison = [("events", 0, b"k", value, 1_700_000_100_000) for value in POISON]
    labels = [("labels", 0, b"k", value, 1_700_000_100_000) for value in POISON[:9]]
    write(log, topics, [*poison, *labels, *good[200:]])
    settle([start(broker, config)], broker, config)
    outputs, _ = check_exactly_once(log, config)
    letters = [orjson.loads(value) for _, value in outputs["dead_letters", 0]]
    reasons = {letter["reason"] for letter in letters}
    assert reasons >= {
        "tombstone", "empty", "bad_utf8", "bad_json", "not_an_object", "missing_id", "bad_id",
        "bad_time", "absurd_number", "nested_value", "wrong_type", "bad_label", "duplicate",
        "line_too_long",
    }  # fmt: skip
    of_poison = [x for x in letters if x["origin"]["topic"] == topics.events]
    assert len([x for x in of_poison if x["reason"] != "bad_json"]) >= 15
    assert all({"topic", "partition", "offset"} == set(x["origin"]) for x in letters)
    books = everything(log, topics.metrics, 0)
    assert books
    assert len(outputs["predictions", 0]) + len(of_poison) == 300 + len(POISON)


@settings(
    max_examples=8, deadline=None, suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)  # fmt: skip
@given(values=st.lists(st.none() | st.binary(max_size=60) | st.text(max_size=20).map(str.encode)))
def test_any_bytes_at_all_are_accounted_for(values, tmp_path_factory):
    broker, config = MemoryBroker(), config_for(tmp_path_factory.mktemp("any"), kafka=ONE)
    log = MemoryLog(broker)
    topics = ensure_topics(log, config)
    write(log, topics, [("events", 0, None, value, 5) for value in values])
    settle([start(broker, config)], broker, config)
    outputs, _ = check_exactly_once(log, config)
    assert len(outputs["predictions", 0]) + len(outputs["dead_letters", 0]) == len(values)


def test_labels_may_come_in_the_topic_of_events(tmp_path):
    broker, config = MemoryBroker(), config_for(tmp_path, kafka={"labels": "", **ONE})
    log = MemoryLog(broker)
    topics = ensure_topics(log, config)
    records = records_of(400, partitions=1)
    service = start(broker, config, "m")
    write(log, topics, records[:300])
    settle([service], broker, config)
    service = start(broker, config, "m")  # the first one is gone without a word
    write(log, topics, records[300:])
    settle([service], broker, config)
    counts = service._tenures[0].keeper.partition.counts
    assert counts.scored > 200
    partition = Partition(service._settings, parts_of(config), 0)
    inputs = Inputs(service._settings, {"events": Place(topics.events, 0)})
    for record in everything(log, topics.events, 0):
        row = decode(record.value, 1 << 20)
        stream = inputs.stream_of(row)
        (partition.on_event if stream == "events" else partition.on_label)(record.offset, row)
    served = [value for _, value in outputs_of(log, config)["predictions", 0]]
    assert served == [orjson.dumps(p) for p in partition.out.predictions]
    assert not everything(log, topics.journal, 0)


LEARNER = '''
from river import base


class Touchy(base.Classifier):
    """Cannot bear some values."""

    def __init__(self):
        self.seen = 0

    def learn_one(self, x, y):
        self.seen += 1
        if x.get("b") == {bad}:
            raise ValueError("cannot bear it")

    def predict_proba_one(self, x):
        return {{True: 0.5, False: 0.5}} if self.seen else {{}}


def build():
    return Touchy()
'''


def test_a_record_that_the_learner_cannot_bear_is_left_out_once_and_for_all(
    tmp_path, monkeypatch
):
    (tmp_path / "touchy_models.py").write_text(LEARNER.format(bad=4))
    monkeypatch.syspath_prepend(str(tmp_path))
    config = config_for(tmp_path, learner={"factory": "touchy_models:build"}, kafka=ONE)
    broker = MemoryBroker()
    log = MemoryLog(broker)
    topics = ensure_topics(log, config)
    records = records_of(200, partitions=1)
    service = start(broker, config, "m")
    write(log, topics, records)
    for _ in range(6):
        turn(service, 25)
        service = start(broker, config, "m")  # crashes again and again
    settle([service], broker, config)
    letters = [orjson.loads(v) for _, v in outputs_of(log, config)["dead_letters", 0]]
    failed = [x for x in letters if x["reason"] == "learn_failed"]
    touchy = {
        orjson.loads(value)["id"]
        for stream, _, _, value, _ in records
        if stream == "events" and value != b"{broken" and orjson.loads(value)["b"] == 4
    }
    named = {orjson.loads(x["raw"])["id"] for x in failed}
    assert failed
    assert named <= touchy
    assert len(named) == len(failed)
    counts = service._tenures[0].keeper.partition.counts
    assert counts.learn_failed == len(failed)
    assert all("cannot bear it" in x["detail"] for x in failed)


def test_a_learner_that_bears_nothing_ends_the_service(tmp_path, monkeypatch):
    (tmp_path / "hopeless_models.py").write_text(LEARNER.format(bad="x.get('b')"))
    monkeypatch.syspath_prepend(str(tmp_path))
    config = config_for(
        tmp_path, learner={"factory": "hopeless_models:build"}, limits={"learn_failures": 3},
        kafka=ONE,
    )  # fmt: skip
    broker = MemoryBroker()
    log = MemoryLog(broker)
    write(log, ensure_topics(log, config), records_of(100, partitions=1))
    service = start(broker, config, "m")
    with pytest.raises(LearnError, match="learn_failures allows 3"):
        turn(service, 300)


def test_the_library_and_the_log_agree(tmp_path):
    tables = {"kafka": {"labels": "", **ONE}}
    broker, config = MemoryBroker(), config_for(tmp_path, **tables)
    log = MemoryLog(broker)
    events = [{"id": f"e{n}", "at": 1e9 + n, "a": n % 7, "late": n % 7 > 3} for n in range(300)]
    records = [("events", 0, b"k", orjson.dumps(event), 10**12) for event in events]
    write(log, ensure_topics(log, config), records)
    settle([start(broker, config)], broker, config)
    served = [orjson.loads(v) for _, v in outputs_of(log, config)["predictions", 0]]
    assert served == orjson.loads(orjson.dumps(replay(config, events).predictions))


def test_all_that_the_service_writes_fits_the_published_schemas(tmp_path):
    broker, config = MemoryBroker(), config_for(tmp_path, kafka=ONE)
    log = MemoryLog(broker)
    topics = ensure_topics(log, config)
    service = start(broker, config, "m")
    write(log, topics, records_of(700, partitions=1))
    settle([service], broker, config)
    for name in (*OUTPUTS, "checkpoints", "journal"):
        validator = Draft202012Validator(schema_of(name.replace("_", "-")))
        records = [r for r in everything(log, getattr(topics, name), 0) if r.value is not None]
        assert records, name
        for record in records:
            validator.validate(orjson.loads(record.value))
    tombstones = [r for r in everything(log, topics.checkpoints, 0) if r.value is None]
    assert tombstones, "checkpoints that were collected are withdrawn"
