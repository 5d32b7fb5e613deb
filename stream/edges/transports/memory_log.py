"""The log in memory: clients of a `MemoryBroker`, with everything that the contract asks."""

import time
from collections.abc import Iterator, Mapping, Sequence

from stream.edges.transports.checks import checked_metadata, owned_numbers
from stream.edges.transports.log import (
    Assignment,
    Batch,
    CommittedOffset,
    LogError,
    LogUnavailableError,
    Member,
    OffsetLostError,
    Outgoing,
    Place,
    Producer,
    Range,
    Record,
    Topic,
    Writer,
)
from stream.edges.transports.memory_broker import MemoryBroker
from stream.edges.transports.memory_group import Membership
from stream.edges.transports.memory_partition import Partition

__all__ = ["MemoryBroker", "MemoryLog", "MemoryMember", "MemoryProducer", "MemoryWriter"]


class MemoryLog:
    """A connection to a broker in memory.

    Parameters
    ----------
    broker
        What is shared with the other connections.
    patience
        Seconds that `read` waits without progress.
    """

    def __init__(self, broker: MemoryBroker, patience: float = 0.5) -> None:
        self._broker = broker
        self._patience = patience

    def member(self, group: str, topics: Sequence[str], instance: str | None) -> Member:
        """Join a group; `instance` makes it a static member."""
        return MemoryMember(self._broker, group, topics, instance)

    def producer(self, name: str) -> Producer:
        """Open the transactional producer of this name, fencing any other."""
        return MemoryProducer(self._broker, name)

    def writer(self) -> Writer:
        """Open a plain writer."""
        return MemoryWriter(self._broker)

    def cluster(self) -> str:
        """Give the id of the cluster."""
        with self._broker.changed:
            self._broker.require()
            return self._broker.id

    def topics(self, names: Sequence[str]) -> dict[str, Topic]:
        """Describe those of the topics that exist."""
        with self._broker.changed:
            self._broker.require()
            topics = self._broker.topics()
            return {name: topics[name].described() for name in names if name in topics}

    def create(
        self,
        name: str,
        partitions: int,
        settings: Mapping[str, str],
        replication: int | None = None,
    ) -> None:
        """Create a topic; one that exists is left as it is."""
        with self._broker.changed:
            self._broker.require()
            self._broker.create(name, partitions, settings)

    def ranges(self, places: Sequence[Place]) -> dict[Place, Range]:
        """Give what each partition holds."""
        with self._broker.changed:
            self._broker.require()
            partitions = {place: self._broker.partition(place) for place in places}
            return {place: Range(it.start, it.stable) for place, it in partitions.items()}

    def committed(self, group: str, places: Sequence[Place]) -> dict[Place, CommittedOffset]:
        """Give the offsets that the group has committed."""
        with self._broker.changed:
            self._broker.require()
            offsets = self._broker.group(group).committed
            return {place: offsets[place] for place in places if place in offsets}

    def offset_at(self, place: Place, time: int) -> int | None:
        """Give the offset of the first record at or after a time."""
        with self._broker.changed:
            self._broker.require()
            return self._broker.partition(place).offset_at(time)

    def read(self, place: Place, start: int, end: int) -> Iterator[Record]:
        """Read the committed records of [start, end), whoever else reads; then stop."""
        deadline = time.monotonic() + self._patience
        while start < end:
            with self._broker.changed:
                records, after = self._fetch(place, start)
                if after == start:
                    if not self._broker.changed.wait(deadline - time.monotonic()):
                        raise LogUnavailableError(f"nothing more to read of {place} from {start}")
                    continue
            start, deadline = after, time.monotonic() + self._patience
            yield from (record for record in records if record.offset < end)

    def _fetch(self, place: Place, start: int) -> tuple[list[Record], int]:
        if not self._broker.available:
            return [], start
        partition = self._broker.partition(place)
        if start < partition.start:
            raise OffsetLostError(f"{place} begins at {partition.start}, after {start}")
        return partition.fetch(start, 1000)

    def close(self) -> None:
        """Do nothing: there is nothing to let go of."""


