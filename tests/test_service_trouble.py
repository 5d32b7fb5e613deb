"""Awkward moments of the service: half way through rebalances, outages, pauses, interventions."""

import time
from dataclasses import replace

import orjson
import pytest

from stream.app.connection import ensure_topics
from stream.edges import tenure
from stream.edges.transports.log import LogError, Place
from stream.edges.transports.memory_log import MemoryBroker, MemoryLog
from tests.services import (
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


@pytest.fixture
def world(tmp_path):
    broker, config = MemoryBroker(), config_for(tmp_path, kafka=ONE)
    log = MemoryLog(broker)
    return broker, config, log, ensure_topics(log, config)


def test_a_partition_may_be_caught_up_while_the_group_makes_up_its_mind(tmp_path, monkeypatch):
    broker, config = MemoryBroker(), config_for(tmp_path)
    log = MemoryLog(broker)
    topics = ensure_topics(log, config)
    records = records_of(500)
    write(log, topics, records[:400])
    first = start(broker, config, "m0")
    settle([first], broker, config)
    again = start(broker, config, "m0")  # as after a crash
    monkeypatch.setattr(tenure, "_SLICE", -1.0)  # no time to catch up
    turn(again, 5)
    assert len(again._tenures) == 2
    assert not any(held.live for held in again._tenures.values())
    monkeypatch.undo()
    slow = MemoryLog(broker).member(config.name, topics.inputs, "m1")
    slow.poll(0, 1)  # it has asked to join, and now says nothing
    broker.rebalance(config.name)
    write(log, topics, records[400:])
    turn(again, 10)
    assert again._assignment is None
    broker.evict(config.name, "m1")
    settle([again], broker, config)
    check_exactly_once(log, config)


@pytest.mark.parametrize("why", ["an answer is lost", "the learner fails"])
def test_an_input_that_was_paused_is_delivered_again(world, monkeypatch, why, tmp_path):
    broker, config, log, topics = world
    monkeypatch.setattr(tenure, "_MOST_WAITING", 20)
    records = records_of(400, partitions=1)
    service = start(broker, config, "m0")
    write(log, topics, [r for r in records if r[0] == "labels"][:1])
    settle([service], broker, config)
    write(log, topics, records[1:])
    held = service._tenures[0]
    for _ in range(20):
        turn(service)
        if held._paused:
            break
    assert held._paused
    if why == "an answer is lost":
        broker.lose_commit("refused")
    else:
        held.keeper.committed.skips.append(("events", 0, "learn", "as if"))
        held._look_back()
    settle([service], broker, config, most=400)


def test_a_full_buffer_of_one_input_does_not_keep_the_other_out(world, monkeypatch):
    broker, config, log, topics = world
    monkeypatch.setattr(tenure, "_MOST_WAITING", 60)
    records = records_of(600, partitions=1)
    write(log, topics, records)
    service = start(broker, config, "m0")
    settle([service], broker, config)
    outputs, _ = check_exactly_once(log, config)
    letters = [orjson.loads(v)["reason"] for _, v in outputs["dead_letters", 0]]
    assert set(letters) == {"bad_json"}
    assert [(n, at) for n, at in _order(log, topics)] == sorted(_order(log, topics))


def _order(log, topics, number=0):
    """Give times of events and labels in the order in which the journal says they were taken."""
    times = {
        stream: [r.time for r in everything(log, getattr(topics, stream), number)]
        for stream in ("events", "labels")
    }
    at, order = {"events": 0, "labels": 0}, []
    for entry in everything(log, topics.journal, number):
        for step in orjson.loads(entry.value)["steps"]:
            some = [(t, s) for s in at for t in times[s][at[s] : step[s]]]
            order += sorted(some)
            at = step
    return order


def test_a_log_that_stays_away_ends_the_service(world):
    broker, config, log, topics = world
    service = start(broker, config, "m0")
    service._timing = replace(service._timing, give_up=0.5)
    write(log, topics, records_of(100, partitions=1))
    turn(service, 5)
    write(log, topics, [("events", 0, b"k", b"{}", 1)])
    turn(service)
    broker.stop()
    held = service._tenures[0]
    held.keeper._since_commit = 1  # there is something to commit
    until = time.monotonic() + 5
    with pytest.raises(LogError, match="has not answered"):  # noqa: PT012  # it takes time
        while time.monotonic() < until:
            turn(service)
    assert len([m for m in service._observer.messages if m.startswith("waiting")]) == 1


def test_offsets_that_somebody_moved_are_noticed_without_a_journal_too(tmp_path):
    broker, config = MemoryBroker(), config_for(tmp_path, kafka={"labels": "", **ONE})
    log = MemoryLog(broker)
    topics = ensure_topics(log, config)
    events = [{"id": f"e{n}", "at": 1e9 + n, "a": n % 7, "late": n % 7 > 3} for n in range(300)]
    records = [("events", 0, b"k", orjson.dumps(event), 10**12) for event in events]
    write(log, topics, records[:200])
    service = start(broker, config, "m0")
    settle([service], broker, config)
    write(log, topics, records[200:])
    place = Place(topics.events, 0)
    broker.set_offset(config.name, place, log.ranges([place])[place].end, "")
    with pytest.raises(LogError, match="somebody moved the offsets of group app"):
        turn(start(broker, config, "m0"), 30)


def test_control_records_may_have_been_deleted_before_the_service_was_started(world):
    broker, config, log, topics = world
    place = Place(topics.control, 0)
    for _ in range(3):
        log.writer().write(place, b"ask", b"{}", 1)
    broker.delete_records(place, 2)
    write(log, topics, records_of(200, partitions=1))
    service = start(broker, config, "m0")
    settle([service], broker, config)
    turn(service, 3)
    letters = [orjson.loads(v) for _, v in outputs_of(log, config)["dead_letters", 0]]
    assert [x["origin"]["offset"] for x in letters if x["origin"]["topic"] == topics.control] == [2]
    settle([start(broker, config, "m0")], broker, config)


def test_partitions_that_are_added_while_it_runs_end_the_service(tmp_path):
    broker, config = MemoryBroker(), config_for(tmp_path)
    log = MemoryLog(broker)
    topics = ensure_topics(log, config)
    write(log, topics, records_of(200))
    service = start(broker, config, "m0")
    settle([service], broker, config)
    for name in (*topics.outputs, *topics.inputs):
        broker.add_partitions(name, 3)
    with pytest.raises(LogError, match="partitions"):
        turn(service, 30)


MOODY = '''
from river import base


class Moody(base.Classifier):
    """Fails on a record or not, by what it has learnt before."""

    def __init__(self):
        self.seen = []

    def learn_one(self, x, y):
        if x["a"] == 99 and "late" not in self.seen:
            raise ValueError("not before the late one")
        self.seen.append("late" if x["a"] == 1 else "other")

    def predict_proba_one(self, x):
        return {True: 0.5, False: 0.5}


def build():
    return Moody()
'''


def test_records_are_taken_in_the_same_order_again_when_the_learner_has_failed(
    tmp_path, monkeypatch
):
    (tmp_path / "moody_models.py").write_text(MOODY)
    monkeypatch.syspath_prepend(str(tmp_path))
    kafka = {**ONE, "commit_every": "1s"}
    config = config_for(tmp_path, learner={"factory": "moody_models:build"}, kafka=kafka)
    broker = MemoryBroker()
    log = MemoryLog(broker)
    topics = ensure_topics(log, config)
    service = start(broker, config, "m0")
    turn(service, 10)

    def event(key, a, at):
        value = orjson.dumps({"id": key, "at": at, "a": a, "late": True})
        write(log, topics, [("events", 0, b"k", value, at * 1000)])

    def label(key, at):
        value = orjson.dumps({"id": key, "at": at, "late": True})
        write(log, topics, [("labels", 0, b"k", value, at * 1000)])

    value = orjson.dumps({"id": "waits", "at": 10, "a": 1})
    write(log, topics, [("events", 0, b"k", value, 10_000)])
    event("e1", 0, 20)
    event("touchy", 99, 30)
    turns = 0
    while not service._tenures[0].keeper.committed.skips:
        turn(service)
        turns += 1
        assert turns < 100
    label("waits", 15)  # an earlier time, heard of too late
    settle([service], broker, config)
    outputs = outputs_of(log, config)
    letters = [orjson.loads(v) for _, v in outputs["dead_letters", 0]]
    assert [x["reason"] for x in letters] == ["learn_failed"]
    order = _order(log, topics)
    assert order == [(10_000, "events"), (20_000, "events"), (30_000, "events"), (15_000, "labels")]


@pytest.mark.parametrize("lost", [
    ["applied"], ["refused"], ["applied", "applied"], ["refused", "applied"],
    ["applied", "refused"], ["applied", "refused", "applied"],
])
def test_a_succession_may_break_off_anywhere(tmp_path, lost):
    def run(folder, lost):
        kafka = {"labels": "", **ONE}
        broker, config = MemoryBroker(), config_for(folder, kafka=kafka)
        log = MemoryLog(broker)
        topics = ensure_topics(log, config)
        records = records_of(500, partitions=1)
        write(log, topics, records[:400])
        settle([start(broker, config, "m0")], broker, config)
        learner = {"class": "river.naive_bayes.GaussianNB", "params": {}}
        other = config_for(folder, learner=learner, kafka=kafka)
        write(log, topics, records[400:])
        for outcome in lost:
            broker.lose_commit(outcome)
        service = start(broker, other, "m0")
        settle([service], broker, other)
        service.stop()
        service.run()
        reasons = [orjson.loads(r.value)["reason"]
                   for r in everything(log, topics.checkpoints, 0) if r.value]
        assert reasons.count("handover") == 1
        return outputs_of(log, other), service._tenures or None

    assert run(tmp_path / "a", lost) == run(tmp_path / "b", [])


def test_an_input_is_not_passed_over_while_the_log_is_busy_with_others(tmp_path):
    kafka = {"partitions": 4, "idle": "2ms"}
    broker, config = MemoryBroker(), config_for(tmp_path, kafka=kafka)
    log = MemoryLog(broker)
    topics = ensure_topics(log, config)
    write(log, topics, records_of(3000, partitions=4))
    settle([start(broker, config, "m0")], broker, config, most=4000)
    for number in range(4):
        order = _order(log, topics, number)
        assert order == sorted(order)
