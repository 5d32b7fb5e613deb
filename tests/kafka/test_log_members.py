"""What every log promises to the members of a group."""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from confluent_kafka import OFFSET_END, TopicPartition

from stream.edges.transports.log import LogError, Member, OffsetLostError, Place
from tests.kafka.logs import deliver, eventually, owned, settle, transaction
from tests.kafka.worlds import CLIENTS, PUBLIC, KafkaWorld, World, fresh_name, open_world


@pytest.fixture(params=["memory", *CLIENTS, PUBLIC])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    with open_world(request.param, request) as found:
        yield found


def test_a_partition_is_delivered_from_where_it_was_started(world, log):
    place = Place(world.topic(), 0)
    transaction(log, fresh_name(), place, [b"0", b"1", b"2", b"3"])
    before = time.time() * 1000
    member = log.member(fresh_name(), [place.topic], None)
    assert member.assignment is None
    settle(member)
    assert member.poll(0.1, 10) == []
    member.start(place, 2)
    found = deliver(member, place, 2)
    assert [(offset, value) for offset, _, value in found] == [(2, b"2"), (3, b"3")]
    assert all(abs(when - before) < 60_000 for _, when, _ in found)
    member.start(place, 1)
    assert [value for _, _, value in deliver(member, place, 3)] == [b"1", b"2", b"3"]
    member.close()


def test_what_is_started_or_resumed_after_a_rest_is_delivered_at_once(world, log):
    """One client's thread looks only once a second for what there is to be fetched."""
    place, took = Place(world.topic(), 0), 0.0
    transaction(log, fresh_name(), place, [b"0", b"1"])
    member = log.member(fresh_name(), [place.topic], None)
    settle(member)
    member.start(place, 0)
    deliver(member, place, 2)
    for _ in range(5):
        member.pause(place)
        member.start(place, 0)
        assert member.poll(0.3, 10) == []
        before = time.monotonic()
        member.resume(place)
        deliver(member, place, 2)
        took += time.monotonic() - before
    assert took < 1.2
    member.close()


def test_topics_with_equal_counts_are_shared_alike(world, log):
    topics, group = [world.topic(5), world.topic(5)], fresh_name()
    members = [world.log().member(group, topics, name) for name in ("a", "b")]
    assert settle(*members) == [{0, 1, 2}, {3, 4}]
    for member in members:
        member.close()


def test_topics_with_unequal_counts_are_refused(world, log):
    topics, group = [world.topic(3), world.topic(2)], fresh_name()
    members = [world.log().member(group, topics, name) for name in ("a", "b")]
    with pytest.raises(LogError, match="equal numbers"):
        settle(*members)
    for member in members:
        member.close()


def test_members_may_leave_while_the_group_makes_up_its_mind(world, log):
    """One client waits for ever, and all of the process with it, for what it has just asked."""
    topic, group = world.topic(2), fresh_name()
    for _ in range(20):
        members = [world.log().member(group, [topic], name) for name in ("a", "b")]
        while members[0].assignment is None:
            assert members[0].poll(0.02, 10) == []
        for member in members:
            member.close()


def test_after_a_rebalance_nothing_is_delivered_before_it_is_started_again(world, log):
    topic, group = world.topic(2), fresh_name()
    for number in range(2):
        transaction(log, fresh_name(), Place(topic, number), [b"%d" % number])
    first = log.member(group, [topic], "a")
    assert settle(first) == [{0, 1}]
    epoch = first.assignment.epoch
    second = world.log().member(group, [topic], "b")
    assert settle(first, second) == [{0}, {1}]
    assert first.assignment.epoch > epoch
    assert first.poll(0.1, 10) == []
    first.start(Place(topic, 0), 0)
    second.start(Place(topic, 1), 0)
    assert deliver(first, Place(topic, 0), 1)[0][2] == b"0"
    assert deliver(second, Place(topic, 1), 1)[0][2] == b"1"
    first.close()
    second.close()


def test_a_member_without_a_name_gives_its_share_back_when_it_leaves(world, log):
    topic, group = world.topic(2), fresh_name()
    first, second = log.member(group, [topic], None), world.log().member(group, [topic], None)
    assert sorted(map(sorted, settle(first, second))) == [[0], [1]]
    second.close()
    eventually(lambda: settle(first) == [{0, 1}])
    first.close()


def test_a_static_member_comes_back_to_its_share_without_a_rebalance(world, log):
    topic, group = world.topic(2), fresh_name()
    first, second = log.member(group, [topic], "a"), world.log().member(group, [topic], "b")
    settle(first, second)
    epoch = first.assignment.epoch
    second.close()
    second = world.log().member(group, [topic], "b")
    assert settle(second) == [{1}]
    assert settle(first) == [{0}]
    assert first.assignment.epoch == epoch
    first.close()
    second.close()


def test_a_paused_partition_is_silent_and_loses_nothing(world, log):
    topic = world.topic(2)
    places = [Place(topic, 0), Place(topic, 1)]
    member = log.member(fresh_name(), [topic], None)
    settle(member)
    for place in places:
        member.start(place, 0)
    member.pause(places[0])
    for place in places:
        transaction(log, fresh_name(), place, [b"%d" % place.partition])
    assert deliver(member, places[1], 1)[0][2] == b"1"
    assert member.poll(0.2, 10) == []
    member.resume(places[0])
    assert deliver(member, places[0], 1)[0][2] == b"0"
    member.close()


