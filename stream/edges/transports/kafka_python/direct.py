"""Whole batches into and out of the inside of kafka-python 3.0; the one place that knows it.

An object, a future and several calls for each record are what its public way costs. Here a record
is a tuple, and a batch has the one future. The client keeps everything else: sequence numbers,
retries, checksums, compression, aborted transactions.
"""

import time
from collections.abc import Iterator, Sequence
from typing import Any

from stream.edges.transports.kafka_python.client import (
    Fetcher,
    MemoryRecordsBuilder,
    ProducerBatch,
    TopicPartition,
    errors,
)
from stream.edges.transports.log import Incoming, Outgoing
from stream.edges.transports.record_batch import decoded, encoded


def keep_whole(producer: Any) -> None:
    """Let a batch that a topic finds too large fail; else it is divided, and its future is lost."""
    producer._sender._can_split = lambda batch, error: False


def send_batches(
    producer: Any, partition: TopicPartition, records: Sequence[Outgoing], header: Any
) -> list[Any]:
    """Queue records as batches that are built already; give the future of each batch.

    Raises
    ------
    kafka.errors.KafkaError
        The partition is not known, or a record is larger than a request may be.
    """
    if partition.partition not in producer.partitions_for(partition.topic):
        raise errors.UnknownTopicOrPartitionError(f"{partition}")
    batches = list(_batches(producer, partition, records, header))
    producer._transaction_manager.maybe_add_partition_to_transaction(partition)
    accumulator = producer._accumulator
    with accumulator._tp_lock(partition):
        for batch in batches:
            accumulator._batches[partition].append(batch)
            accumulator._incomplete.add(batch)
    producer._sender.wakeup()
    return [batch.produce_future for batch in batches]


def _batches(
    producer: Any, partition: TopicPartition, records: Sequence[Outgoing], header: Any
) -> Iterator[Any]:
    settings = producer._accumulator.config
    now = round(time.time() * 1000)
    for body, count in encoded(records, header, settings["batch_size"]):
        producer._ensure_valid_record_size(len(body))
        batch = MemoryRecordsBuilder(2, settings["compression_attrs"], settings["batch_size"])
        inner = batch._builder
        inner._buffer += body
        inner._first_timestamp = inner._max_timestamp = now
        inner._num_records = batch._next_offset = count
        inner._last_offset = count - 1
        yield ProducerBatch(partition, batch)


def failure_of(future: Any) -> Exception | None:
    """Give what went wrong with a batch: a failure may arrive as a success that holds it."""
    failure: Exception | None = None
    if not future.is_done:
        failure = errors.KafkaTimeoutError("a batch was not written in time")
    elif future.failed():
        failure = future.exception
    elif future.value[2] is not None:
        failure = future.value[2](0)
    return failure


class TupleRecords(Fetcher.PartitionRecords):  # type: ignore[misc]
    """What was fetched of a partition, taken out as tuples of offset, time and value."""

    def _maybe_skip_record(self, record: Incoming) -> bool:
        return record[0] < int(self.fetch_offset)

    def _unpack_records(self, _: Any, records: Any, *__: Any) -> Iterator[Incoming]:
        batch = records.next_batch()
        while batch is not None:
            if self.check_crcs and not batch.validate_crc():
                raise errors.CorruptRecordError(
                    f"the batch of {self.topic_partition} at {batch.base_offset} is damaged"
                )
            if batch.magic < 2:
                raise errors.UnsupportedForMessageFormatError(
                    f"{self.topic_partition} holds records in the format of Kafka before 0.11"
                )
            self.leader_epoch = batch.leader_epoch
            if self._visible(batch):
                for record in self._taken(batch):
                    self.next_fetch_offset = record[0] + 1
                    yield record
            self.next_fetch_offset = batch.next_offset
            batch = records.next_batch()
        self.drain()

    def _visible(self, batch: Any) -> bool:
        if not batch.has_producer_id():
            return not batch.is_control_batch
        self._consume_aborted_transactions_up_to(batch.last_offset)
        if self._contains_abort_marker(batch):
            self.aborted_producer_ids.discard(batch.producer_id)
        return not batch.is_control_batch and not self._is_batch_aborted(batch)

    def _taken(self, batch: Any) -> list[Incoming]:
        batch._maybe_uncompress()
        data = bytes(memoryview(batch._buffer)[batch._pos :])
        appended = batch.timestamp_type == batch.LOG_APPEND_TIME
        start = batch.max_timestamp if appended else batch.first_timestamp
        try:
            found = decoded(data, batch.records_count, batch.base_offset, start)
        except ValueError as error:
            raise errors.CorruptRecordError(f"{self.topic_partition}: {error}") from error
        return [(offset, start, value) for offset, _, value in found] if appended else found
