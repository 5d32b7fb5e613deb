"""A stretch of the real topics through the fold: for tests, for post-mortems, for time travel."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import typer

from stream.app.config import load_config
from stream.app.engine import FolderRun
from stream.app.progress import Progress
from stream.app.replay import stop_on_signals
from stream.app.stretch import Stretch, opened
from stream.app.tables import show_summary
from stream.core.errors import CheckpointError, LearnError, SourceError
from stream.core.merge import Item
from stream.core.partition import Partition
from stream.core.records import Event
from stream.edges.history import History
from stream.edges.transports.base import Position
from stream.state.blob import Manifest


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
        both = {*begin, *position}  # control records are named once there was one
        self._history = self._from({s: max(position.get(s, 0), begin.get(s, 0)) for s in both})

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


def run_replay_log(
    config: Path, out: Path, *, begin: str, end: str, number: int | None, fresh: bool
) -> None:
    """Fold a range of the configured topics into an output folder."""
    loaded = load_config(config)
    with opened(loaded, number) as stretch:
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
                loaded, out, identity, source, ends.build,
                fresh=fresh, on_commit=progress.update, adopt=stretch.adopt, number=stretch.number,
            )  # fmt: skip
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
    with opened(loaded, number) as stretch:
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
        for _, offset, read in stretch.inputs.mixed([(record.offset, 0, record.value)]):
            if type(read) is Event and read.id == event:
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
    skips: dict[tuple[str, int], tuple[str, str]] = {}
    while True:
        partition = stretch.revive(manifest)
        partition.skips = skips
        try:
            return _fold_up_to(stretch, partition, manifest, event, offset)
        except LearnError as error:  # as in the service: without that record
            skips[error.stream, error.offset] = error.stage, error.detail


def _fold_up_to(
    stretch: Stretch, partition: Partition, manifest: Manifest, event: str, offset: int
) -> Mapping[str, Any] | None:
    end = stretch.position("latest")
    source = LogSource(stretch, manifest["position"], end)
    while items := source.read(512):
        for stream, position, row in items:
            if stream == "control":
                partition.on_control(position, row, stretch.adopt(row))
            else:
                (partition.on_event if stream == "events" else partition.on_label)(position, row)
            if stream == "events" and position >= offset:
                made = [p for p in partition.out.predictions if p["id"] == event]
                again: Mapping[str, Any] | None = (
                    orjson.loads(orjson.dumps(made[-1])) if made else None
                )
                return again
        partition.out.predictions.clear()
    return None
