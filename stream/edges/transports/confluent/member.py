"""A member of a consumer group by the client confluent-kafka."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from stream.edges.transports.checks import owned_numbers
from stream.edges.transports.confluent.client import (
    Connection,
    Consumer,
    KafkaError,
    KafkaException,
    TopicPartition,
)
from stream.edges.transports.connection import bounded
from stream.edges.transports.log import Assignment, Batch, Incoming, LogError, Place

_AWAKE = 0.1  # seconds that an answer nobody needs is waited for
_DRAIN = 100  # times a thousand records: what lies before an assignment in the queue

_ANYWHERE = 0
"""Where partitions stand that are not started: paused, so it does not matter. It is no logical
offset such as the end: the client looks that up, and where the broker does not answer at once it
does so again later, even after a seek, which is lost then."""


class ConfluentMember:
    """A member of a group; rebalances run within `poll`, which calls back."""

    def __init__(
        self, connection: Connection, group: str, topics: Sequence[str], instance: str | None
    ) -> None:
        self._connection = connection
        self._topics = tuple(topics)
        self._consumer = connection.consumer(group, instance)
        self._share: tuple[frozenset[Place], bytes] | None = None
        self._assignment: Assignment | None = None
        self._epoch = 0
        self._started: dict[Place, int] = {}  # and from where
        self._unseen: dict[Place, int | None] = {}  # started, and where it seems to begin
        self._astray: set[Place] = set()  # not where they were started, to be asked again
        self._paused: set[Place] = set()
        self._ends: dict[Place, int] = {}
        self._failure: LogError | None = None
        with connection.translated("join"):
            self._consumer.subscribe(
                list(topics),
                on_assign=self._on_assign,
                on_revoke=self._on_revoke,
                on_lost=self._on_revoke,
            )

    @property
    def assignment(self) -> Assignment | None:
        """What is owned; None before the first assignment and while it is being changed."""
        return self._assignment

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._on_revoke(consumer, [])
        for partition in partitions:
            partition.offset = _ANYWHERE  # else it would look for a committed offset
        try:  # an error here would break the interpreter's state when it comes while closing
            consumer.assign(partitions)
            consumer.pause(partitions)
            token: bytes = consumer.consumer_group_metadata()
        except (KafkaException, RuntimeError):
            return
        self._share = frozenset(Place(it.topic, it.partition) for it in partitions), token

    def _on_revoke(self, _: Consumer, __: list[TopicPartition]) -> None:
        self._share = self._assignment = None
        self._started.clear()
        self._unseen.clear()
        self._astray.clear()
        self._paused.clear()
        self._ends.clear()

    def poll(self, seconds: float, most: int) -> list[Batch]:
        """Wait up to `seconds` for records of started partitions; give at most `most`."""
        self._raise_failure()
        for place in list(self._astray):
            self._go_to(place, self._started[place])
            self._astray.remove(place)
        with self._connection.translated("poll"):
            # Given time, it waits until there are `most`; so what is there first, without any.
            messages: list[Any] = self._consumer.consume(most, 0)
            if not messages and seconds:
                messages = self._consumer.consume(1, seconds)
                messages += self._consumer.consume(most - 1, 0) if messages else []
        batches = self._sorted(messages)
        share, self._share = self._share, None
        if share is not None:
            places, token = share
            self._epoch += 1
            numbers = owned_numbers(places, self._topics)
            self._assignment = Assignment(self._epoch, numbers, token)
        if not batches:
            self._raise_failure()
        return batches

    def _raise_failure(self) -> None:
        """Raise what was heard of in a poll that also gave records, or give none."""
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure

    def _sorted(self, messages: list[Any]) -> list[Batch]:
        """Put records into batches by partition; note what else it tells."""
        batches: dict[tuple[str, int], list[Incoming]] = {}
        topic, partition = "", -1
        take: list[Incoming] = []
        for message in messages:
            if message.error() is not None:
                self._hear(message)
                partition = -1  # what comes after it lies past an end that was told
                continue
            if message.partition() != partition or message.topic() != topic:
                topic, partition = message.topic(), message.partition()
                place = Place(topic, partition)
                take = batches.setdefault((topic, partition), [])
                if not self._begins(place, message.offset()):
                    take = []
                self._ends.pop(place, None)
            take.append((message.offset(), message.timestamp()[1], message.value()))
        return [
            Batch(Place(*each), records)
            for each, records in batches.items()
            if each in self._started and records
        ]

    def _begins(self, place: Place, offset: int) -> bool:
        """Whether a started partition does go on here; asks again where something lies between.

        Marks of transactions may lie there, or what a broker has compacted. But a client that has
        lost its place would make us pass over records, so it has to say the same twice.
        """
        if place in self._astray:
            return False
        if place not in self._unseen:
            return True
        if offset in (self._started[place], self._unseen[place]):
            del self._unseen[place]
            return True
        self._unseen[place] = offset
        self._astray.add(place)
        return False

    def _hear(self, message: Any) -> None:
        error = message.error()
        place = Place(message.topic() or "", message.partition())
        if error.code() == KafkaError._PARTITION_EOF:
            if place in self._started and self._begins(place, message.offset()):
                self._ends[place] = message.offset()
        elif error.fatal():
            self._failure = self._connection.failure("poll", error)
        elif error.code() in (KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE):
            if place in self._started:
                self._failure = self._connection.failure(f"{place}", error)
        elif not error.retriable():
            self._failure = self._connection.failure("poll", error)

    def start(self, place: Place, offset: int) -> None:
        """Deliver an owned partition from this offset on."""
        owned = self._assignment
        if owned is None or place.partition not in owned.partitions:
            raise LogError(f"{place} is not assigned to this member")
        self._ends.pop(place, None)
        self._started[place] = offset
        self._unseen[place] = None
        self._astray.discard(place)
        self._go_to(place, offset)

    def _go_to(self, place: Place, offset: int) -> None:
        with self._connection.translated("start"):
            self._consumer.resume([TopicPartition(*place)])
            try:
                self._consumer.seek(TopicPartition(*place, offset))
            except KafkaException as error:
                if error.args[0].code() != KafkaError._STATE:
                    raise
                self._assign_anew(place, offset)
            if place in self._paused:
                self._consumer.pause([TopicPartition(*place)])
        self._wake(place)

    def _wake(self, place: Place) -> None:
        """Have the client see at once that a partition is to be fetched.

        Its thread for a broker of which nothing was fetched looks again after a second, unless
        there is something to send: so the broker is asked for the ends of the partition.
        """
        with suppress(KafkaException):
            self._consumer.get_watermark_offsets(TopicPartition(*place), _AWAKE, cached=False)

    def _assign_anew(self, place: Place, offset: int) -> None:
        """Assign all again: one that is not set up yet, or was off the log, cannot be steered."""
        positions = self._consumer.position(self._consumer.assignment())
        for it in positions:
            other = Place(it.topic, it.partition)
            if other == place:
                it.offset = offset
            elif it.offset < 0 or other in self._unseen:
                it.offset = self._started.get(other, _ANYWHERE)
        self._consumer.assign(positions)
        still = [it for it in positions if Place(it.topic, it.partition) not in self._started]
        paused = [TopicPartition(*each) for each in self._paused]
        self._consumer.pause(still + paused)

    def pause(self, place: Place) -> None:
        """Stop delivering a partition."""
        self._paused.add(place)
        if place in self._started:
            with self._connection.translated("pause"):
                self._consumer.pause([TopicPartition(*place)])

    def resume(self, place: Place) -> None:
        """Go on delivering a paused partition."""
        self._paused.discard(place)
        if place in self._started:
            with self._connection.translated("resume"):
                self._consumer.resume([TopicPartition(*place)])
            self._wake(place)

    def at_end(self, place: Place) -> bool:
        """Whether all that was committed has been delivered, as far as heard."""
        return place in self._ends

    def end(self, place: Place) -> int | None:
        """Give the end of a partition as last heard of."""
        if place in self._ends or place not in self._started:
            return self._ends.get(place)
        marks: Any = self._consumer.get_watermark_offsets(TopicPartition(*place), cached=True)
        return marks[1] if marks and marks[1] >= 0 else None

    def close(self) -> None:
        """Leave the group (a static member stays in it for its session) and let go."""
        self._on_revoke(self._consumer, [])
        with self._connection.translated("close"):
            bounded(self._connection.timeouts.call, "close", self._leave)

    def _leave(self) -> None:
        """Close when no assignment waits to be answered.

        Within `close` that may never come back (librdkafka 4884), and would hold the
        interpreter's lock all the while.
        """
        for _ in range(_DRAIN):
            if not self._consumer.consume(1000, 0):
                break
        self._consumer.close()
