"""The logs that the contract suite runs over, each with what a test does to its broker."""

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from stream.edges.transports.log import Log, Place
from stream.edges.transports.memory_log import MemoryBroker, MemoryLog


class World(Protocol):
    """One kind of log, and the hand of whoever runs the broker."""

    def log(self) -> Log:
        """Connect anew."""
        ...

    def topic(self, partitions: int = 1, **settings: str) -> str:
        """Create a topic of a fresh name; underscores in names of settings stand for dots."""
        ...

    def delete_records(self, place: Place, before: int) -> None:
        """Move the start of a partition on."""
        ...

    def recreate(self, topic: str) -> None:
        """Delete a topic and create it again."""
        ...

    def add_partitions(self, topic: str, partitions: int) -> None:
        """Give a topic so many partitions."""
        ...

    def expire_offsets(self, group: str) -> None:
        """Forget the committed offsets of a group without members."""
        ...

    def stop(self) -> None:
        """Stop the broker."""
        ...

    def restart(self) -> None:
        """Start the broker again."""
        ...


def fresh_name() -> str:
    return f"test-{uuid.uuid4().hex[:12]}"


class MemoryWorld:
    def __init__(self) -> None:
        self._broker = MemoryBroker()
        self.delete_records = self._broker.delete_records
        self.recreate = self._broker.recreate
        self.add_partitions = self._broker.add_partitions
        self.expire_offsets = self._broker.expire_offsets
        self.stop = self._broker.stop
        self.restart = self._broker.restart

    def log(self) -> Log:
        return MemoryLog(self._broker)

    def topic(self, partitions: int = 1, **settings: str) -> str:
        name = fresh_name()
        self._broker.create(
            name, partitions, {key.replace("_", "."): value for key, value in settings.items()}
        )
        return name


@contextmanager
def memory_world() -> Iterator[World]:
    yield MemoryWorld()


WORLDS: dict[str, Callable[[], object]] = {"memory": memory_world}
