"""Producers by the client confluent-kafka."""

import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from stream.edges.failpoints import reach
from stream.edges.transports.checks import checked_metadata
from stream.edges.transports.confluent.client import (
    Connection,
    KafkaError,
    KafkaException,
    TopicPartition,
)
from stream.edges.transports.connection import bounded
from stream.edges.transports.log import (
    FencedError,
    LogError,
    LogUnavailableError,
    Outgoing,
    Place,
)


class ConfluentProducer:
    """A transactional producer; opening it fences the other ones of its name."""

    def __init__(self, connection: Connection, name: str) -> None:
        self._connection = connection
        self._wait = connection.timeouts.call
        self._producer: Any = connection.producer(name)
        try:
            self._call(f"open the producer {name}", self._producer.init_transactions)
        except LogError:
            self.close()
            raise

    def _call(self, what: str, action: Any, *arguments: object) -> None:
        # Its own time limit is not kept after a restart of the broker (librdkafka #5456).
        with self._connection.translated(what, self._producer):
            bounded(self._wait + 1, what, action, *arguments, self._wait)

    def begin(self) -> None:
        """Open a transaction."""
        with self._connection.translated("begin"):
            self._producer.begin_transaction()

    def send(
        self, place: Place, records: Sequence[Outgoing], header: tuple[str, bytes] | None = None
    ) -> None:
        """Add records to the transaction; the last one carries `header`."""
        if not records:
            return
        produce, (topic, partition) = self._producer.produce, place
        *before, (key, value) = records
        with self._connection.translated("send"):
            for each_key, each_value in before:  # naming `headers` would double what a call costs
                produce(topic, each_value, each_key, partition)
            produce(topic, value, key, partition, headers=[header] if header else None)

    def commit(self, offsets: Mapping[Place, int], metadata: str, token: object) -> None:
        """Write what was sent and move the group's offsets, all or nothing."""
        moved = [
            TopicPartition(place.topic, place.partition, offset, checked_metadata(metadata))
            for place, offset in offsets.items()
        ]
        self._flush()
        reach("flush")
        if moved:
            group = _checked_token(token)
            self._call("offsets", self._producer.send_offsets_to_transaction, moved, group)
        reach("offsets")
        self._call("commit", self._producer.commit_transaction)
        reach("commit")

    def _flush(self) -> None:
        """Write what is queued; a record that cannot be written makes the commit fail."""
        with self._connection.translated("flush"):
            left = self._producer.flush(self._wait)
        if left:
            raise LogUnavailableError(f"Kafka: {left} records were not written in time")

    def abort(self) -> None:
        """Give up the open transaction."""
        self._call("abort", self._producer.abort_transaction)

    def close(self) -> None:
        """Let go; an open transaction stays open until the name is opened again."""
        producer, self._producer = self._producer, None
        threading.Thread(target=_drop, args=[[producer]], daemon=True).start()


def _drop(last: list[Any]) -> None:
    """Let a producer go without waiting; its own `close` would abort, write and wait."""
    producer = last.pop()
    with suppress(KafkaException):
        producer.purge(blocking=False)


def _checked_token(token: object) -> object:
    """Refuse what a broker would take for any member: the generation of somebody evicted."""
    if not isinstance(token, bytes) or int.from_bytes(token[7:11], "little", signed=True) < 0:
        raise FencedError(f"no proof of a membership in the group: {token!r}")
    return token


class ConfluentWriter:
    """A plain, idempotent writer."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._wait = connection.timeouts.call
        self._producer = connection.producer()
        self._errors: list[KafkaError] = []

    def write(self, place: Place, key: bytes | None, value: bytes | None, time: int) -> None:
        """Queue a record; waits when 10,000 are queued."""
        with self._connection.translated("write"):
            self._producer.produce(
                place.topic, value, key, place.partition, self._delivered, timestamp=time
            )
        if len(self._producer) >= 10_000:
            self.flush()

    def _delivered(self, error: KafkaError | None, _: object) -> None:
        if error is not None:
            self._errors.append(error)

    def flush(self) -> None:
        """Wait until everything is written; raises when a record could not be."""
        with self._connection.translated("write"):
            left = self._producer.flush(self._wait)
        if self._errors:
            error = self._errors[0]
            self._errors.clear()
            raise self._connection.failure("write", error)
        if left:
            raise LogUnavailableError(f"Kafka: write: {left} records not written in time")

    def close(self) -> None:
        """Flush and let go."""
        self.flush()
