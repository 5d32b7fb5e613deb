"""A stretch of the real topics through the fold: for tests, for post-mortems, for time travel."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import typer

from stream.app.checkpoints import revived
from stream.app.config import Config, load_config
from stream.app.connect import open_log
from stream.app.engine import FolderRun, parts_of
from stream.app.progress import Progress
from stream.app.replay import stop_on_signals
from stream.app.tables import show_summary
from stream.app.topics import topics_of
from stream.core.errors import CheckpointError, SourceError
from stream.core.merge import Item
from stream.core.partition import Partition
from stream.core.records import Fault
from stream.core.settings import Settings
from stream.core.times import parse_time
from stream.edges.history import History, Inputs
from stream.edges.topics import Topics
from stream.edges.transports.base import Position
from stream.edges.transports.log import Log, Place, Range
from stream.state.blob import Manifest
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
        topics = self.topics
        places = {"events": Place(topics.events, number)}
        if topics.labels is not None:
            places["labels"] = Place(topics.labels, number)
        self.settings: Settings = replace(
            config.settings(),
            events_topic=topics.events,
            labels_topic=topics.labels or topics.events,
        )
        self.inputs = Inputs(self.settings, places)  # type: ignore[arg-type]  # keys are streams
        self.ranges = log.ranges(list(places.values()))

    def values(self, topic: str) -> Iterator[Any]:
        """Give the committed records of an output topic."""
        place = Place(topic, self.number)
        span = self.log.ranges([place])[place]
        for record in self.log.read(place, span.start, span.end):
            if record.value is not None:
                yield orjson.loads(record.value)

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
        """Give the cuts of the journal that lie between; one step where there is no journal."""
        if self.inputs.single:
            return [end]
        cuts = [step for entry in self.values(self.topics.journal) for step in entry["steps"]]
        inside = [{s: min(max(cut[s], start[s]), end[s]) for s in end} for cut in cuts]
        return [*(cut for cut in inside if cut not in (start, end)), end]

    def manifest(self, prefix: str) -> Manifest | None:
        """Give the checkpoint whose id begins so; None when none does."""
        found = [m for m in self.manifests() if m["checkpoint"].startswith(prefix.lower())]
        return found[-1] if found else None

    def manifests(self) -> list[Manifest]:
        """Give the checkpoints that were announced and not withdrawn, oldest first."""
        found: dict[bytes | None, Manifest] = {}
        place = Place(self.topics.checkpoints, self.number)
        span = self.log.ranges([place])[place]
        for record in self.log.read(place, span.start, span.end):
            found.pop(record.key, None)
            if record.value is not None:
                found[record.key] = orjson.loads(record.value)
        return list(found.values())

    def revive(self, manifest: Manifest) -> Partition:
        """Bring a checkpoint back to life."""
        url = self.config.checkpoints.url
        store = CheckpointStore(url, self.number, find_key(url, create=False))
        partition = revived(store, store.load(manifest["blob"]))
        partition.settings = replace(
            partition.settings,
            events_topic=self.settings.events_topic,
            labels_topic=self.settings.labels_topic,
        )
        return partition

    def fresh(self) -> Partition:
        """Make the partition as it is before the first record."""
        return Partition(self.settings, parts_of(self.config), self.number)


class LogSource:
    """A stretch as an ordered source that can be read again from any position."""

    def __init__(self, stretch: Stretch, start: Position, end: Position) -> None:
        self._stretch = stretch
        self._start = start
        self._end = end
        self._steps = stretch.steps(start, end)
        self._history = self._from(start)

    def _from(self, start: Position) -> History:
        return History(self._stretch.log, self._stretch.inputs, start, self._steps)

    def read(self, most: int) -> list[Item]:
        """Give up to `most` further records in their final order; [] at the end."""
        return self._history.read(most)

    def seek(self, position: Position) -> None:
        """Go on from a position that was reached before, or from the start."""
        begin = self._start
        self._history = self._from({s: max(position[s], begin[s]) for s in begin})

    def close(self) -> None:
        """Do nothing: the log is closed by who opened it."""


class _Ends(NamedTuple):
    """Where a stretch starts and ends, and the state at its start."""

    start: Position
    end: Position
    build: Callable[[], Partition]


def _ends(stretch: Stretch, begin: str, end: str) -> _Ends:
    manifest = None if begin in ("earliest", "latest") else stretch.manifest(begin)
    if manifest is not None:
        build: Callable[[], Partition] = partial(stretch.revive, manifest)
        return _Ends(manifest["position"], stretch.position(end), build)
    start = stretch.position(begin)

    def fresh() -> Partition:
        partition = stretch.fresh()
        partition.begin_at(start)
        return partition

    return _Ends(start, stretch.position(end), fresh)


@contextmanager
def _opened(config: Config, number: int | None) -> Iterator[Stretch]:
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


def run_replay_log(
    config: Path, out: Path, *, begin: str, end: str, number: int | None, fresh: bool
) -> None:
    """Fold a range of the configured topics into an output folder."""
    loaded = load_config(config)
    with _opened(loaded, number) as stretch:
        ends = _ends(stretch, begin, end)
        identity = {
            "config": loaded.digest,
            "source": f"{stretch.log.cluster()} {stretch.topics.events} {stretch.number}",
            "labels": f"{ends.start} {ends.end}",
        }
        source = LogSource(stretch, ends.start, ends.end)
        total = ends.end["events"] - ends.start["events"]
        with Progress(None, total) as progress:
            run = FolderRun(
                loaded, out, identity, source, ends.build, fresh=fresh, on_commit=progress.update
            )
            progress.begin(run)
            stop_on_signals(run)
            summary = run.run()
    if summary is None:
        typer.echo("stopped, all of it saved; the same command goes on from here", err=True)
        raise typer.Exit(1)
    show_summary(summary, out)


def run_time_travel(config: Path, event: str, *, begin: str | None, number: int | None) -> None:
    """Make the prediction for one event again, from a checkpoint on, and hold it to the served one.

    Raises
    ------
    SourceError
        There is no such event, or nothing was served for it.
    CheckpointError
        No checkpoint from before the event is left.
    """
    loaded = load_config(config)
    with _opened(loaded, number) as stretch:
        served = _served(stretch, event)
        offset = _offset_of(stretch, event)
        manifest = _before(stretch, begin, offset)
        again = _made_again(stretch, manifest, event, offset)
    origin = f"from checkpoint {manifest['checkpoint'][:12]} at {manifest['position']}"
    if again == served:
        typer.echo(f"the same prediction, {origin}: {orjson.dumps(served).decode()}")
        return
    typer.echo(f"another prediction, {origin}:", err=True)
    for key in {**served, **(again or {})}:
        theirs, ours = served.get(key), (again or {}).get(key)
        if theirs != ours:
            typer.echo(f"  {key}: served {theirs!r}, now {ours!r}", err=True)
    raise typer.Exit(1)


def _served(stretch: Stretch, event: str) -> Mapping[str, Any]:
    predictions = stretch.values(stretch.topics.predictions)
    found = next((p for p in predictions if p["id"] == event), None)
    if found is None:
        raise SourceError(
            f"nothing was served for {event} on partition {stretch.number} "
            f"({stretch.topics.predictions})"
        )
    prediction: Mapping[str, Any] = found
    return prediction


def _offset_of(stretch: Stretch, event: str) -> int:
    """Find an event in its topic: the first record of that id."""
    place = stretch.inputs.places["events"]
    span = stretch.ranges[place]
    named = stretch.settings.id_field
    if named is None:
        return int(event)
    for record in stretch.log.read(place, span.start, span.end):
        for stream, offset, row in stretch.inputs.mixed([(record.offset, 0, record.value)]):
            fields = getattr(row, "fields", None)
            if stream == "events" and isinstance(fields, dict) and str(fields.get(named)) == event:
                return offset
    raise SourceError(f"the event {event} is no longer in {place.topic}: retention has passed it")


def _before(stretch: Stretch, begin: str | None, offset: int) -> Manifest:
    manifests = stretch.manifests()
    if begin is not None:
        manifests = [m for m in manifests if m["checkpoint"].startswith(begin.lower())]
    manifests = [m for m in manifests if m["position"]["events"] <= offset]
    if not manifests:
        raise CheckpointError(
            f"no checkpoint {begin or ''} from before event offset {offset} is kept; raise "
            f"[checkpoints] keep, or replay from further back: --from earliest"
        )
    return manifests[-1]


def _made_again(
    stretch: Stretch, manifest: Manifest, event: str, offset: int
) -> Mapping[str, Any] | None:
    """Fold from a checkpoint up to an event; gives what is predicted for it."""
    partition = stretch.revive(manifest)
    end = stretch.position("latest")
    source = LogSource(stretch, manifest["position"], end)
    while items := source.read(512):
        for stream, position, row in items:
            fold = partition.on_event if stream == "events" else partition.on_label
            fold(position, row)
            if stream == "events" and position >= offset:
                made = [p for p in partition.out.predictions if p["id"] == event]
                again: Mapping[str, Any] | None = (
                    orjson.loads(orjson.dumps(made[-1])) if made else None
                )
                return again
        partition.out.predictions.clear()
    return None
