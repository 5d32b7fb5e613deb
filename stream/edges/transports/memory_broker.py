"""A little Kafka in one process, for tests: what a real one does to its clients, on request."""

import time
import uuid
from collections.abc import Callable, Mapping
from threading import Condition
from typing import Literal

from stream.edges.transports.log import (
    CommittedOffset,
    FencedError,
    LogError,
    LogUnavailableError,
    Place,
    Record,
    Topic,
)
from stream.edges.transports.memory_group import Group
from stream.edges.transports.memory_partition import Partition, Transaction

MAX_RECORD = 1024 * 1024


class MemoryTopic:
    """A topic: its id, which a later one of the same name does not have, and its partitions."""

    def __init__(self, partitions: int, settings: Mapping[str, str]) -> None:
        self.id = uuid.uuid4().hex
        self.settings = dict(settings)
        self.longest = int(self.settings.get("max.message.bytes", MAX_RECORD))
        self.partitions = [Partition() for _ in range(partitions)]

    def described(self) -> Topic:
        """Give it as a client sees it."""
        return Topic(self.id, len(self.partitions), dict(self.settings))


class MemoryBroker:
    """Topics, groups and transactions that any number of `MemoryLog` share.

    Its methods are what happens to a broker, for a test to provoke: outages, lost answers,
    retention, topics that are created anew, offsets that expire. Safe to use from threads.

    Parameters
    ----------
    clock
        Time of records that are written without one, in milliseconds since the epoch.

    Examples
    --------
    >>> from stream.edges.transports.memory_log import MemoryLog
    >>> broker = MemoryBroker(clock=lambda: 0)
    >>> broker.create("in", partitions=1)
    >>> log = MemoryLog(broker)
    >>> producer = log.producer("app-0")
    >>> producer.begin()
    >>> producer.send(Place("in", 0), [(b"key", b"value")])
    >>> broker.records(Place("in", 0))
    []
    >>> producer.commit({}, "", None)
    >>> broker.records(Place("in", 0))
    [Record(offset=0, time=0, key=b'key', value=b'value', headers=[])]
    """

    def __init__(self, clock: Callable[[], int] = lambda: time.time_ns() // 1_000_000) -> None:
        self.id = uuid.uuid4().hex
        self.clock = clock
        self.changed = Condition()  # its lock guards everything here; told of every change
        self.available = True
        self._topics: dict[str, MemoryTopic] = {}
        self._groups: dict[str, Group] = {}
        self._producers: dict[str, int] = {}
        self._transactions: dict[str, Transaction] = {}
        self._lost: list[Literal["applied", "refused"]] = []

    # What happens to a broker

    def stop(self) -> None:
        """Answer nobody: polls give nothing, and every other call fails as unavailable."""
        with self.changed:
            self.available = False

    def restart(self) -> None:
        """Answer again, with everything as it was."""
        with self.changed:
            self.available = True
            self.changed.notify_all()

    def lose_commit(self, outcome: Literal["applied", "refused"]) -> None:
        """Let the next commit fail as unavailable, though it was applied, or before it was."""
        with self.changed:
            self._lost.append(outcome)

    def create(
        self, name: str, partitions: int = 1, settings: Mapping[str, str] | None = None
    ) -> None:
        """Create a topic; one that exists is left as it is."""
        with self.changed:
            if name not in self._topics:
                self._topics[name] = MemoryTopic(partitions, settings or {})
                self._metadata_changed(name)

    def delete(self, name: str) -> None:
        """Delete a topic, and with it the offsets that groups have committed for it."""
        with self.changed:
            self._topics.pop(name)
            self._forget_offsets(name)
            self._metadata_changed(name)

    def recreate(self, name: str) -> None:
        """Put an empty topic with another id in the place of one, too fast for a rebalance."""
        with self.changed:
            old = self._topics.pop(name)
            self._forget_offsets(name)
            self._topics[name] = MemoryTopic(len(old.partitions), old.settings)

    def add_partitions(self, name: str, partitions: int) -> None:
        """Give a topic more partitions: `partitions` is their new number."""
        with self.changed:
            topic = self._topics[name]
            missing = partitions - len(topic.partitions)
            topic.partitions += [Partition() for _ in range(missing)]
            self._metadata_changed(name)

    def delete_records(self, place: Place, before: int) -> None:
        """Let the start of a partition move on, as retention does."""
        with self.changed:
            self.partition(place).delete(before)

    def compact(self, place: Place) -> None:
        """Keep the last record of each key only, and no tombstones."""
        with self.changed:
            self.partition(place).compact()

    def append(
        self, place: Place, key: bytes | None, value: bytes | None, time: int | None = None
    ) -> None:
        """Write a record as somebody else would."""
        with self.changed:
            self.partition(place).append(
                self.clock() if time is None else time, key, value, [], None
            )
            self.changed.notify_all()

    def expire_offsets(self, group: str) -> None:
        """Forget the offsets that a group has committed, as happens after idle days."""
        with self.changed:
            self.group(group).committed.clear()

    def set_offset(self, group: str, place: Place, offset: int, metadata: str = "") -> None:
        """Set a group's offset by hand."""
        with self.changed:
            self.group(group).committed[place] = CommittedOffset(offset, metadata)

    def expire_transactions(self) -> None:
        """Abort open transactions, as the broker does after their time; it fences the writers."""
        with self.changed:
            for name in list(self._transactions):
                self.fence(name)

    def evict(self, group: str, instance: str) -> None:
        """Drop a static member from its group, as when its session is over."""
        with self.changed:
            self.group(group).evict_instance(instance)
            self.changed.notify_all()

    def rebalance(self, group: str) -> None:
        """Ask all members of a group to join anew."""
        with self.changed:
            self.group(group).rebalance()
            self.changed.notify_all()

    def records(self, place: Place) -> list[Record]:
        """Give the committed records of a partition."""
        with self.changed:
            partition = self.partition(place)
            return partition.fetch(partition.start, partition.end)[0]

    # What clients ask of it, under the lock

    def require(self) -> None:
        """Refuse when there is an outage."""
        if not self.available:
            raise LogUnavailableError("the broker in memory was stopped; `restart` it")

    def topics(self) -> dict[str, MemoryTopic]:
        """Give all topics."""
        return self._topics

    def counts(self) -> dict[str, int]:
        """Give the number of partitions of each topic."""
        return {name: len(topic.partitions) for name, topic in self._topics.items()}

    def partition(self, place: Place) -> Partition:
        """Give a partition, or refuse."""
        topic = self._topics.get(place.topic)
        if topic is None or not 0 <= place.partition < len(topic.partitions):
            raise LogError(f"there is no partition {place.partition} of a topic {place.topic!r}")
        return topic.partitions[place.partition]

    def group(self, name: str) -> Group:
        """Give a group, which comes to be when it is first asked for."""
        return self._groups.setdefault(name, Group(name, self.counts))

    def fence(self, name: str) -> int:
        """Give a new epoch to the producers of a name and abort what was open."""
        self._end(name, "aborted")
        self._producers[name] = self._producers.get(name, -1) + 1
        return self._producers[name]

    def check_producer(self, name: str, epoch: int) -> None:
        """Refuse a producer that another one of the same name has fenced."""
        self.require()
        if self._producers[name] != epoch:
            raise FencedError(f"another process has opened the producer {name}")

    def transaction(self, name: str) -> Transaction:
        """Give the open transaction of a producer, opening it."""
        return self._transactions.setdefault(name, Transaction())

    def commit(self, name: str, offsets: Mapping[Place, int], metadata: str, token: object) -> None:
        """Commit what a producer has sent, and offsets, all or nothing."""
        lost = self._lost.pop(0) if self._lost else None
        if lost == "refused":
            raise LogUnavailableError("the commit did not arrive, as it was told to")
        if offsets:
            group = self.group(getattr(token, "group", ""))
            group.check(token)
            for place, offset in offsets.items():
                group.committed[place] = CommittedOffset(offset, metadata)
        self._end(name, "committed")
        if lost == "applied":
            raise LogUnavailableError("the answer to the commit was lost, as it was told to")

    def abort(self, name: str) -> None:
        """Abort what a producer has sent."""
        self._end(name, "aborted")

    def _end(self, name: str, state: Literal["committed", "aborted"]) -> None:
        transaction = self._transactions.pop(name, None)
        if transaction is not None:
            transaction.end(state)
        self.changed.notify_all()

    def _forget_offsets(self, topic: str) -> None:
        for group in self._groups.values():
            for place in [place for place in group.committed if place.topic == topic]:
                del group.committed[place]

    def _metadata_changed(self, topic: str) -> None:
        for group in self._groups.values():
            if group.subscribes(topic):
                group.rebalance()
        self.changed.notify_all()
