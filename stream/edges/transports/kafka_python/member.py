"""A member of a consumer group by the client kafka-python."""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from stream.edges.transports.checks import owned_numbers
from stream.edges.transports.connection import bounded
from stream.edges.transports.kafka_python.client import (
    Connection,
    ConsumerRebalanceListener,
    TopicPartition,
    errors,
)
from stream.edges.transports.kafka_python.direct import TupleRecords
from stream.edges.transports.log import Assignment, Batch, Incoming, LogError, Place


class KafkaPythonMember:
    """A member of a group.

    Rebalances run on the client's own thread, which may not block: it only leaves word of what
    happened, and holds every new partition still until it is started.
    """

    def __init__(
        self, connection: Connection, group: str, topics: Sequence[str], instance: str | None
    ) -> None:
        self._connection = connection
        self._topics = tuple(topics)
        self._consumer = connection.consumer(group, instance)
        self._news: deque[tuple[frozenset[Place], object] | None] = deque()
        self._assignment: Assignment | None = None
        self._epoch = 0
        self._started: set[Place] = set()
        self._paused: set[Place] = set()
        self._stable: dict[Any, int] = {}
        _overhear(self._consumer, self._stable)
        self._taken: Callable[[Any], list[Incoming]] = _as_tuples
        if connection.direct:
            self._consumer._fetcher.PartitionRecords = TupleRecords
            self._taken = list
        wait = connection.timeouts.call
        with connection.translated("join"):
            for topic in topics:  # else the first join would be given nothing
                bounded(wait, "topics", self._consumer.partitions_for_topic, topic)
            self._consumer.subscribe(list(topics), listener=_Listener(self._consumer, self._news))
            # What it knows of them already it would take for a change, and join once more.
            self._consumer._coordinator._handle_metadata_update(self._consumer._cluster)

    @property
    def assignment(self) -> Assignment | None:
        """What is owned; None before the first assignment and while it is being changed."""
        return self._assignment

    def poll(self, seconds: float, most: int) -> list[Batch]:
        """Wait up to `seconds` for records of started partitions; give at most `most`."""
        _keep_join(self._consumer)
        _free_slot(self._consumer)
        with self._connection.translated("poll"):
            polled = self._consumer.poll(timeout_ms=round(seconds * 1000), max_records=most)
        while self._news:
            self._change(self._news.popleft())
        return [
            Batch(Place(*partition), self._taken(records))
            for partition, records in polled.items()
            if partition in self._started
        ]

    def _change(self, share: tuple[frozenset[Place], object] | None) -> None:
        self._assignment = None
        self._started.clear()
        self._paused.clear()
        self._stable.clear()
        if share is not None:
            self._epoch += 1
            numbers = owned_numbers(share[0], self._topics)
            self._assignment = Assignment(self._epoch, numbers, share[1])

    def start(self, place: Place, offset: int) -> None:
        """Deliver an owned partition from this offset on."""
        owned = self._assignment
        if owned is None or place.partition not in owned.partitions:
            raise LogError(f"{place} is not assigned to this member")
        self._started.add(place)
        self._stable.pop(place, None)
        self._steer(self._consumer.seek, TopicPartition(*place), offset)
        if place not in self._paused:
            self._steer(self._consumer.resume, TopicPartition(*place))

    def pause(self, place: Place) -> None:
        """Stop delivering a partition."""
        self._paused.add(place)
        self._steer(self._consumer.pause, TopicPartition(*place))

    def resume(self, place: Place) -> None:
        """Go on delivering a paused partition."""
        self._paused.discard(place)
        if place in self._started:
            self._steer(self._consumer.resume, TopicPartition(*place))

    def _steer(self, action: Callable[..., None], *arguments: object) -> None:
        try:
            action(*arguments)
        except (errors.IllegalStateError, KeyError, AssertionError) as error:
            if not self._news:  # else it was lost meanwhile, and the next poll tells
                raise self._connection.failure("assignment", error) from error

    def at_end(self, place: Place) -> bool:
        """Whether all that was committed has been delivered, as far as heard."""
        stable, position = self._stable.get(place), self._position(place)
        return stable is not None and position is not None and position >= stable

    def _position(self, place: Place) -> int | None:
        state = self._consumer._subscription.assignment.get(place)
        return None if state is None or state.position is None else state.position.offset

    def end(self, place: Place) -> int | None:
        """Give the end of a partition as last heard of."""
        return self._stable.get(place)

    def close(self) -> None:
        """Leave the group (a static member stays in it for its session) and let go."""
        self._consumer.close(autocommit=False, timeout_ms=1000)
        self._change(None)


def _as_tuples(records: Any) -> list[Incoming]:
    return [(it.offset, it.timestamp, it.value) for it in records]


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]
    """Leaves word of rebalances; runs on the client's own thread."""

    def __init__(self, consumer: Any, news: deque[tuple[frozenset[Place], object] | None]) -> None:
        self._consumer = consumer
        self._news = news

    def on_partitions_revoked(self, revoked: Any) -> None:
        self._news.append(None)

    def on_partitions_assigned(self, assigned: Any) -> None:
        for partition in assigned:
            self._consumer.seek(partition, 0)  # it would look for a committed offset
        self._consumer.pause(*assigned)
        share = frozenset(Place(*partition) for partition in assigned)
        self._news.append((share, self._consumer.group_metadata()))


class _Join:
    """A join that goes on between two polls.

    The client forgets one that has ended when nobody was waiting for it, and joins again: with
    short polls the group may never come to rest. So none of them looks ended from outside.
    """

    is_done = False

    def __init__(self, task: Any) -> None:
        self._task = task

    def __getattr__(self, name: str) -> Any:
        return getattr(self._task, name)


def _free_slot(consumer: Any) -> None:
    """Have what was read of a resumed partition handed out.

    The client does so only when it holds no records of another partition, and goes on holding
    those that it has handed out to the last: while nothing new comes, the others never do.
    """
    fetcher = consumer._fetcher
    if not fetcher._next_partition_records:
        fetcher._next_partition_records = None


def _keep_join(consumer: Any) -> None:
    coordinator = consumer._coordinator
    task = coordinator._join_task
    if task is not None and not isinstance(task, _Join):
        coordinator._join_task = _Join(task)


def _overhear(consumer: Any, stable: dict[Any, int]) -> None:
    """Note the last stable offset of each answer, which the client itself throws away."""
    fetcher = consumer._fetcher
    parse = fetcher._parse_fetched_data

    def overhearing(fetch: Any) -> Any:
        if not fetch.partition_data.error_code:
            stable[fetch.topic_partition] = fetch.partition_data.last_stable_offset
        return parse(fetch)

    fetcher._parse_fetched_data = overhearing
