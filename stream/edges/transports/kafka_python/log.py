"""The log on Kafka by the client kafka-python."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from stream.edges.transports.connection import Timeouts, bounded
from stream.edges.transports.kafka_python.client import (
    ConfigResource,
    ConfigResourceType,
    Connection,
    TopicPartition,
    errors,
)
from stream.edges.transports.kafka_python.member import KafkaPythonMember
from stream.edges.transports.kafka_python.producer import KafkaPythonProducer, KafkaPythonWriter
from stream.edges.transports.log import (
    CommittedOffset,
    LogError,
    LogUnavailableError,
    Member,
    Place,
    Producer,
    Range,
    Record,
    Topic,
    Writer,
)

T = TypeVar("T")


class KafkaPythonLog:
    """A log on Kafka.

    Parameters
    ----------
    bootstrap
        `host:port`, or several with commas between them.
    settings
        Settings of kafka-python's own clients, in its spelling, over the ones chosen here.
    timeouts
        How long to wait.

    Raises
    ------
    LogError
        A setting that kafka-python does not know, or that driftline sets itself.
    """

    def __init__(
        self,
        bootstrap: str,
        settings: Mapping[str, Any] | None = None,
        timeouts: Timeouts | None = None,
    ) -> None:
        self._connection = Connection(bootstrap, settings or {}, timeouts or Timeouts())
        self._timeouts = self._connection.timeouts
        self._lock = threading.Lock()  # a consumer must not be used by two threads at once
        self._asker: Any = None

    def member(self, group: str, topics: Sequence[str], instance: str | None) -> Member:
        """Join a group, by the Range assignor; `instance` makes it a static member."""
        return KafkaPythonMember(self._connection, group, topics, instance)

    def producer(self, name: str) -> Producer:
        """Open the transactional producer of this name, fencing any other."""
        return KafkaPythonProducer(self._connection, name)

    def writer(self) -> Writer:
        """Open a plain, idempotent writer."""
        return KafkaPythonWriter(self._connection)

    def cluster(self) -> str:
        """Give the id of the cluster."""
        return str(
            self._administer("cluster", lambda admin: admin.describe_cluster()["cluster_id"])
        )

    def topics(self, names: Sequence[str]) -> dict[str, Topic]:
        """Describe those of the topics that exist."""

        def describe(admin: Any) -> dict[str, Topic]:
            found = [
                topic for topic in admin.describe_topics(list(names)) if not topic["error_code"]
            ]
            asked = [ConfigResource(ConfigResourceType.TOPIC, topic["name"]) for topic in found]
            settings = admin.describe_configs(asked)["topic"] if asked else {}
            return {
                topic["name"]: _topic(topic, settings.get(topic["name"], {})) for topic in found
            }

        return self._administer("topics", describe) if names else {}

    def create(
        self,
        name: str,
        partitions: int,
        settings: Mapping[str, str],
        replication: int | None = None,
    ) -> None:
        """Create a topic and wait until it can be used; one that exists is left as it is."""
        options = {
            "num_partitions": partitions,
            "replication_factor": replication or -1,
            "configs": dict(settings),
        }

        def create(admin: Any) -> None:
            try:
                admin.create_topics({name: options}, wait_for_metadata=True)
            except errors.TopicAlreadyExistsError:
                admin.wait_for_topics([name])

        self._administer(f"create topic {name}", create)

    def _administer(self, what: str, action: Callable[[Any], T]) -> T:
        """Let a fresh administrator do something: it knows no time limits of its own."""

        def act() -> T:
            with self._connection.admin() as admin:
                return action(admin)

        with self._connection.translated(what):
            return bounded(2 * self._timeouts.call, what, act)

    def ranges(self, places: Sequence[Place]) -> dict[Place, Range]:
        """Give what each partition holds."""

        def ask(consumer: Any, wait: int) -> dict[Place, Range]:
            asked = [self._known(consumer, place) for place in places]
            starts = consumer.beginning_offsets(asked, timeout_ms=wait)
            ends = consumer.end_offsets(asked, timeout_ms=wait)
            return {Place(*each): Range(starts[each], ends[each]) for each in asked}

        return self._ask("ranges", ask) if places else {}

    def committed(self, group: str, places: Sequence[Place]) -> dict[Place, CommittedOffset]:
        """Give the offsets that the group has committed, for those places where it has."""
        found = {}
        consumer = self._connection.consumer(group)
        try:
            with self._connection.translated("committed offsets"):
                for place in places:
                    partition = TopicPartition(*place)
                    wait = self._timeouts.call * 1000
                    kept = consumer.committed(partition, metadata=True, timeout_ms=wait)
                    if kept is not None and kept.offset >= 0:
                        found[place] = CommittedOffset(kept.offset, kept.metadata or "")
        finally:
            consumer.close(autocommit=False, timeout_ms=0)
        return found

    def offset_at(self, place: Place, time: int) -> int | None:
        """Give the offset of the first record at or after a time; None when all are before."""

        def ask(consumer: Any, wait: int) -> int | None:
            partition = self._known(consumer, place)
            found = consumer.offsets_for_times({partition: time}, timeout_ms=wait)[partition]
            return None if found is None or found.offset < 0 else int(found.offset)

        return self._ask("offset of a time", ask)

    def _known(self, consumer: Any, place: Place) -> Any:
        """Give a partition in the client's words, or refuse: it would wait for it to come to be."""
        numbers = bounded(self._timeouts.call, "topics", consumer.partitions_for_topic, place.topic)
        if place.partition not in (numbers or ()):
            raise LogError(f"there is no partition {place.partition} of a topic {place.topic!r}")
        return TopicPartition(*place)

    def _ask(self, what: str, question: Callable[[Any, int], T]) -> T:
        with self._lock, self._connection.translated(what):
            try:
                if self._asker is None:
                    self._asker = self._connection.consumer()
                return question(self._asker, round(self._timeouts.call * 1000))
            except errors.KafkaError:
                self._forget_asker()
                raise

    def _forget_asker(self) -> None:
        if self._asker is not None:
            self._asker.close(autocommit=False, timeout_ms=0)
        self._asker = None

    def read(self, place: Place, start: int, end: int) -> Iterator[Record]:
        """Read the committed records of [start, end), whoever else reads; then stop."""
        if start >= end:
            return
        consumer = self._connection.consumer()
        try:
            with self._connection.translated(f"read {place.topic}"):
                partition = self._known(consumer, place)
                consumer.assign([partition])
                consumer.seek(partition, start)
            yield from self._read(consumer, partition, end)
        finally:
            consumer.close(autocommit=False, timeout_ms=0)

    def _read(self, consumer: Any, partition: Any, end: int) -> Iterator[Record]:
        reached, deadline = -1, time.monotonic() + self._timeouts.call
        while reached < end:
            with self._connection.translated(f"read {partition.topic}"):
                polled = consumer.poll(timeout_ms=200).get(partition, [])
                position = consumer.position(partition, timeout_ms=1000)
            for it in polled:
                if it.offset < end:
                    yield Record(it.offset, it.timestamp, it.key, it.value, it.headers)
            if position is not None and position > reached:
                reached, deadline = position, time.monotonic() + self._timeouts.call
            elif time.monotonic() > deadline:
                raise LogUnavailableError(
                    f"Kafka: nothing more to read of {partition} at {reached}"
                )

    def close(self) -> None:
        """Let go of connections."""
        with self._lock:
            self._forget_asker()


def _topic(described: Mapping[str, Any], settings: Mapping[str, Any]) -> Topic:
    values = {name: str(setting["value"]) for name, setting in settings.items()}
    return Topic(str(described["topic_id"]), len(described["partitions"]), values)
