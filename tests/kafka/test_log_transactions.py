"""What every log promises of transactions and of the offsets that move with them."""

from collections.abc import Iterator

import pytest

from stream.edges.transports.kafka import open_log
from stream.edges.transports.log import (
    FencedError,
    LogError,
    LogUnavailableError,
    Outgoing,
    Place,
)
from tests.kafka.logs import (
    KIB,
    begin_and_commit,
    owned,
    send_and_commit,
    settle,
    transaction,
    values,
    written,
)
from tests.kafka.worlds import CLIENTS, PUBLIC, TIMEOUTS, World, fresh_name, open_world


@pytest.fixture(params=["memory", *CLIENTS, PUBLIC])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    with open_world(request.param, request) as found:
        yield found


def test_a_transaction_is_read_whole_and_in_order_with_its_header_on_the_last(world, log):
    place = Place(world.topic(), 0)
    producer = log.producer(fresh_name())
    for number in range(2):
        producer.begin()
        records: list[Outgoing] = [(b"k%d" % i, b"%d-%d" % (number, i)) for i in range(3)]
        producer.send(place, records, ("position", b"%d" % number))
        producer.commit({}, "", None)
    producer.close()
    found = written(log, place, 6)
    assert values(found) == [b"0-0", b"0-1", b"0-2", b"1-0", b"1-1", b"1-2"]
    assert [record.key for record in found] == [b"k0", b"k1", b"k2"] * 2
    assert [list(record.headers) for record in found[:3]] == [[], [], [("position", b"0")]]
    assert list(found[5].headers) == [("position", b"1")]
    assert [record.offset for record in found] == [0, 1, 2, 4, 5, 6]  # 3 is a marker


def test_an_aborted_transaction_is_never_seen(world, log):
    place = Place(world.topic(), 0)
    name = fresh_name()
    transaction(log, name, place, [b"1"])
    transaction(log, name, place, [b"never"] * 5, commit=False)
    transaction(log, name, place, [b"2"])
    assert values(written(log, place, 2)) == [b"1", b"2"]


def test_a_producer_can_be_used_after_an_abort(world, log):
    place = Place(world.topic(), 0)
    producer = log.producer(fresh_name())
    producer.begin()
    producer.send(place, [(None, b"never")])
    producer.abort()
    producer.begin()
    producer.send(place, [(None, b"1")])
    producer.commit({}, "", None)
    producer.close()
    assert values(written(log, place, 1)) == [b"1"]


def test_a_dangling_transaction_holds_readers_up_until_its_name_is_opened_again(world, log):
    place = Place(world.topic(), 0)
    name = fresh_name()
    first = log.producer(name)
    first.begin()
    first.send(place, [(None, b"never")] * 3)
    transaction(log, fresh_name(), place, [b"behind"])
    assert log.ranges([place])[place].end == 0
    first.close()
    log.producer(name).close()
    assert values(written(log, place, 1)) == [b"behind"]


def test_opening_a_name_fences_the_other_producer_of_it(world, log):
    place = Place(world.topic(), 0)
    name = fresh_name()
    old = log.producer(name)
    old.begin()
    old.send(place, [(None, b"never")])
    new = log.producer(name)
    with pytest.raises(FencedError):
        send_and_commit(old, place, b"never")
    begin_and_commit(new, place, b"1")
    old.close()
    begin_and_commit(new, place, b"2")
    new.close()
    assert values(written(log, place, 2)) == [b"1", b"2"]


def test_poison_values_pass_unharmed(world, log):
    place = Place(world.topic(), 0)
    poison: list[Outgoing] = [
        (b"tombstone", None),
        (None, b""),
        (b"", b"\x00\xff\xfe"),
        (b"k" * 64 * KIB, b"huge key"),
        (b"large", b"x" * (1000 * KIB)),
    ]
    producer = log.producer(fresh_name())
    producer.begin()
    producer.send(place, poison)
    producer.commit({}, "", None)
    producer.close()
    assert [(r.key, r.value) for r in written(log, place, len(poison))] == poison


def test_a_record_that_is_too_large_is_refused(world, log):
    place = Place(world.topic(), 0)
    producer = log.producer(fresh_name())
    producer.begin()
    with pytest.raises(LogError):
        send_and_commit(producer, place, b"x" * (1025 * KIB))
    producer.close()