class MemoryMember:
    """A member of a group in memory.

    A static member that another one of its name has replaced goes on without hearing of it, as
    kafka-python's does; only its commits are refused.
    """

    def __init__(
        self, broker: MemoryBroker, group: str, topics: Sequence[str], instance: str | None
    ) -> None:
        self._broker = broker
        self._group = group
        self._topics = tuple(topics)
        self._instance = instance
        self._membership: Membership | None = None
        self._assignment: Assignment | None = None
        self._started: dict[Place, tuple[Partition, int]] = {}
        self._paused: set[Place] = set()
        self._heard: dict[Place, int] = {}

    @property
    def assignment(self) -> Assignment | None:
        """What is owned; None before the first assignment and while it is being changed."""
        return self._assignment

    def poll(self, seconds: float, most: int) -> list[Batch]:
        """Wait up to `seconds` for records of started partitions; give at most `most`."""
        deadline = time.monotonic() + seconds
        with self._broker.changed:
            while True:
                batches: list[Batch] = []
                if self._broker.available and not self._rebalanced():
                    batches = self._fetch(most)
                left = deadline - time.monotonic()
                if batches or left <= 0:
                    return batches
                self._broker.changed.wait(left)

    def _rebalanced(self) -> bool:
        """Take part in a rebalance; tell whether one is going on."""
        group = self._broker.group(self._group)
        mine = self._membership
        if mine is None or not (group.knows(mine) or mine.fenced):
            self._revoke()
            mine = self._membership = group.join(self._topics, self._instance)
        if mine.fenced:
            return False
        if not mine.joined:
            self._revoke()
            group.rejoin(mine)
            self._broker.changed.notify_all()
        if self._assignment is None or self._assignment.epoch != mine.generation:
            self._assignment = None
            if not group.settled:
                return True
            numbers = owned_numbers(mine.places, self._topics)
            self._assignment = Assignment(mine.generation, numbers, group.token(mine))
        return False

    def _revoke(self) -> None:
        self._assignment = None
        self._started.clear()
        self._paused.clear()
        self._heard.clear()

    def _fetch(self, most: int) -> list[Batch]:
        batches: list[Batch] = []
        for place in [place for place in self._started if place not in self._paused]:
            partition, offset = self._started.pop(place)  # last in line next time
            self._started[place] = partition, offset
            self._check(place, partition, offset)
            self._heard[place] = partition.stable
            records, after = partition.fetch(offset, most)
            self._started[place] = partition, after
            most -= len(records)
            if records:
                batches.append(Batch(place, [(r.offset, r.time, r.value) for r in records]))
        return batches

    def _check(self, place: Place, partition: Partition, offset: int) -> None:
        if self._broker.partition(place) is not partition:
            raise OffsetLostError(f"{place.topic} is not the topic that it was: created anew?")
        if not partition.start <= offset <= partition.end:
            held = f"{partition.start} to {partition.end}"
            raise OffsetLostError(f"{place} holds offsets {held}, not {offset}")

    def start(self, place: Place, offset: int) -> None:
        """Deliver an owned partition from this offset on."""
        with self._broker.changed:
            owned = self._assignment
            if owned is None or place.partition not in owned.partitions:
                raise LogError(f"{place} is not assigned to this member")
            self._started[place] = self._broker.partition(place), offset
            self._heard.pop(place, None)

    def pause(self, place: Place) -> None:
        """Stop delivering a partition."""
        self._paused.add(place)

    def resume(self, place: Place) -> None:
        """Go on delivering a paused partition."""
        self._paused.discard(place)

    def at_end(self, place: Place) -> bool:
        """Whether all that was committed has been delivered, as far as heard."""
        return place in self._heard and self._started[place][1] >= self._heard[place]

    def end(self, place: Place) -> int | None:
        """Give the end of a partition as last heard of."""
        return self._heard.get(place)

    def close(self) -> None:
        """Leave the group; a static member stays in it for its session."""
        with self._broker.changed:
            if self._membership is not None:
                self._broker.group(self._group).leave(self._membership)
            self._membership = None
            self._revoke()
            self._broker.changed.notify_all()


class MemoryProducer:
    """A transactional producer in memory; opening it fences the other ones of its name."""

    def __init__(self, broker: MemoryBroker, name: str) -> None:
        self._broker = broker
        self._name = name
        self._open = False
        with broker.changed:
            broker.require()
            self._epoch = broker.fence(name)

    def begin(self) -> None:
        """Open a transaction."""
        if self._open:
            raise LogError(f"a transaction of {self._name} is open already")
        with self._broker.changed:
            self._broker.check_producer(self._name, self._epoch)
        self._open = True

    def send(
        self, place: Place, records: Sequence[Outgoing], header: tuple[str, bytes] | None = None
    ) -> None:
        """Add records to the transaction; the last one carries `header`."""
        with self._broker.changed:
            self._check()
            partition = self._broker.partition(place)
            longest = self._broker.topics()[place.topic].longest
            transaction = self._broker.transaction(self._name)
            now = self._broker.clock()
            for index, (key, value) in enumerate(records, 1):
                if len(key or b"") + len(value or b"") > longest:
                    raise LogError(f"a record for {place} is larger than {longest} bytes")
                headers = [header] if header and index == len(records) else []
                partition.append(now, key, value, headers, transaction)

    def commit(self, offsets: Mapping[Place, int], metadata: str, token: object) -> None:
        """Write what was sent and move the group's offsets, all or nothing."""
        checked_metadata(metadata)
        with self._broker.changed:
            self._check()
            self._broker.commit(self._name, offsets, metadata, token)
        self._open = False

    def abort(self) -> None:
        """Give up the open transaction."""
        with self._broker.changed:
            self._check()
            self._broker.abort(self._name)
        self._open = False

    def _check(self) -> None:
        if not self._open:
            raise LogError(f"no transaction of {self._name} is open")
        self._broker.check_producer(self._name, self._epoch)

    def close(self) -> None:
        """Let go; an open transaction stays open until the name is opened again."""
        self._open = False


class MemoryWriter:
    """A plain writer in memory."""

    def __init__(self, broker: MemoryBroker) -> None:
        self._broker = broker

    def write(self, place: Place, key: bytes | None, value: bytes | None, time: int) -> None:
        """Write a record."""
        with self._broker.changed:
            self._broker.require()
            self._broker.append(place, key, value, time)

    def flush(self) -> None:
        """Do nothing: everything is written at once."""

    def close(self) -> None:
        """Do nothing: there is nothing to let go of."""