def test_what_was_read_of_a_paused_partition_comes_when_the_others_have_ended(world, log):
    topic = world.topic(2)
    places = [Place(topic, 0), Place(topic, 1)]
    for place in places:
        transaction(log, fresh_name(), place, [b"%d" % i for i in range(30)])
    member = log.member(fresh_name(), [topic], None)
    settle(member)
    member.start(places[0], 0)
    found = deliver(member, places[0], 10, at_once=10)
    member.pause(places[0])
    member.start(places[1], 0)
    assert len(deliver(member, places[1], 30)) == 30
    assert member.poll(0.3, 10) == []
    member.resume(places[0])
    if len(found) < 30:
        found += deliver(member, places[0], 30 - len(found))
    assert [offset for offset, _, _ in found] == list(range(30))
    member.close()


def test_an_end_that_is_heard_of_with_the_last_records_counts(world, log):
    place = Place(world.topic(), 0)
    writer = log.writer()
    writer.write(place, None, b"0", 1000)
    writer.close()
    member = log.member(fresh_name(), [place.topic], None)
    settle(member)
    member.start(place, 0)
    eventually(lambda: bool(member.poll(1.0, 1000)))
    eventually(lambda: member.poll(0.01, 10) == [] and member.at_end(place))
    member.close()


def test_about_as_many_records_are_given_as_were_asked_for(world, log):
    place = Place(world.topic(), 0)
    transaction(log, fresh_name(), place, [b"%d" % i for i in range(1000)])
    member = log.member(fresh_name(), [place.topic], None)
    settle(member)
    member.start(place, 0)
    found: list[int] = []

    def all_read() -> bool:
        given = [offset for batch in member.poll(0.1, 100) for offset, _, _ in batch.records]
        assert len(given) <= 200
        found.extend(given)
        return len(found) >= 1000

    eventually(all_read)
    assert found == list(range(1000))
    member.close()


def test_a_partition_is_at_its_end_when_nothing_visible_is_left(world, log):
    place, name = Place(world.topic(), 0), fresh_name()
    transaction(log, name, place, [b"0", b"1"])
    transaction(log, name, place, [b"never"] * 3, commit=False)
    member = log.member(fresh_name(), [place.topic], None)
    settle(member)
    assert member.end(place) is None
    assert not member.at_end(place)
    member.start(place, 0)
    assert not member.at_end(place)
    assert [value for _, _, value in deliver(member, place, 2)] == [b"0", b"1"]
    eventually(lambda: member.poll(0.01, 10) == [] and member.at_end(place))
    assert member.end(place) == log.ranges([place])[place].end == 7
    transaction(log, name, place, [b"2"])
    assert [value for _, _, value in deliver(member, place, 1)] == [b"2"]
    eventually(lambda: member.poll(0.01, 10) == [] and member.at_end(place))
    member.start(place, 0)
    assert not member.at_end(place)
    member.close()


def test_a_partition_is_not_at_its_end_while_records_wait_in_it(world, log):
    place = Place(world.topic(), 0)
    transaction(log, fresh_name(), place, [b"%d" % i for i in range(500)])
    member = log.member(fresh_name(), [place.topic], None)
    settle(member)
    member.start(place, 0)
    taken = 0
    while taken < 500:
        assert not member.at_end(place)
        taken += sum(len(batch.records) for batch in member.poll(0.1, 50))
    member.close()


@pytest.mark.parametrize("offset", [0, 99])
def test_an_offset_that_the_log_does_not_hold_is_an_error(world, log, offset):
    place = Place(world.topic(), 0)
    transaction(log, fresh_name(), place, [b"0", b"1", b"2"])
    world.delete_records(place, 2)
    member = log.member(fresh_name(), [place.topic], None)
    settle(member)
    member.start(place, offset)
    with pytest.raises(OffsetLostError):
        deliver(member, place, 1)
    member.start(place, 2)
    assert [value for _, _, value in deliver(member, place, 1)] == [b"2"]
    member.close()


def test_a_topic_that_is_created_anew_is_noticed(world, log):
    place = Place(world.topic(), 0)
    transaction(log, fresh_name(), place, [b"0", b"1"])
    member = log.member(fresh_name(), [place.topic], None)
    settle(member)
    member.start(place, 0)
    deliver(member, place, 2)
    before = log.topics([place.topic])[place.topic].id
    world.recreate(place.topic)
    eventually(lambda: refuses_or_rebalances(member))
    assert log.topics([place.topic])[place.topic].id != before
    member.close()


def refuses_or_rebalances(member: Member) -> bool:
    """Either way the owner has to look at the topic before it goes on."""
    epoch = owned(member).epoch
    try:
        assert member.poll(0.05, 10) == []
    except OffsetLostError:
        return True
    return member.assignment is None or member.assignment.epoch != epoch


def test_a_client_that_loses_its_place_makes_nothing_be_passed_over(broker):
    """Marks of transactions lie before the first record; then the client goes astray by itself."""
    with ExitStack() as stack:
        world = KafkaWorld(broker, "confluent", stack)
        log, place = world.log(), Place(world.topic(), 0)
        for n in range(8):
            transaction(log, fresh_name(), place, [str(n).encode()])
        member: Any = log.member(fresh_name(), [place.topic], None)
        settle(member)
        for start, first in ((1, 2), (2, 2), (5, 6)):  # 1, 3, 5 .. are marks
            member.start(place, start)
            member._consumer.seek(TopicPartition(*place, OFFSET_END))
            found = deliver(member, place, 8 - first // 2)
            assert [offset for offset, _, _ in found] == list(range(first, 16, 2))
            eventually(lambda: member.poll(0.05, 10) == [] and member.at_end(place))
        member.close()
