"""What the contract suite does to logs in many of its tests."""

import time
from collections.abc import Callable, Sequence

from stream.edges.transports.log import Assignment, Incoming, Log, Member, Place, Producer, Record

SECONDS = 20
KIB = 1024


def eventually(condition: Callable[[], bool], seconds: float = SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def transaction(log: Log, name: str, place: Place, values: Sequence[bytes], commit=True) -> None:
    producer = log.producer(name)
    producer.begin()
    producer.send(place, [(b"key", value) for value in values])
    if commit:
        producer.commit({}, "", None)
    else:
        time.sleep(0.1)  # else it is given up before it is sent
        producer.abort()
    producer.close()


def send_and_commit(producer: Producer, place: Place, value: bytes) -> None:
    producer.send(place, [(None, value)])
    producer.commit({}, "", None)


def begin_and_commit(producer: Producer, place: Place, value: bytes) -> None:
    producer.begin()
    send_and_commit(producer, place, value)


def written(log: Log, place: Place, count: int) -> list[Record]:
    """Give all committed records, once there are so many; the end may lag behind a commit."""
    found: list[Record] = []

    def enough() -> bool:
        start, end = log.ranges([place])[place]
        found[:] = log.read(place, start, end)
        return len(found) >= count

    eventually(enough)
    return found


def values(records: Sequence[Record]) -> list[bytes | None]:
    return [record.value for record in records]


def owned(member: Member) -> Assignment:
    assert member.assignment is not None
    return member.assignment


def settle(*members: Member) -> list[frozenset[int]]:
    """Poll until all members have an assignment and no two of them share a partition."""

    def settled() -> bool:
        for member in members:
            assert member.poll(0.02, 10) == []
        shares = [member.assignment.partitions for member in members if member.assignment]
        numbers = [number for share in shares for number in share]
        return len(shares) == len(members) and len(numbers) == len(set(numbers))

    eventually(settled)
    return [owned(member).partitions for member in members]


def deliver(member: Member, place: Place, count: int, at_once: int = 1000) -> list[Incoming]:
    found: list[Incoming] = []

    def enough() -> bool:
        for batch in member.poll(0.05, at_once):
            assert batch.place == place
            found.extend(batch.records)
        return len(found) >= count

    eventually(enough)
    return found
