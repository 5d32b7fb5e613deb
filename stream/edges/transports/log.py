"""What the service asks of a log of partitioned topics: Kafka, by either client, or memory.

Three parts: a `Member` of the consumer group, a transactional `Producer` for each partition
that the member owns, and the `Log` itself, which makes both and answers questions about
topics and offsets. One suite holds every implementation to what is said here.

Positions are the next offset to read. Times are milliseconds since the epoch. A partition
*number* is owned over all input topics together.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar, NamedTuple, Protocol

from stream.core.errors import DriftlineError


class LogError(DriftlineError):
    """The log cannot do what was asked, and trying again will not help."""


class LogUnavailableError(LogError):
    """The log did not answer in time, or refused for now; trying again may help."""

    retriable: ClassVar[bool] = True


class FencedError(LogError):
    """Another process owns the partition now; what was not committed is void."""

    retriable: ClassVar[bool] = True


class OffsetLostError(LogError):
    """The log no longer holds, or does not hold yet, the offset that was asked for."""


class Place(NamedTuple):
    """One partition of one topic."""

    topic: str
    partition: int


Incoming = tuple[int, int, bytes | None]
"""A record of an input: offset, time, value (None: a tombstone)."""

Outgoing = tuple[bytes | None, bytes | None]
"""A record to write: key, value (None: a tombstone)."""


class Batch(NamedTuple):
    """Records of one input partition, in order of offset."""

    place: Place
    records: list[Incoming]


class Record(NamedTuple):
    """A record as it lies in the log."""

    offset: int
    time: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]


class Assignment(NamedTuple):
    """Which partition numbers a member owns, and since which rebalance.

    Attributes
    ----------
    epoch
        Grows with every rebalance that this member has taken part in.
    token
        The group's own proof of ownership, captured when the partitions were assigned; what
        is in it is the client's business. A commit with a token that is no longer current is
        refused by the log.
    """

    epoch: int
    partitions: frozenset[int]
    token: object


class Range(NamedTuple):
    """The first offset that a partition still holds, and the next one to be written.

    `end` is what a reader of committed records can reach: it lies before open transactions.
    """

    start: int
    end: int


class Topic(NamedTuple):
    """A topic that exists: `id` tells it from one of the same name that was there before."""

    id: str
    partitions: int
    settings: Mapping[str, str]


class Member(Protocol):
    """One consumer of the group, reading the same partition numbers of all input topics.

    Reads committed records only. Never commits by itself.
    """

    @property
    def assignment(self) -> Assignment | None:
        """What is owned; None before the first assignment and while it is being changed.

        It changes only within `poll`. After a change no partition delivers anything before
        `start` was called for it, those that were owned before included.
        """
        ...

    def poll(self, seconds: float, most: int) -> list[Batch]:
        """Wait up to `seconds` for records of started partitions; give about `most` at most.

        Keeps the membership alive and takes part in rebalances. Gives [] while the log is
        away.

        Raises
        ------
        OffsetLostError
            A started offset is not, or no longer, in the log.
        FencedError
            Another member has this one's instance name, or the client takes its own former self
            for one, as librdkafka may after an outage: it has to be closed; joining anew helps.
        LogError
            The client cannot go on: it has to be closed.
        """
        ...

    def start(self, place: Place, offset: int) -> None:
        """Deliver an owned partition from this offset on."""
        ...

    def pause(self, place: Place) -> None:
        """Stop delivering a partition; nothing is lost, `resume` goes on."""
        ...

    def resume(self, place: Place) -> None:
        """Go on delivering a paused partition."""
        ...

    def at_end(self, place: Place) -> bool:
        """Whether all that was committed has been delivered, as far as heard. Never waits.

        Trailing control markers and aborted records do not count. False before the first
        answer of the log. This decides whether a silent input holds the other up.
        """
        ...

    def end(self, place: Place) -> int | None:
        """Give the end of a partition as last heard of; None: not yet. Never waits."""
        ...

    def close(self) -> None:
        """Leave the group (a static member stays in it for its session) and let go."""
        ...


class Producer(Protocol):
    """The one writer of a partition number; opening another with its name fences this one."""

    def begin(self) -> None:
        """Open a transaction."""
        ...

    def send(
        self, place: Place, records: Sequence[Outgoing], header: tuple[str, bytes] | None = None
    ) -> None:
        """Add records to the transaction; the last one carries `header`."""
        ...

    def commit(self, offsets: Mapping[Place, int], metadata: str, token: object) -> None:
        """Write what was sent and move the group's offsets, all or nothing.

        Returns only when every record is known to be written and the transaction is known to
        be committed. After any error the outcome is unknown: close this producer and ask the
        log for the committed offsets once a new one of the same name is open.

        Parameters
        ----------
        metadata
            Kept with each of the offsets; at most 4,000 bytes.
        token
            Of the assignment under which the records were read.

        Raises
        ------
        FencedError
            The partition, or the membership of the group, belongs to somebody else by now.
        LogUnavailableError
            The log is away or slow.
        """
        ...

    def abort(self) -> None:
        """Give up the open transaction; the same errors as `commit`."""
        ...

    def close(self) -> None:
        """Let go at once; an open transaction stays open until the name is opened again."""
        ...


class Writer(Protocol):
    """A plain, idempotent writer without transactions, for whoever feeds the input topics."""

    def write(self, place: Place, key: bytes | None, value: bytes | None, time: int) -> None:
        """Queue a record; waits when too much is queued."""
        ...

    def flush(self) -> None:
        """Wait until everything is written; raises when a record could not be."""
        ...

    def close(self) -> None:
        """Flush and let go."""
        ...


class CommittedOffset(NamedTuple):
    """An offset that a group has committed, with what it kept beside it."""

    offset: int
    metadata: str


class Log(Protocol):
    """A connection to a log. Every call is bounded in time and raises `LogUnavailableError`."""

    def member(self, group: str, topics: Sequence[str], instance: str | None) -> Member:
        """Join a group, by the Range assignor; `instance` makes it a static member."""
        ...

    def producer(self, name: str) -> Producer:
        """Open the transactional producer of this name.

        It fences any other of the name and aborts its open transaction: when this returns,
        what the other had not committed never will be.
        """
        ...

    def writer(self) -> Writer:
        """Open a plain writer."""
        ...

    def cluster(self) -> str:
        """Give the id of the cluster."""
        ...

    def topics(self, names: Sequence[str]) -> dict[str, Topic]:
        """Describe those of the topics that exist."""
        ...

    def create(
        self,
        name: str,
        partitions: int,
        settings: Mapping[str, str],
        replication: int | None = None,
    ) -> None:
        """Create a topic and wait until it can be used; one that exists is left as it is.

        `replication` is how many brokers keep it; None: as many as the broker's default says.
        """
        ...

    def ranges(self, places: Sequence[Place]) -> dict[Place, Range]:
        """Give what each partition holds."""
        ...

    def committed(self, group: str, places: Sequence[Place]) -> dict[Place, CommittedOffset]:
        """Give the offsets that the group has committed, for those places where it has."""
        ...

    def offset_at(self, place: Place, time: int) -> int | None:
        """Give the offset of the first record at or after a time; None when all are before."""
        ...

    def read(self, place: Place, start: int, end: int) -> Iterator[Record]:
        """Read the committed records of [start, end), whoever else reads; then stop.

        Raises
        ------
        OffsetLostError
            `start` is before what the log still holds.
        LogUnavailableError
            No progress for a while.
        """
        ...

    def close(self) -> None:
        """Let go of connections; members and producers are closed on their own."""
        ...
