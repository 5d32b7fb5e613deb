"""The log on Kafka by the client confluent-kafka."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from stream.edges.transports.confluent.client import (
    AdminClient,
    ConfigResource,
    Connection,
    Consumer,
    KafkaError,
    KafkaException,
    NewTopic,
    ResourceType,
    TopicCollection,
    TopicPartition,
)
from stream.edges.transports.confluent.member import ConfluentMember
from stream.edges.transports.confluent.producer import ConfluentProducer, ConfluentWriter
from stream.edges.transports.connection import Timeouts, bounded
from stream.edges.transports.log import (
    CommittedOffset,
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

SET_ON_TOPIC = 1  # source of a setting: not a default, nor of the broker

_UNKNOWN = {
    KafkaError._UNKNOWN_PARTITION, KafkaError._UNKNOWN_TOPIC, KafkaError.UNKNOWN_TOPIC_OR_PART
}  # fmt: skip
"""What is said of partitions that are not there, and of any by a broker that has just come back."""


class ConfluentLog:
    """A log on Kafka.

    Parameters
    ----------
    bootstrap
        `host:port`, or several with commas between them.
    settings
        Settings of librdkafka, in its spelling, over the ones chosen here.
    timeouts
        How long to wait.

    Raises
    ------
    LogError
        A setting that librdkafka does not know, or that driftline sets itself.
    """

    def __init__(
        self,
        bootstrap: str,
        settings: Mapping[str, Any] | None = None,
        timeouts: Timeouts | None = None,
    ) -> None:
        self._connection = Connection(bootstrap, settings or {}, timeouts or Timeouts())
        self._wait = self._connection.timeouts.call
        self._lock = threading.Lock()
        self._admin = self._connection.admin()
        self._asker: Consumer | None = None

    def member(self, group: str, topics: Sequence[str], instance: str | None) -> Member:
        """Join a group, by the Range assignor; `instance` makes it a static member."""
        return ConfluentMember(self._connection, group, topics, instance)

    def producer(self, name: str) -> Producer:
        """Open the transactional producer of this name, fencing any other."""
        return ConfluentProducer(self._connection, name)

    def writer(self) -> Writer:
        """Open a plain, idempotent writer."""
        return ConfluentWriter(self._connection)

    def cluster(self) -> str:
        """Give the id of the cluster."""
        with self._connection.translated("cluster", self._admin):
            found = self._admin.describe_cluster(request_timeout=self._wait).result(2 * self._wait)
        return str(found.cluster_id)

    def topics(self, names: Sequence[str]) -> dict[str, Topic]:
        """Describe those of the topics that exist."""
        if not names:
            return {}
        found: dict[str, Any] = {}
        with self._connection.translated("topics", self._admin):
            described = self._admin.describe_topics(
                TopicCollection(list(names)), request_timeout=self._wait
            )
            for name, future in described.items():
                try:
                    found[name] = future.result(2 * self._wait)
                except KafkaException as error:
                    if error.args[0].code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
                        raise
            return {
                name: Topic(str(it.topic_id), len(it.partitions), settings)
                for (name, it), settings in zip(found.items(), self._settings(found), strict=True)
            }

    def _settings(self, names: Mapping[str, object]) -> list[dict[str, str]]:
        if not names:
            return []
        asked = [ConfigResource(ResourceType.TOPIC, name) for name in names]
        answers = self._admin.describe_configs(asked, request_timeout=self._wait)
        return [
            {
                entry.name: str(entry.value)
                for entry in answers[resource].result(2 * self._wait).values()
                if entry.source == SET_ON_TOPIC
            }
            for resource in asked
        ]

    def create(
        self,
        name: str,
        partitions: int,
        settings: Mapping[str, str],
        replication: int | None = None,
    ) -> None:
        """Create a topic and wait until it can be used; one that exists is left as it is."""
        topic = NewTopic(
            name,
            num_partitions=partitions,
            replication_factor=replication or -1,
            config=dict(settings),
        )
        with self._connection.translated(f"create topic {name}", self._admin):
            try:
                made = self._admin.create_topics([topic], request_timeout=self._wait)
                made[name].result(2 * self._wait)
            except KafkaException as error:
                if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                    raise
            self._await_leaders(self._admin, name)

    def _await_leaders(self, admin: AdminClient, name: str) -> None:
        deadline = time.monotonic() + self._wait
        while True:
            topic = admin.list_topics(name, timeout=self._wait).topics.get(name)
            partitions = topic.partitions.values() if topic is not None else ()
            if partitions and all(each.leader >= 0 for each in partitions):
                return
            if time.monotonic() > deadline:
                raise LogUnavailableError(f"Kafka: the topic {name} has no leaders yet")
            time.sleep(0.02)

    def ranges(self, places: Sequence[Place]) -> dict[Place, Range]:
        """Give what each partition holds."""

        def ask(consumer: Consumer) -> dict[Place, Range]:
            found = {}
            for place in places:
                partition = TopicPartition(*place)
                try:
                    marks = consumer.get_watermark_offsets(partition, timeout=self._wait)
                except KafkaException as error:
                    if error.args[0].code() not in _UNKNOWN:
                        raise
                    raise LogUnavailableError(f"Kafka: ranges: {place} is not known") from error
                if marks is None:
                    raise LogUnavailableError(f"Kafka: ranges: no answer within {self._wait:g} s")
                found[place] = Range(*marks)
            return found

        return self._ask("ranges", ask)

    def committed(self, group: str, places: Sequence[Place]) -> dict[Place, CommittedOffset]:
        """Give the offsets that the group has committed, for those places where it has."""
        if not places:
            return {}
        consumer = self._connection.consumer(group)
        try:
            with self._connection.translated("committed offsets", consumer):
                asked = [TopicPartition(*place) for place in places]
                found = consumer.committed(asked, timeout=self._wait)
        finally:
            bounded(self._wait, "close", consumer.close)
        return {
            Place(it.topic, it.partition): CommittedOffset(it.offset, it.metadata or "")
            for it in found
            if it.offset >= 0
        }

    def offset_at(self, place: Place, time: int) -> int | None:
        """Give the offset of the first record at or after a time; None when all are before."""

        def ask(consumer: Consumer) -> int | None:
            [found] = consumer.offsets_for_times([TopicPartition(*place, time)], timeout=self._wait)
            if found.error is not None:
                raise KafkaException(found.error)
            return None if found.offset < 0 else found.offset

        return self._ask("offset of a time", ask)

    def _ask(self, what: str, question: Callable[[Consumer], T]) -> T:
        with self._lock:
            if self._asker is None:
                self._asker = self._connection.consumer()
            with self._connection.translated(what, self._asker):
                return question(self._asker)

    def read(self, place: Place, start: int, end: int) -> Iterator[Record]:
        """Read the committed records of [start, end), whoever else reads; then stop."""
        if start >= end:
            return
        consumer = self._connection.consumer()
        try:
            with self._connection.translated(f"read {place.topic}", consumer):
                consumer.get_watermark_offsets(TopicPartition(*place), timeout=self._wait)
                consumer.assign([TopicPartition(*place, start)])
            yield from self._read(consumer, place, start, end)
        finally:
            bounded(self._wait, "close", consumer.close)

    def _read(self, consumer: Consumer, place: Place, start: int, end: int) -> Iterator[Record]:
        reached, deadline = start, time.monotonic() + self._wait
        while reached < end:
            with self._connection.translated(f"read {place.topic}"):
                messages: list[Any] = consumer.consume(1000, 0.2)
            for message in messages:
                error = message.error()
                if error is None:
                    reached = message.offset() + 1
                    if reached <= end:
                        yield _record(message)
                elif error.code() == KafkaError._PARTITION_EOF:
                    reached = max(reached, message.offset())
                elif not error.retriable():
                    raise self._connection.failure(f"read {place.topic}", error)
                deadline = time.monotonic() + self._wait
            if time.monotonic() > deadline:
                raise LogUnavailableError(f"Kafka: nothing more to read of {place} at {reached}")

    def close(self) -> None:
        """Let go of connections."""
        with self._lock:
            if self._asker is not None:
                bounded(self._wait, "close", self._asker.close)
            self._asker = None


def _record(message: Any) -> Record:
    return Record(
        message.offset(),
        message.timestamp()[1],
        message.key(),
        message.value(),
        message.headers() or [],
    )
