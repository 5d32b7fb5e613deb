"""One partition of the log in memory: records and transaction markers, each at its offset."""

from dataclasses import dataclass, field
from typing import Literal

from stream.edges.transports.log import Record


@dataclass(eq=False, slots=True)
class Transaction:
    """Records of one producer that become visible together or never.

    Attributes
    ----------
    state
        What has become of it.
    partitions
        Those that hold records of it.
    """

    state: Literal["open", "committed", "aborted"] = "open"
    partitions: list["Partition"] = field(default_factory=list)

    def end(self, state: Literal["committed", "aborted"]) -> None:
        """Write the marker behind the records, in each of the partitions."""
        self.state = state
        for partition in self.partitions:
            partition.mark(self)


Entry = tuple[Record, Transaction | None] | None
"""A record and its transaction; None where a marker is, or a record that was deleted."""


class Partition:
    """A partition as a Kafka broker keeps it, with what readers of committed records see.

    Attributes
    ----------
    start
        First offset that has not been deleted.
    """

    def __init__(self) -> None:
        self.start = 0
        self._entries: list[Entry] = []
        self._open: dict[Transaction, int] = {}

    @property
    def end(self) -> int:
        """The next offset to be written."""
        return len(self._entries)

    @property
    def stable(self) -> int:
        """The first offset of an open transaction, or the end: how far readers get."""
        return min(self._open.values(), default=self.end)

    def append(
        self,
        time: int,
        key: bytes | None,
        value: bytes | None,
        headers: list[tuple[str, bytes]],
        transaction: Transaction | None,
    ) -> None:
        """Write a record at the end."""
        if transaction is not None and transaction not in self._open:
            self._open[transaction] = self.end
            transaction.partitions.append(self)
        self._entries.append((Record(self.end, time, key, value, headers), transaction))

    def mark(self, transaction: Transaction) -> None:
        """Write the marker that ends a transaction; it takes an offset as a record does."""
        del self._open[transaction]
        self._entries.append(None)

    def fetch(self, start: int, most: int) -> tuple[list[Record], int]:
        """Give up to `most` visible records from an offset on, and where to go on.

        Where to go on lies behind markers and aborted records that follow.
        """
        found: list[Record] = []
        for offset in range(start, self.stable):
            entry = self._entries[offset]
            if entry is None or (entry[1] is not None and entry[1].state == "aborted"):
                continue
            if len(found) == most:
                return found, offset
            found.append(entry[0])
        return found, max(start, self.stable)

    def offset_at(self, time: int) -> int | None:
        """Give the offset of the first visible record at or after a time."""
        records, _ = self.fetch(self.start, self.end)
        return next((record.offset for record in records if record.time >= time), None)

    def delete(self, before: int) -> None:
        """Forget the records before an offset, as retention does."""
        self.start = max(self.start, min(before, self.stable))
        self._entries[: self.start] = [None] * self.start

    def compact(self) -> None:
        """Keep the last record of each key only, as the cleaner does to a compacted topic."""
        records, _ = self.fetch(self.start, self.end)
        last = {record.key: record.offset for record in records}
        for record in records:
            if last[record.key] != record.offset or record.value is None:
                self._entries[record.offset] = None
