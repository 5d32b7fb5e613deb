"""Where a watcher looks: the output folder of a run on files, or the topics of the service."""

from pathlib import Path
from typing import Any, Protocol

import orjson

from stream.app.watch_view import Kind, Progress, Update
from stream.core.errors import OutputError
from stream.edges.topics import Topics
from stream.edges.transports.directory import read_commit
from stream.edges.transports.log import Log, OffsetLostError, Place

_KINDS: tuple[Kind, ...] = ("metrics", "alarms", "models", "dead-letters", "checkpoints")
_BACK: dict[Kind, int] = {
    "metrics": 200, "alarms": 1000, "models": 10_000, "dead-letters": 1, "checkpoints": 10_000,
}  # fmt: skip


class Feed(Protocol):
    """What came out of a run since the last look."""

    def poll(self) -> list[Update]:
        """Give the records that were committed since the last call; at first, the latest."""
        ...

    def progress(self) -> Progress:
        """Say how far the run has come."""
        ...


class FolderFeed:
    """Follows the files of an output folder, as far as they are committed.

    Raises
    ------
    OutputError
        There is no run in the folder.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._done: dict[str, int] = dict.fromkeys(_KINDS, 0)
        self._commit: dict[str, Any] | None = read_commit(folder) if folder.is_dir() else None
        if self._commit is None and not (folder / ".lock").exists():
            what = "no run is in it" if folder.exists() else "there is no such folder"
            raise OutputError(
                f"{folder}: {what}; name the folder that was given to --out, or a "
                f"configuration for the service on Kafka"
            )

    @property
    def restarted(self) -> bool:
        """Whether the run that was followed has been replaced by another one."""
        lengths = (self._commit or {}).get("lengths", {})
        return any(lengths.get(kind, 0) < done for kind, done in self._done.items())

    def poll(self) -> list[Update]:
        """Give the records that were committed since the last call."""
        self._commit = read_commit(self._folder)
        if self.restarted:
            self._done = dict.fromkeys(_KINDS, 0)
        if self._commit is None:
            return []
        lengths = self._commit["lengths"]
        return [update for kind in _KINDS for update in self._read(kind, lengths.get(kind, 0))]

    def progress(self) -> Progress:
        """Say how far the run has come."""
        if self._commit is None:
            return Progress(None, {}, False)
        committed = self._commit["committed"]
        return Progress(committed["position"]["events"], {}, committed["finished"])

    def _read(self, kind: Kind, length: int) -> list[Update]:
        try:
            with (self._folder / f"{kind}.jsonl").open("rb") as file:
                file.seek(self._done[kind])
                data = file.read(length - self._done[kind])
        except FileNotFoundError:
            return []  # a fresh run is about to write it
        self._done[kind] += len(data)
        return [Update(kind, 0, orjson.loads(line)) for line in data.splitlines()]


class LogFeed:
    """Follows the output topics of the service, and its offsets in the inputs.

    Raises
    ------
    OutputError
        There are no such topics.
    """

    def __init__(self, log: Log, topics: Topics) -> None:
        self._log = log
        self._topics = topics
        names: dict[Kind, str] = {
            "metrics": topics.metrics,
            "alarms": topics.alarms,
            "models": topics.models,
            "dead-letters": topics.dead_letters,
            "checkpoints": topics.checkpoints,
        }
        there = log.topics([*names.values(), *topics.inputs])
        if topics.metrics not in there:
            raise OutputError(
                f"no topic {topics.metrics}: the service has not run yet, or under another name; "
                f"start it with: driftline run"
            )
        self._outputs = {
            Place(name, number): kind
            for kind, name in names.items()
            if name in there
            for number in range(there[name].partitions)
        }
        self._inputs = {
            stream: [Place(name, number) for number in range(there[name].partitions)]
            for stream, name in (("events", topics.events), ("labels", topics.labels or ""))
            if name in there
        }
        self._done: dict[Place, int] = {}

    def poll(self) -> list[Update]:
        """Give the records that were committed since the last call; at first, the latest."""
        ranges = self._log.ranges(list(self._outputs))
        updates: list[Update] = []
        for place, (start, end) in ranges.items():
            kind = self._outputs[place]
            first = max(start, self._done.get(place, end - _BACK[kind]))
            updates += self._read(kind, place, first, end)
            self._done[place] = max(end, self._done.get(place, 0))
        return updates

    def progress(self) -> Progress:
        """Give what the group has committed in the inputs, and what is left."""
        places = [place for of in self._inputs.values() for place in of]
        ranges = self._log.ranges(places)
        committed = self._log.committed(self._topics.group, places)
        done = {place: committed[place].offset if place in committed else ranges[place].start
                for place in places}  # fmt: skip
        lag = {
            stream: sum(max(0, ranges[place].end - done[place]) for place in of)
            for stream, of in self._inputs.items()
        }
        events = sum(done[place] for place in self._inputs.get("events", []))
        return Progress(events, lag, False)

    def _read(self, kind: Kind, place: Place, start: int, end: int) -> list[Update]:
        try:
            return [
                Update(kind, place.partition, orjson.loads(record.value))
                for record in self._log.read(place, start, end)
                if record.value is not None
            ]
        except OffsetLostError:  # deleted between two calls; the next one begins after it
            return []
