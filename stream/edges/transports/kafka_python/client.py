"""The client kafka-python: the only file that imports it, its settings, what its errors mean."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from kafka import (
    ConsumerGroupMetadata,
    ConsumerRebalanceListener,
    KafkaAdminClient,
    KafkaConsumer,
    KafkaProducer,
    OffsetAndMetadata,
    TopicPartition,
    errors,
)
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.coordinator.assignors.range import RangePartitionAssignor

from stream.edges.transports.connection import Timeouts, masked, refuse_own
from stream.edges.transports.log import (
    FencedError,
    LogError,
    LogUnavailableError,
    OffsetLostError,
)

__all__ = [
    "ConfigResource",
    "ConfigResourceType",
    "Connection",
    "ConsumerGroupMetadata",
    "ConsumerRebalanceListener",
    "KafkaAdminClient",
    "OffsetAndMetadata",
    "TopicPartition",
    "errors",
]

CLIENT_SETTINGS = {
    "request_timeout_ms": 5000,
    "bootstrap_timeout_ms": 10_000,
    "retry_backoff_ms": 20,  # with the default of 100 every transaction sleeps that long
    "reconnect_backoff_max_ms": 1000,
    "metadata_max_age_ms": 30_000,  # how soon new partitions and topics made anew are noticed
}
CONSUMER_SETTINGS = {
    "fetch_max_wait_ms": 100,  # one request at a time: it holds up what is started meanwhile
    "max_partition_fetch_bytes": 4 << 20,
    "metrics_enabled": False,
}
PRODUCER_SETTINGS = {
    "delivery_timeout_ms": 9000,
    "batch_size": 128 << 10,
    "linger_ms": 20,
    "max_request_size": 1 << 20,
    "metrics_enabled": False,
}
OWN_SETTINGS = {
    "acks",
    "auto_offset_reset",
    "enable_auto_commit",
    "enable_idempotence",
    "group_id",
    "group_instance_id",
    "isolation_level",
    "key_deserializer",
    "key_serializer",
    "partition_assignment_strategy",
    "transactional_id",
    "value_deserializer",
    "value_serializer",
}
FENCED = (
    errors.CommitFailedError,
    errors.FencedInstanceIdError,
    errors.IllegalGenerationError,
    errors.InvalidProducerEpochError,
    errors.InvalidProducerIdMappingError,
    errors.InvalidTxnStateError,
    errors.ProducerFencedError,
    errors.RebalanceInProgressError,
    errors.UnknownMemberIdError,
)
# A fenced producer raises plain errors afterwards that only tell it in words.
FENCED_WORDS = ("ProducerFenced", "InvalidProducerEpoch", "BUMPING_PRODUCER_EPOCH")
LOST = (errors.OffsetOutOfRangeError, errors.NoOffsetForPartitionError, errors.LogTruncationError)


class Connection:
    """Settings that are the same for all clients of one log, and what their errors mean."""

    def __init__(self, bootstrap: str, settings: Mapping[str, Any], timeouts: Timeouts) -> None:
        refuse_own(settings, OWN_SETTINGS)
        known = {*KafkaConsumer.DEFAULT_CONFIG, *KafkaProducer.DEFAULT_CONFIG}
        unknown = sorted(set(settings) - known)
        if unknown:
            raise LogError(f"[kafka.client_settings]: kafka-python knows no {', '.join(unknown)}")
        self.timeouts = timeouts
        self._given = {"bootstrap_servers": bootstrap.split(","), **settings}

    def settings(self, client: Any, *ours: Mapping[str, Any]) -> dict[str, Any]:
        """Give the settings of one kind of client: ours, and over them what the user has set."""
        merged: dict[str, Any] = dict(CLIENT_SETTINGS)
        for each in (*ours, self._given):
            merged.update(each)
        return {key: value for key, value in merged.items() if key in client.DEFAULT_CONFIG}

    def consumer(self, group: str | None = None, instance: str | None = None) -> Any:
        """Open a consumer of committed records that neither commits nor resets by itself."""
        session = round(self.timeouts.session * 1000)
        times = {"session_timeout_ms": session, "heartbeat_interval_ms": session // 3}
        own = {
            "enable_auto_commit": False,
            "auto_offset_reset": "none",
            "isolation_level": "read_committed",
            "allow_auto_create_topics": False,
            "partition_assignment_strategy": (RangePartitionAssignor,),
            "group_id": group,
            "group_instance_id": instance,
        }
        with self.translated("connect"):
            return KafkaConsumer(**self.settings(KafkaConsumer, CONSUMER_SETTINGS, times) | own)

    def producer(self, name: str | None = None) -> Any:
        """Open a producer, transactional when it has a name."""
        times = {
            "transaction_timeout_ms": round(self.timeouts.transaction * 1000),
            "max_block_ms": round(self.timeouts.call * 1000),
        }
        with self.translated("connect"):
            return KafkaProducer(
                **self.settings(KafkaProducer, PRODUCER_SETTINGS, times)
                | {"transactional_id": name}
            )

    @contextmanager
    def translated(self, what: str) -> Iterator[None]:
        """Raise errors of the client as ours."""
        try:
            yield
        except (errors.KafkaError, ValueError, AssertionError, OSError) as error:
            raise self.failure(what, error) from error

    def failure(self, what: str, error: Exception) -> LogError:
        """Say what an error of the client means to us; secrets are taken out of its message."""
        detail = masked(f"{type(error).__name__}: {error}", self._given)
        message = f"Kafka: {what}: {detail}"
        if isinstance(error, FENCED) or any(word in repr(error) for word in FENCED_WORDS):
            return FencedError(message)
        if isinstance(error, LOST):
            return OffsetLostError(message)
        if isinstance(error, errors.KafkaError) and error.retriable:
            return LogUnavailableError(message)
        return LogError(message)