def test_a_commit_fails_when_the_broker_refuses_a_record(world, log):
    topic, group, name = world.topic(), fresh_name(), fresh_name()
    out, small = Place(world.topic(), 0), Place(world.topic(max_message_bytes="2000"), 0)
    member = log.member(group, [topic], "m")
    settle(member)
    producer = log.producer(name)
    producer.begin()
    producer.send(out, [(None, b"never")])
    with pytest.raises(LogError) as caught:  # noqa: PT012 - which of the two is not promised
        producer.send(small, [(None, b"x" * 4000)])
        producer.commit({Place(topic, 0): 1}, "", owned(member).token)
    assert not isinstance(caught.value, (LogUnavailableError, FencedError))
    producer.close()
    assert log.committed(group, [Place(topic, 0)]) == {}
    transaction(log, name, out, [b"1"])
    assert values(written(log, out, 1)) == [b"1"]
    member.close()


@pytest.mark.parametrize(
    ("client", "setting"), [("kafka-python", "batch_size"), ("confluent", "batch.size")]
)
def test_batches_must_be_smaller_than_a_topic_takes(broker, client, setting):
    log = open_log(client, broker.bootstrap, {}, TIMEOUTS)
    place, name = Place(fresh_name(), 0), fresh_name()
    log.create(place.topic, 1, {"max.message.bytes": "20000"})
    many = [b"%d" % number + b"x" * 100 for number in range(1000)]
    with pytest.raises(LogError, match=setting):
        transaction(log, name, place, many)
    log.close()
    log = open_log(client, broker.bootstrap, {setting: 10_000}, TIMEOUTS)
    transaction(log, name, place, many)
    assert values(written(log, place, 1000)) == many
    log.close()


# Offsets


def test_offsets_move_with_the_transaction_or_not_at_all(world, log):
    topic, out, group = world.topic(2), Place(world.topic(), 0), fresh_name()
    member = log.member(group, [topic], "m")
    settle(member)
    places = [Place(topic, 0), Place(topic, 1)]
    assert log.committed(group, places) == {}
    producer = log.producer(fresh_name())
    producer.begin()
    producer.send(out, [(None, b"1")])
    producer.commit({places[0]: 7}, '{"skips": "é"}', member.assignment.token)
    producer.begin()
    producer.send(out, [(None, b"never")])
    producer.abort()
    producer.close()
    assert log.committed(group, places) == {places[0]: (7, '{"skips": "é"}')}
    assert values(written(log, out, 1)) == [b"1"]
    member.close()


def test_offsets_alone_can_be_committed(world, log):
    place, group = Place(world.topic(), 0), fresh_name()
    member = log.member(group, [place.topic], "m")
    settle(member)
    producer = log.producer(fresh_name())
    for offset in (1, 2):
        producer.begin()
        producer.commit({place: offset}, "", member.assignment.token)
    producer.close()
    assert log.committed(group, [place])[place].offset == 2
    member.close()


def test_metadata_that_a_broker_would_refuse_is_refused_before(world, log):
    place, group = Place(world.topic(), 0), fresh_name()
    member = log.member(group, [place.topic], "m")
    settle(member)
    producer = log.producer(fresh_name())
    producer.begin()
    with pytest.raises(LogError, match="4,000"):
        producer.commit({place: 1}, "é" * 2001, member.assignment.token)
    producer.commit({place: 1}, "é" * 2000, member.assignment.token)
    producer.close()
    member.close()


def test_a_token_of_an_older_generation_is_refused(world, log):
    topic, out, group = world.topic(2), Place(world.topic(), 0), fresh_name()
    first = log.member(group, [topic], "a")
    settle(first)
    stale = first.assignment.token
    second = world.log().member(group, [topic], "b")
    settle(first, second)
    refused_commit(log, out, Place(topic, 0), stale)
    assert log.committed(group, [Place(topic, 0)]) == {}
    first.close()
    second.close()


def refused_commit(log, out, place, token):
    producer = log.producer(fresh_name())
    producer.begin()
    producer.send(out, [(None, b"never")])
    with pytest.raises(FencedError):
        producer.commit({place: 5}, "", token)
    producer.close()


def test_the_token_of_a_replaced_static_member_is_refused(world, log):
    place, out, group = Place(world.topic(), 0), Place(world.topic(), 0), fresh_name()
    old = log.member(group, [place.topic], "m")
    settle(old)
    stale = old.assignment.token
    new = world.log().member(group, [place.topic], "m")
    settle(new)
    refused_commit(log, out, place, stale)
    producer = log.producer(fresh_name())
    producer.begin()
    producer.commit({place: 3}, "", new.assignment.token)
    producer.close()
    assert log.committed(group, [place])[place].offset == 3
    old.close()
    new.close()


def test_expired_offsets_are_gone(world, log):
    place, group = Place(world.topic(), 0), fresh_name()
    member = log.member(group, [place.topic], None)
    settle(member)
    producer = log.producer(fresh_name())
    producer.begin()
    producer.commit({place: 1}, "", member.assignment.token)
    producer.close()
    member.close()
    world.expire_offsets(group)
    assert log.committed(group, [place]) == {}
