"""The logs that the contract suite runs over, each with what a test does to its broker."""

import uuid
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any, Protocol, cast

import pytest
from kafka import KafkaAdminClient, TopicPartition

from stream.edges.transports.connection import Timeouts
from stream.edges.transports.kafka import open_log
from stream.edges.transports.log import Log, Place
from stream.edges.transports.memory_log import MemoryBroker, MemoryLog
from tests.kafka.broker import Broker

PUBLIC = "kafka-python, public ways only"  # as with a version whose inside is not known
CLIENTS = ("kafka-python", "confluent")
TIMEOUTS = Timeouts(session=2, transaction=10, call=3)
SETTINGS: dict[str, dict[str, Any]] = {
    "kafka-python": {"metadata_max_age_ms": 1000},
    "confluent": {"topic.metadata.refresh.interval.ms": 1000},
}


class World(Protocol):
    """One kind of log, and the hand of whoever runs the broker."""

    def log(self) -> Log:
        """Connect anew."""
        ...

    def topic(self, partitions: int = 1, **settings: str) -> str:
        """Create a topic of a fresh name; underscores in names of settings stand for dots."""
        ...

    def delete_records(self, place: Place, before: int) -> None:
        """Move the start of a partition on."""
        ...

    def recreate(self, topic: str) -> None:
        """Delete a topic and create it again."""
        ...

    def add_partitions(self, topic: str, partitions: int) -> None:
        """Give a topic so many partitions."""
        ...

    def expire_offsets(self, group: str) -> None:
        """Forget the committed offsets of a group without members."""
        ...

    def stop(self) -> None:
        """Stop the broker."""
        ...

    def restart(self) -> None:
        """Start the broker again."""
        ...


def fresh_name() -> str:
    return f"test-{uuid.uuid4().hex[:12]}"


class MemoryWorld:
    def __init__(self) -> None:
        self._broker = MemoryBroker()
        self.delete_records = self._broker.delete_records
        self.recreate = self._broker.recreate
        self.add_partitions = self._broker.add_partitions
        self.expire_offsets = self._broker.expire_offsets
        self.stop = self._broker.stop
        self.restart = self._broker.restart

    def log(self) -> Log:
        return MemoryLog(self._broker)

    def topic(self, partitions: int = 1, **settings: str) -> str:
        name = fresh_name()
        self._broker.create(
            name, partitions, {key.replace("_", "."): value for key, value in settings.items()}
        )
        return name


class KafkaWorld:
    """A real broker, and connections to it by one of the clients; they are closed at the end."""

    def __init__(self, broker: Broker, client: str, stack: ExitStack) -> None:
        self._broker = broker
        self._client = client
        self._stack = stack
        self.restart = broker.start

    def stop(self) -> None:
        if not self._broker.ours:
            pytest.skip("the broker of KAFKA_BOOTSTRAP is not ours to stop")
        self._broker.kill()

    def log(self) -> Log:
        client = self._client.partition(",")[0]
        log = open_log(client, self._broker.bootstrap, SETTINGS[client], TIMEOUTS)
        if self._client == PUBLIC:
            cast(Any, log)._connection.direct = False
        self._stack.callback(log.close)
        return log

    def topic(self, partitions: int = 1, **settings: str) -> str:
        name = fresh_name()
        self._create(name, partitions, settings)
        return name

    def _create(self, name: str, partitions: int, settings: Mapping[str, str]) -> None:
        configs = {key.replace("_", "."): value for key, value in settings.items()}
        topic = {"num_partitions": partitions, "replication_factor": 1, "configs": configs}
        with self._admin() as admin:
            admin.create_topics({name: topic}, wait_for_metadata=True)

    def _admin(self) -> KafkaAdminClient:
        # Closed at once: one that stays open while a test kills the broker leaks its attempts.
        return KafkaAdminClient(bootstrap_servers=self._broker.bootstrap, retry_backoff_ms=20)

    def delete_records(self, place: Place, before: int) -> None:
        with self._admin() as admin:
            admin.delete_records({TopicPartition(*place): before})

    def recreate(self, topic: str) -> None:
        with self._admin() as admin:
            partitions = len(admin.describe_topics([topic])[0]["partitions"])
            admin.delete_topics([topic])
            admin.create_topics(
                {topic: {"num_partitions": partitions, "replication_factor": 1}},
                wait_for_metadata=True,
            )

    def add_partitions(self, topic: str, partitions: int) -> None:
        with self._admin() as admin:
            admin.create_partitions({topic: partitions})

    def expire_offsets(self, group: str) -> None:
        with self._admin() as admin:
            assert "Error" not in str(admin.delete_groups([group]))


@contextmanager
def open_world(kind: str, request: pytest.FixtureRequest) -> Iterator[World]:
    """Open memory, or a world on the broker of the session by the client of that name."""
    with ExitStack() as stack:
        if kind == "memory":
            yield MemoryWorld()
        else:
            yield KafkaWorld(request.getfixturevalue("broker"), kind, stack)
