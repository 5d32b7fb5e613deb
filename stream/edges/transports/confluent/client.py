"""The client confluent-kafka: the only file that imports it, its settings, its errors."""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from confluent_kafka import (
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    Producer,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import ConfigResource
from confluent_kafka.admin._resource import ResourceType
from confluent_kafka.cimpl import NewTopic

from stream.edges.transports.connection import Timeouts, masked, refuse_own
from stream.edges.transports.log import (
    FencedError,
    LogError,
    LogUnavailableError,
    OffsetLostError,
)

__all__ = [
    "AdminClient",
    "ConfigResource",
    "Connection",
    "Consumer",
    "KafkaError",
    "KafkaException",
    "Message",
    "NewTopic",
    "Producer",
    "ResourceType",
    "TopicCollection",
    "TopicPartition",
]

CLIENT_SETTINGS = {
    "reconnect.backoff.ms": 50,
    "reconnect.backoff.max.ms": 1000,
    "topic.metadata.refresh.interval.ms": 30_000,
    "metadata.max.age.ms": 60_000,
    "socket.timeout.ms": 10_000,
    "log_level": 3,  # errors: it warns of each setting that is for the other kind of client
}
CONSUMER_SETTINGS = {
    "fetch.wait.max.ms": 50,  # so late does it tell that a partition is at its end
    "fetch.queue.backoff.ms": 20,
    "max.partition.fetch.bytes": 4 << 20,
    "queued.max.messages.kbytes": 32 << 10,
}
PRODUCER_SETTINGS = {
    "request.timeout.ms": 5000,
    "delivery.timeout.ms": 9000,
    "retry.backoff.ms": 20,
    "linger.ms": 20,
    "batch.size": 128 << 10,
    "batch.num.messages": 100_000,
    "queue.buffering.max.messages": 1_000_000,
    "message.max.bytes": 1 << 20,
}
OWN_SETTINGS = {
    "acks",
    "allow.auto.create.topics",
    "auto.offset.reset",
    "bootstrap.servers",
    "enable.auto.commit",
    "enable.auto.offset.store",
    "enable.idempotence",
    "enable.partition.eof",
    "group.id",
    "group.instance.id",
    "group.protocol",
    "isolation.level",
    "metadata.broker.list",
    "partition.assignment.strategy",
    "request.required.acks",
    "transactional.id",
}
FENCED = {
    KafkaError._FENCED,
    KafkaError.FENCED_INSTANCE_ID,
    KafkaError.ILLEGAL_GENERATION,
    KafkaError.INVALID_PRODUCER_EPOCH,
    KafkaError.INVALID_PRODUCER_ID_MAPPING,
    KafkaError.INVALID_TXN_STATE,
    KafkaError.REBALANCE_IN_PROGRESS,
    KafkaError.UNKNOWN_MEMBER_ID,
    KafkaError.PRODUCER_FENCED,
}
TOO_LARGE = (
    "; the topic's max.message.bytes has to be larger than each record, and larger than"
    " batch.size in [kafka.client_settings]"
)
LOST = {KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE}
AWAY = {
    KafkaError._FATAL,  # what it was is told on the side; a new client may do better
    KafkaError._ALL_BROKERS_DOWN,
    KafkaError._INCONSISTENT,  # a record of the transaction was not written in time
    KafkaError._MSG_TIMED_OUT,
    KafkaError._RESOLVE,
    KafkaError._TIMED_OUT,
    KafkaError._TIMED_OUT_QUEUE,
    KafkaError._TRANSPORT,
    KafkaError._UNKNOWN_BROKER,
    KafkaError._WAIT_COORD,
    KafkaError.BROKER_NOT_AVAILABLE,
    KafkaError.CONCURRENT_TRANSACTIONS,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.KAFKA_STORAGE_ERROR,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.NETWORK_EXCEPTION,
    KafkaError.FENCED_LEADER_EPOCH,  # what is known of the leaders is from before a restart
    KafkaError.UNKNOWN_LEADER_EPOCH,
    KafkaError.NOT_COORDINATOR,
    KafkaError.NOT_ENOUGH_REPLICAS,
    KafkaError.NOT_ENOUGH_REPLICAS_AFTER_APPEND,
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.OFFSET_NOT_AVAILABLE,
    KafkaError.REQUEST_TIMED_OUT,
    KafkaError.UNSTABLE_OFFSET_COMMIT,
}


Client = AdminClient | Consumer | Producer


class Connection:
    """Settings that are the same for all clients of one log, and what their errors mean."""

    def __init__(self, bootstrap: str, settings: Mapping[str, Any], timeouts: Timeouts) -> None:
        refuse_own(settings, OWN_SETTINGS)
        self.timeouts = timeouts
        self._given = dict(settings)
        self._bootstrap = {"bootstrap.servers": bootstrap}
        self._logger = logging.getLogger("confluent_kafka")
        self._trouble: KafkaError | None = None

    def admin(self) -> AdminClient:
        """Open an administrator."""
        with self.translated("connect"):
            return AdminClient(self._settings({}, {}), logger=self._logger)

    def consumer(
        self,
        group: str = "driftline-reader",  # must be there, and is not joined by a mere reader
        instance: str | None = None,
    ) -> Consumer:
        """Open a consumer of committed records that neither commits nor resets by itself."""
        session = round(self.timeouts.session * 1000)
        times = {"session.timeout.ms": session, "heartbeat.interval.ms": session // 6}
        own: dict[str, Any] = {
            "group.id": group,
            "group.protocol": "classic",
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "auto.offset.reset": "error",
            "isolation.level": "read_committed",
            "partition.assignment.strategy": "range",
            "enable.partition.eof": True,
            "allow.auto.create.topics": False,
        }
        if instance is not None:
            own["group.instance.id"] = instance
        with self.translated("connect"):
            settings = self._settings({**CONSUMER_SETTINGS, **times}, own)
            return Consumer(settings, logger=self._logger)

    def producer(
        self, name: str | None = None, hear: Callable[[KafkaError], None] | None = None
    ) -> Producer:
        """Open a producer, transactional when it has a name; `hear` is told of troubles."""

        def heard(trouble: KafkaError) -> None:
            self._hear(trouble)
            if hear is not None:
                hear(trouble)

        own: dict[str, Any] = {"enable.idempotence": True, "error_cb": heard}
        times = {}
        if name is not None:
            own["transactional.id"] = name
            times["transaction.timeout.ms"] = round(self.timeouts.transaction * 1000)
        with self.translated("connect"):
            settings = self._settings({**PRODUCER_SETTINGS, **times}, own)
            return Producer(settings, logger=self._logger)

    def _settings(self, ours: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
        hear = {"error_cb": self._hear}
        return {**CLIENT_SETTINGS, **ours, **hear, **self._given, **own, **self._bootstrap}

    def _hear(self, trouble: KafkaError) -> None:
        if trouble.code() != KafkaError._ALL_BROKERS_DOWN:  # which never tells why
            self._trouble = trouble

    @contextmanager
    def translated(self, what: str, client: Client | None = None) -> Iterator[None]:
        """Raise errors of the client as ours.

        Parameters
        ----------
        client
            Asked why: it tells of a refused password, or what was fatal, only on the side.
        """
        try:
            yield
        except KafkaException as error:
            known = _asked(client) or error
            raise self._why(self.failure(what, known.args[0])) from error
        except LogUnavailableError as error:
            reason = _asked(client)
            raise self._why(
                self.failure(what, reason.args[0]) if reason is not None else error
            ) from error
        except (TypeError, ValueError, RuntimeError, BufferError) as error:
            raise LogError(self._message(what, error)) from error

    def failure(self, what: str, error: KafkaError) -> LogError:
        """Say what an error of the client means to us."""
        code, message = error.code(), self._message(what, error)
        if "size too large" in error.str().lower() or code == KafkaError.MSG_SIZE_TOO_LARGE:
            message += TOO_LARGE
        if code in FENCED or (code == KafkaError._FATAL and "fenced" in error.str()):
            return FencedError(message)
        if code in LOST:
            return OffsetLostError(message)
        if code in AWAY or error.retriable():
            return LogUnavailableError(message)
        return LogError(message)

    def _why(self, failure: LogError) -> LogError:
        trouble = self._trouble
        if trouble is None or not isinstance(failure, LogUnavailableError):
            return failure
        message = f"{failure} ({masked(trouble.str(), self._given)})"
        refused = trouble.code() in (KafkaError._AUTHENTICATION, KafkaError._SSL)
        return LogError(message) if refused else LogUnavailableError(message)

    def _message(self, what: str, error: object) -> str:
        name = error.name() if isinstance(error, KafkaError) else type(error).__name__
        detail = error.str() if isinstance(error, KafkaError) else str(error)
        return f"Kafka: {what}: {masked(f'{name}: {detail}', self._given)}"


def _asked(client: Client | None) -> KafkaException | None:
    """Let a client tell what is wrong: to our callback, or by raising what was fatal to it."""
    try:
        if client is not None:
            client.poll(0)
    except KafkaException as fatal:
        return fatal
    return None
