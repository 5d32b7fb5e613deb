"""What a run or a service has put out about its models, as far as it is committed."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from itertools import islice, takewhile
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import orjson

from stream.app.config import Config, load_config, parse_config
from stream.app.connection import open_log
from stream.app.lives import Lives, Record
from stream.app.stretch import Stretch
from stream.app.topics import topics_of
from stream.core.errors import CheckpointError, OutputError, SourceError
from stream.edges.transports.directory import read_commit, read_records
from stream.edges.transports.log import Log
from stream.state.blob import Manifest
from stream.state.keys import find_key
from stream.state.store import CheckpointStore

_AT_ONCE = 2000
"""Reports that are read at once: there may be millions."""


@dataclass(frozen=True, slots=True)
class Look:
    """What is known of the models of one partition at one moment.

    Attributes
    ----------
    app
        The application, and its number: ``flights/0``.
    run
        Tells apart what is of one application but of other inputs: two output folders of other
        data, two clusters.
    alone
        Whether the application has this partition only.
    end
        Where the reports on scores end that belong to it: of those after them the models may not
        be known here.
    finished
        Whether nothing can come any more: a run on files that came to its end.
    """

    name: str
    number: int
    run: str
    alone: bool
    config: Config
    records: list[Record]
    lives: Lives
    manifests: list[Manifest]
    store: CheckpointStore
    end: int
    finished: bool

    @property
    def app(self) -> str:
        """The application and the partition number."""
        return f"{self.name}/{self.number}"


class Portion(NamedTuple):
    """Some reports on scores, and where those after them begin."""

    reports: list[Any]
    end: int


class Outputs(Protocol):
    """The outputs of one partition."""

    def mark(self) -> object:
        """Give something that is another one once there is more to see."""
        ...

    def look(self) -> Look | None:
        """Give what is known now; None before the first checkpoint."""
        ...

    def reports(self, start: int, end: int) -> Portion:
        """Give the next reports on scores, from a place on that the last portion gave, or 0."""
        ...


class FolderOutputs:
    """The outputs of a run on files.

    Raises
    ------
    OutputError
        There is no run in the folder.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        there = folder.is_dir() and (read_commit(folder) or (folder / ".lock").exists())
        if not there:
            raise OutputError(
                f"{folder}: holds no run; give the folder that was --out of `driftline replay`, "
                f"or the configuration of a service"
            )

    def mark(self) -> object:
        """Give what was committed."""
        commit = read_commit(self._folder)
        return commit and (commit["lengths"], commit["committed"]["finished"])

    def look(self) -> Look | None:
        """Give what is known now."""
        commit = read_commit(self._folder)
        manifests: list[Manifest] = read_records(self._folder, "checkpoints")
        if commit is None or not manifests:
            return None
        number, url = manifests[-1]["partition"], commit["store"]
        store = CheckpointStore(url, number, find_key(url, create=False))
        records = read_records(self._folder, "models")
        return Look(
            name=manifests[-1]["name"],
            number=number,
            run=_digest(commit["identity"]),
            alone=True,
            config=_config_of(store, manifests),
            records=records,
            lives=Lives(records),
            manifests=manifests,
            store=store,
            end=commit["lengths"].get("metrics", 0),
            finished=commit["committed"]["finished"],
        )

    def reports(self, start: int, end: int) -> Portion:
        """Give the next reports; another run in the place of the one before begins anew."""
        start = 0 if start > end else start
        if not end:
            return Portion([], 0)
        with (self._folder / "metrics.jsonl").open("rb") as file:
            file.seek(start)
            lines: list[bytes] = []
            while start < end and len(lines) < _AT_ONCE:
                lines.append(file.readline())
                start += len(lines[-1])
        return Portion([orjson.loads(line) for line in lines], start)


class TopicOutputs:
    """The outputs of one partition of a service."""

    def __init__(self, log: Log, config: Config, number: int, count: int) -> None:
        self._stretch = Stretch(log, config, number)
        self._alone = count == 1

    def mark(self) -> object:
        """Give the ends of the topics."""
        topics = self._stretch.topics
        return [self._stretch.end(t) for t in (topics.metrics, topics.models, topics.checkpoints)]

    def look(self) -> Look | None:
        """Give what is known now."""
        stretch = self._stretch
        end = stretch.end(stretch.topics.metrics)  # before the models of which they may be
        manifests = stretch.manifests()
        if not manifests:
            return None
        records = list(stretch.values(stretch.topics.models))
        return Look(
            name=stretch.config.name,
            number=stretch.number,
            run=_digest([stretch.log.cluster(), stretch.topics.events]),
            alone=self._alone,
            config=stretch.config,
            records=records,
            lives=Lives(records),
            manifests=manifests,
            store=stretch.store,
            end=end,
            finished=False,
        )

    def reports(self, start: int, end: int) -> Portion:
        """Give the next reports that the topic still has."""
        records = self._stretch.records(self._stretch.topics.metrics, 0 if start > end else start)
        some = list(islice(takewhile(lambda record: record.offset < end, records), _AT_ONCE))
        if len(some) == _AT_ONCE:
            end = some[-1].offset + 1
        return Portion([orjson.loads(r.value) for r in some if r.value is not None], end)


@contextmanager
def outputs_of(place: Path, number: int | None) -> Iterator[list[Outputs]]:
    """Open an output folder, or all partitions of a service, or one of them.

    Raises
    ------
    SourceError
        The service has not run yet, or has no such partition.
    OutputError
        There is no run in the folder.
    """
    if not place.is_file():
        yield [FolderOutputs(place)]
        return
    config = load_config(place)
    log = open_log(config)
    try:
        topic = topics_of(config).metrics
        there = log.topics([topic])
        if not there:
            raise SourceError(f"no topic {topic}: start the service with: driftline run {place}")
        count = there[topic].partitions
        if number is not None and number >= count:
            raise SourceError(f"{topic} has the partitions 0 to {count - 1}, and no {number}")
        numbers = range(count) if number is None else [number]
        yield [TopicOutputs(log, config, each, count) for each in numbers]
    finally:
        log.close()


def _config_of(store: CheckpointStore, manifests: Sequence[Manifest]) -> Config:
    """Give the configuration that the newest checkpoint carries that can be read."""
    said: CheckpointError | None = None
    for manifest in reversed(manifests):
        try:
            header = store.load(manifest["blob"], any_version=True).header
        except CheckpointError as error:  # one that was collected this moment, for one
            said = said or error
        else:
            return parse_config(header["config"], "the checkpoint's configuration")
    raise said or CheckpointError(f"no checkpoint in {store.url}")


def _digest(identity: object) -> str:
    return sha256(orjson.dumps(identity, option=orjson.OPT_SORT_KEYS)).hexdigest()[:12]
