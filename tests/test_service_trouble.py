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


def _order(log, topics):
    """Give times of events and labels in the order in which the journal says they were taken."""
    times = {
        stream: [r.time for r in everything(log, getattr(topics, stream), 0)]
        for stream in ("events", "labels")
    }
    at, order = {"events": 0, "labels": 0}, []
    for entry in everything(log, topics.journal, 0):
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
