"""Producers by the client kafka-python."""

from collections.abc import Mapping, Sequence
from typing import Any

from stream.edges.failpoints import reach
from stream.edges.transports.checks import checked_metadata
from stream.edges.transports.connection import bounded
from stream.edges.transports.kafka_python.client import (
    Connection,
    ConsumerGroupMetadata,
    OffsetAndMetadata,
    TopicPartition,
    errors,
)
from stream.edges.transports.kafka_python.direct import failure_of, keep_whole, send_batches
from stream.edges.transports.log import FencedError, LogError, Outgoing, Place


class KafkaPythonProducer:
    """A transactional producer; opening it fences the other ones of its name."""

    def __init__(self, connection: Connection, name: str) -> None:
        self._connection = connection
        self._wait = connection.timeouts.call
        self._producer = connection.producer(name)
        self._sent: list[Any] = []
        self._batches: list[Any] = []
        if connection.direct:
            keep_whole(self._producer)
        try:
            with connection.translated(f"open the producer {name}"):
                self._producer.init_transactions()
        except LogError:
            self.close()
            raise

    def begin(self) -> None:
        """Open a transaction."""
        self._forget()
        with self._connection.translated("begin"):
            self._producer.begin_transaction()

    def send(
        self, place: Place, records: Sequence[Outgoing], header: tuple[str, bytes] | None = None
    ) -> None:
        """Add records to the transaction; the last one carries `header`."""
        with self._connection.translated("send"):
            if self._connection.direct:
                self._batches += send_batches(
                    self._producer, TopicPartition(*place), records, header
                )
            else:
                self._send_each(place, records, header)

    def _send_each(
        self, place: Place, records: Sequence[Outgoing], header: tuple[str, bytes] | None
    ) -> None:
        send, sent, (topic, partition) = self._producer.send, self._sent, place
        last = len(records) - 1
        for index, (key, value) in enumerate(records):
            headers = [header] if header and index == last else None
            sent.append(send(topic, value, key, headers, partition))

    def commit(self, offsets: Mapping[Place, int], metadata: str, token: object) -> None:
        """Write what was sent and move the group's offsets, all or nothing."""
        moved = {
            TopicPartition(*place): OffsetAndMetadata(offset, checked_metadata(metadata))
            for place, offset in offsets.items()
        }
        group = _checked_token(token) if moved else None
        with self._connection.translated("commit"):
            self._flush()
            reach("flush")
            if moved:
                send_offsets = self._producer.send_offsets_to_transaction
                bounded(self._wait, "offsets", send_offsets, moved, group)
            reach("offsets")
            bounded(self._wait, "commit", self._producer.commit_transaction)
        reach("commit")

    def _flush(self) -> None:
        """Wait until all is written: a commit succeeds although records were lost."""
        self._producer.flush(timeout=self._wait)
        for future in self._sent:
            if future.failed():
                raise future.exception
            if not future.is_done:
                raise errors.KafkaTimeoutError("a record was not written in time")

        for batch in self._batches:
            failure = failure_of(batch)
            if failure is not None:
                raise failure

    def _forget(self) -> None:
        self._sent.clear()
        self._batches.clear()

    def abort(self) -> None:
        """Give up the open transaction."""
        self._forget()
        with self._connection.translated("abort"):
            bounded(self._wait, "abort", self._producer.abort_transaction)

    def close(self) -> None:
        """Let go; an open transaction stays open until the name is opened again."""
        try:
            self._producer.close(timeout=0)
        except errors.KafkaTimeoutError:  # it wants to write what is queued
            self._producer._sender.force_close()


def _checked_token(token: object) -> object:
    """Refuse what a broker would take for any member: the generation of somebody evicted."""
    if not isinstance(token, ConsumerGroupMetadata) or token.generation_id < 0:
        raise FencedError(f"no proof of a membership in the group: {token!r}")
    return token


class KafkaPythonWriter:
    """A plain, idempotent writer."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._producer = connection.producer()
        self._sent: list[Any] = []

    def write(self, place: Place, key: bytes | None, value: bytes | None, time: int) -> None:
        """Queue a record; waits when 10,000 are queued."""
        with self._connection.translated("write"):
            self._sent.append(
                self._producer.send(place.topic, value, key, None, place.partition, time)
            )
        if len(self._sent) >= 10_000:
            self.flush()

    def flush(self) -> None:
        """Wait until everything is written; raises when a record could not be."""
        sent, self._sent = self._sent, []
        with self._connection.translated("write"):
            self._producer.flush(timeout=self._connection.timeouts.call)
            for future in sent:
                future.get(timeout=0)

    def close(self) -> None:
        """Flush and let go."""
        self.flush()
        self._producer.close(timeout=1)
