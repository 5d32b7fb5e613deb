"""What every log answers about topics, offsets and history, and how an outage looks."""

import time

import pytest

from stream.edges.transports.log import (
    FencedError,
    Log,
    LogError,
    LogUnavailableError,
    Member,
    OffsetLostError,
    Place,
)
from tests.kafka.logs import (
    SECONDS,
    begin_and_commit,
    eventually,
    settle,
    transaction,
    values,
    written,
)
from tests.kafka.worlds import fresh_name


def test_topics_are_created_once_and_described(world, log):
    name = fresh_name()
    assert log.topics([name]) == {}
    log.create(name, 3, {"cleanup.policy": "compact"})
    log.create(name, 5, {})
    found = log.topics([name, fresh_name()])
    assert set(found) == {name}
    assert found[name].partitions == 3
    assert found[name].settings["cleanup.policy"] == "compact"
    assert found[name].id == world.log().topics([name])[name].id
    assert log.cluster() == world.log().cluster() != ""


def test_ranges_tell_what_a_partition_holds(world, log):
    topic = world.topic(2)
    places = [Place(topic, 0), Place(topic, 1)]
    transaction(log, fresh_name(), places[0], [b"0", b"1", b"2"])
    written(log, places[0], 3)
    world.delete_records(places[0], 2)
    assert log.ranges(places) == {places[0]: (2, 4), places[1]: (0, 0)}
    with pytest.raises(LogError):
        log.ranges([Place(fresh_name(), 0)])


def test_records_are_found_by_their_time(world, log):
    place = Place(world.topic(), 0)
    writer = log.writer()
    for index, when in enumerate([1000, 2000, 3000]):
        writer.write(place, b"k", b"%d" % index, when)
    writer.flush()
    writer.close()
    assert [log.offset_at(place, when) for when in (0, 1000, 1001, 3000, 3001)] == [
        0,
        0,
        1,
        2,
        None,
    ]
    assert [record.time for record in written(log, place, 3)] == [1000, 2000, 3000]


def test_reading_keeps_to_its_range(world, log):
    place = Place(world.topic(), 0)
    name = fresh_name()
    for value in (b"0", b"1", b"2"):
        transaction(log, name, place, [value] * 2)
    assert values(written(log, place, 6)) == [b"0", b"0", b"1", b"1", b"2", b"2"]
    assert values(list(log.read(place, 1, 5))) == [b"0", b"1", b"1"]
    assert list(log.read(place, 2, 3)) == []  # a marker
    assert list(log.read(place, 4, 4)) == []
    world.delete_records(place, 3)
    with pytest.raises(OffsetLostError):
        list(log.read(place, 0, 5))


def test_reading_what_does_not_come_ends_as_unavailable(world, log):
    place = Place(world.topic(), 0)
    transaction(log, fresh_name(), place, [b"0"])
    written(log, place, 1)
    with pytest.raises(LogUnavailableError):
        list(log.read(place, 0, 50))


# Outages


def test_an_outage_is_survived(world, log):
    place, group = Place(world.topic(), 0), fresh_name()
    member = log.member(group, [place.topic], "m")
    settle(member)
    member.start(place, 0)
    producer = log.producer(fresh_name())
    world.stop()
    started = time.monotonic()
    assert member.poll(0.2, 10) == []
    with pytest.raises(LogUnavailableError):
        begin_and_commit(producer, place, b"lost or not")
    producer.close()
    with pytest.raises(LogUnavailableError):
        log.ranges([place])
    assert time.monotonic() - started < SECONDS
    world.restart()
    eventually(lambda: log_answers(log, place))
    transaction(log, fresh_name(), place, [b"1"])
    member = deliver_again(log, member, group, place)
    member.close()


def deliver_again(log: Log, member: Member, group: str, place: Place) -> Member:
    """Wait for a record; the session may be over, or the client fenced by its former self."""
    epoch = member.assignment.epoch if member.assignment else 0
    while True:
        try:
            if any(batch.records for batch in member.poll(0.05, 10)):
                return member
        except FencedError:
            member.close()
            member, epoch = log.member(group, [place.topic], "m"), 0
        if member.assignment and member.assignment.epoch != epoch:
            epoch = member.assignment.epoch
            member.start(place, 0)


def log_answers(log: Log, place: Place) -> bool:
    try:
        log.ranges([place])
    except LogUnavailableError:
        return False
    return True
