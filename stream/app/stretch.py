"""What lies in the topics of one partition number of an application, looked at from outside."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import orjson

from stream.app.adoption import adopted
from stream.app.config import Config, parse_config
from stream.app.connection import open_log
from stream.app.engine import allowed_of, parts_of
from stream.app.keepers import store_url
from stream.app.topics import settings_of, topics_of
from stream.core.errors import SourceError
from stream.core.partition import Partition
from stream.core.records import Fault, Record
from stream.core.settings import Settings
from stream.core.times import parse_time
from stream.edges.history import inputs_of
from stream.edges.log_sink import standing
from stream.edges.topics import Topics
from stream.edges.transports.base import Position
from stream.edges.transports.log import Log, Place, Range
from stream.edges.transports.log import Record as Kept
from stream.state.blob import Blob, Manifest, put_back
from stream.state.keys import find_key
from stream.state.store import CheckpointStore


class Stretch:
    """What lies in the topics of one partition number, and how it was taken.

    Parameters
    ----------
    number
        The partition number.
    """

    def __init__(self, log: Log, config: Config, number: int) -> None:
        self.log = log
        self.config = config
        self.topics: Topics = topics_of(config)
        self.number = number
        self.settings: Settings = settings_of(config)
        self.inputs = inputs_of(self.settings, self.topics, number)
        self.ranges = log.ranges(list(self.inputs.places.values()))
        url = store_url(config)
        self.store = CheckpointStore(url, number, find_key(url, create=False))

    def values(self, topic: str, start: int = 0) -> Iterator[Any]:
        """Give the committed records of an output topic, from an offset on."""
        for record in self.records(topic, start):
            if record.value is not None:
                yield orjson.loads(record.value)

    def records(self, topic: str, start: int = 0) -> Iterator[Kept]:
        """Give the committed records of a topic as they lie there; none when there is no topic."""
        if topic not in self.log.topics([topic]):
            return iter(())
        place = Place(topic, self.number)
        span = self.log.ranges([place])[place]
        first = max(start, span.start)
        return self.log.read(place, first, span.end) if first < span.end else iter(())

    def end(self, topic: str) -> int:
        """Give the next offset of a topic; 0 when there is no topic."""
        if topic not in self.log.topics([topic]):
            return 0
        place = Place(topic, self.number)
        return self.log.ranges([place])[place].end

    def position(self, text: str) -> Position:
        """Read ``earliest``, ``latest``, a time, or an offset of the topic of events.

        Raises
        ------
        SourceError
            It is none of these, or not in the log.
        """
        span = self.ranges[self.inputs.places["events"]]
        if text in ("earliest", "latest"):
            return self._each(lambda _, own: own.start if text == "earliest" else own.end)
        if text.isdigit():
            offset = int(text)
            if not span.start <= offset <= span.end:
                raise SourceError(f"offset {offset}: the log holds {span.start} to {span.end}")
            return {**self._at(self._time_of(offset)), "events": offset}
        moment = parse_time(text)
        if isinstance(moment, Fault):
            raise SourceError(
                f"{text}: neither earliest, latest, a time, an offset of {self.topics.events} nor "
                f"the beginning of a checkpoint's id"
            )
        return self._at(round(moment * 1000))

    def _time_of(self, offset: int) -> int:
        place = self.inputs.places["events"]
        records = self.log.read(place, offset, self.ranges[place].end)
        return next((record.time for record in records), 1 << 62)

    def _at(self, time: int) -> Position:
        def first(place: Place, span: Range) -> int:
            found = self.log.offset_at(place, time) if time < 1 << 62 else None
            return span.end if found is None else min(found, span.end)

        return self._each(first)

    def _each(self, of: Callable[[Place, Range], int]) -> Position:
        position: Position = {s: of(p, self.ranges[p]) for s, p in self.inputs.places.items()}
        return {"labels": position["events"], **position}

    def steps(self, start: Position, end: Position) -> list[Position]:
        """Give the cuts of the journal that lie between, and the end."""
        cuts = [step for entry in self.values(self.topics.journal) for step in entry["steps"]]
        inside = [
            {s: min(max(cut.get(s, 0), start.get(s, 0)), end[s]) for s in end} for cut in cuts
        ]
        return [*(cut for cut in inside if cut not in (start, end)), end]

    def manifest(self, prefix: str) -> Manifest | None:
        """Give the checkpoint whose id begins so; None when none does."""
        found = [m for m in self.manifests() if m["checkpoint"].startswith(prefix.lower())]
        return found[-1] if found else None

    def manifests(self) -> list[Manifest]:
        """Give the checkpoints that were announced and not withdrawn, oldest first."""
        records = self.records(self.topics.checkpoints)
        return [orjson.loads(value) for value, _ in standing(records)]

    def revive(self, manifest: Manifest) -> Partition:
        """Bring a checkpoint back to life."""
        return revived(self.store, self.store.load(manifest["blob"]), self.topics)

    def adopt(self, record: Record) -> object | Fault:
        """Find the estimator that a control record names, among those the service kept."""
        return adopted(self.store, partial(allowed_of, self.config), self.manifests, record)

    def fresh(self) -> Partition:
        """Make the partition as it is before the first record."""
        return Partition(self.settings, parts_of(self.config), self.number)


@contextmanager
def opened(config: Config, number: int | None) -> Iterator[Stretch]:
    """Connect, and look at one partition number of an application.

    Raises
    ------
    SourceError
        There is no such topic, or it has several partitions and none is named.
    """
    log = open_log(config)
    try:
        topics = topics_of(config)
        found = log.topics([topics.events])
        if not found:
            raise SourceError(f"there is no topic {topics.events} to replay")
        count = found[topics.events].partitions
        if number is None and count > 1:
            raise SourceError(
                f"{topics.events} has {count} partitions, and each is a model of its own: name "
                f"one with --partition 0 to --partition {count - 1}"
            )
        yield Stretch(log, config, number or 0)
    finally:
        log.close()


def revived(store: CheckpointStore, blob: Blob, topics: Topics | None = None) -> Partition:
    """Bring a checkpoint back to life by the configuration that it carries itself.

    Parameters
    ----------
    topics
        Of the service that it is of; None for a run on files.
    """
    config = parse_config(blob.header["config"], "the checkpoint's configuration")
    settings = config.settings() if topics is None else settings_of(config, topics)
    partition = Partition(settings, parts_of(config), blob.header["partition"])
    put_back(partition, blob, allowed_of(config), store.pieces(blob))
    return partition
