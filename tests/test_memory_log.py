"""What a test can do to the log in memory beyond the contract."""

import threading
from typing import Any

import pytest

from stream.edges.transports.log import FencedError, LogUnavailableError, OffsetLostError, Place
from stream.edges.transports.memory_log import MemoryBroker, MemoryLog

IN, OUT = Place("in", 0), Place("out", 0)


@pytest.fixture
def broker() -> MemoryBroker:
    made = MemoryBroker(clock=lambda: 5)
    made.create("in", 2)
    made.create("out", 2)
    return made


def values(broker: MemoryBroker, place: Place) -> list[bytes | None]:
    return [record.value for record in broker.records(place)]


def joined(broker: MemoryBroker, instance: str | None = "m") -> Any:
    member = MemoryLog(broker).member("g", ["in"], instance)
    member.poll(0, 1)
    return member


def share(member):
    return None if member.assignment is None else member.assignment.partitions


@pytest.mark.parametrize(("outcome", "applied"), [("applied", True), ("refused", False)])
def test_a_commit_is_lost_with_or_without_its_effect(broker, outcome, applied):
    log, member = MemoryLog(broker), joined(broker)
    producer = log.producer("p")
    producer.begin()
    producer.send(OUT, [(None, b"1")])
    broker.lose_commit(outcome)
    with pytest.raises(LogUnavailableError):
        producer.commit({IN: 1}, "", member.assignment.token)
    producer.close()
    log.producer("p")
    assert values(broker, OUT) == [b"1"] * applied
    assert (log.committed("g", [IN]) == {IN: (1, "")}) is applied


def test_a_member_that_does_not_poll_holds_a_rebalance_up_until_it_is_evicted(broker):
    slow = joined(broker, "a")
    quick = joined(broker, "b")
    assert share(quick) is None
    assert quick.poll(0, 1) == []
    assert share(quick) is None
    broker.evict("g", "a")
    quick.poll(0, 1)
    assert share(quick) == {0, 1}
    stale = slow.assignment.token
    producer = MemoryLog(broker).producer("p")
    producer.begin()
    with pytest.raises(FencedError):
        producer.commit({IN: 1}, "", stale)
    slow.poll(0, 1)
    assert share(slow) is None
    quick.poll(0, 1)
    slow.poll(0, 1)
    assert share(slow) == {0}


def test_a_closed_static_member_keeps_its_share_for_its_session(broker):
    first, second = joined(broker, "a"), joined(broker, "b")
    first.poll(0, 1)
    second.poll(0, 1)
    first.close()
    assert second.poll(0, 1) == []
    assert share(second) == {1}
    broker.evict("g", "a")
    second.poll(0, 1)
    assert share(second) == {0, 1}


def test_a_replaced_static_member_reads_on_without_hearing_of_it(broker):
    old = joined(broker)
    old.start(IN, 0)
    joined(broker)
    broker.append(IN, b"k", b"v")
    assert old.poll(0, 1)[0].records == [(0, 5, b"v")]


def test_new_partitions_are_a_rebalance(broker):
    member = joined(broker)
    broker.add_partitions("in", 3)
    member.poll(0, 1)
    assert share(member) == {0, 1, 2}
    assert member.assignment.epoch == 2


def test_a_topic_created_anew_loses_the_position_and_the_offsets(broker):
    member = joined(broker)
    member.start(IN, 0)
    broker.set_offset("g", IN, 3, "kept")
    broker.recreate("in")
    with pytest.raises(OffsetLostError, match="created anew"):
        member.poll(0, 1)
    assert MemoryLog(broker).committed("g", [IN]) == {}


def test_an_expired_transaction_is_aborted_and_its_writer_fenced(broker):
    producer = MemoryLog(broker).producer("p")
    producer.begin()
    producer.send(OUT, [(None, b"never")])
    broker.expire_transactions()
    with pytest.raises(FencedError):
        producer.commit({}, "", None)
    assert values(broker, OUT) == []


def test_compaction_keeps_the_last_record_of_a_key(broker):
    for key, value in [(b"a", b"1"), (b"b", b"2"), (b"a", b"3"), (b"b", None)]:
        broker.append(OUT, key, value)
    broker.compact(OUT)
    assert [(r.offset, r.value) for r in broker.records(OUT)] == [(2, b"3")]


def test_a_poll_wakes_up_for_a_record_and_when_the_broker_is_back(broker):
    member = joined(broker)
    member.start(IN, 0)
    broker.stop()
    threading.Timer(0.05, broker.restart).start()
    threading.Timer(0.1, broker.append, (IN, None, b"v")).start()
    assert member.poll(30, 1)[0].records == [(0, 5, b"v")]
