"""The client kafka-python: the only file that imports it, its settings, what its errors mean."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import kafka
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
from kafka.consumer.fetcher import Fetcher
from kafka.coordinator.assignors.range import RangePartitionAssignor
from kafka.net.compat import KafkaNetClient
from kafka.producer.producer_batch import ProducerBatch
from kafka.record.memory_records import MemoryRecordsBuilder

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
    "Fetcher",
    "MemoryRecordsBuilder",
    "OffsetAndMetadata",
    "ProducerBatch",
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
    "batch_size": 512 << 10,  # one batch of a partition is on its way at a time
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
DIRECT_VERSION = "3.0."
TOO_LARGE = (
    "; the topic's max.message.bytes has to be larger than each record, and larger than"
    " batch_size in [kafka.client_settings]"
)
NO_REASON = (errors.KafkaTimeoutError, errors.RequestTimedOutError)
REFUSED = (errors.SaslAuthenticationFailedError, errors.UnsupportedSaslMechanismError)
LOST = (errors.OffsetOutOfRangeError, errors.NoOffsetForPartitionError, errors.LogTruncationError)


class Connection:
    """Settings that are the same for all clients of one log, and what their errors mean.

    Attributes
    ----------
    direct
        Whether batches of records are given to and taken from the client's inside, which is
        known for one version. It costs a fifth of what the public way does.
    """

    def __init__(self, bootstrap: str, settings: Mapping[str, Any], timeouts: Timeouts) -> None:
        refuse_own(settings, OWN_SETTINGS)
        known = {*KafkaConsumer.DEFAULT_CONFIG, *KafkaProducer.DEFAULT_CONFIG}
        unknown = sorted(set(settings) - known)
        if unknown:
            raise LogError(f"[kafka.client_settings]: kafka-python knows no {', '.join(unknown)}")
        self.timeouts = timeouts
        self.direct = kafka.__version__.startswith(DIRECT_VERSION)
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
        times = {"session_timeout_ms": session, "heartbeat_interval_ms": session // 6}
        own = {
            "enable_auto_commit": False,
            "auto_offset_reset": "none",
            "isolation_level": "read_committed",
            "allow_auto_create_topics": False,
            "partition_assignment_strategy": (RangePartitionAssignor,),
            "group_id": group,
            "group_instance_id": instance,
        }
        return self._open(
            KafkaConsumer, self.settings(KafkaConsumer, CONSUMER_SETTINGS, times) | own
        )

    def producer(self, name: str | None = None) -> Any:
        """Open a producer, transactional when it has a name."""
        times = {
            "transaction_timeout_ms": round(self.timeouts.transaction * 1000),
            "max_block_ms": round(self.timeouts.call * 1000),
        }
        settings = self.settings(KafkaProducer, PRODUCER_SETTINGS, times)
        return self._open(KafkaProducer, settings | {"transactional_id": name})

    def admin(self) -> Any:
        """Open an administrator."""
        return self._open(KafkaAdminClient, self.settings(KafkaAdminClient))

    def _open(self, client: Any, settings: dict[str, Any]) -> Any:
        """Open a client; when that fails, let go of the thread and sockets that it would leave."""
        made: list[Any] = []

        def make(**config: Any) -> Any:
            made.append(KafkaNetClient(**config))
            return made[-1]

        try:
            with self._reasoned(), self.translated("connect"):
                return client(**settings | {"kafka_client": make})
        except LogError:
            for each in made:
                each.close()
            raise

    @contextmanager
    def _reasoned(self) -> Iterator[None]:
        """Add the reason why no connection came about; the client only logs it."""
        reasons = _Reasons(logging.WARNING)
        logger = logging.getLogger("kafka.net")
        logger.addHandler(reasons)
        try:
            yield
        except LogUnavailableError as error:
            if reasons.last is None:
                raise
            message = f"{error} ({masked(str(reasons.last), self._given)})"
            if "sasl_mechanism" in self._given:  # seen only as a connection that is cut off
                message += "; a wrong user name or password looks like this too"
            if isinstance(reasons.last, REFUSED) or "certificate" in message.lower():
                raise LogError(message) from error
            raise LogUnavailableError(message) from error
        finally:
            logger.removeHandler(reasons)

    @contextmanager
    def translated(self, what: str) -> Iterator[None]:
        """Raise errors of the client as ours."""
        try:
            yield
        except (errors.KafkaError, TypeError, ValueError, AssertionError, OSError) as error:
            raise self.failure(what, error) from error

    def failure(self, what: str, error: Exception) -> LogError:
        """Say what an error of the client means to us; secrets are taken out of its message."""
        detail = masked(f"{type(error).__name__}: {error}", self._given)
        message = f"Kafka: {what}: {detail}"
        if isinstance(error, errors.MessageSizeTooLargeError):
            message += TOO_LARGE
        if isinstance(error, FENCED) or any(word in repr(error) for word in FENCED_WORDS):
            return FencedError(message)
        if isinstance(error, LOST):
            return OffsetLostError(message)
        if isinstance(error, errors.KafkaError) and error.retriable:
            return LogUnavailableError(message)
        return LogError(message)


class _Reasons(logging.Handler):
    """Remembers the last error that is logged and says more than that time is up."""

    last: Exception | None = None

    def emit(self, record: logging.LogRecord) -> None:
        arguments = record.args if isinstance(record.args, tuple) else ()
        for argument in arguments:
            if isinstance(argument, Exception) and not isinstance(self.last, REFUSED):
                self.last = argument if not isinstance(argument, NO_REASON) else self.last
