"""Poll, fold, commit: the loop around the fold, the same for every transport.

The order of a commit: the outputs are written; where one is due, a checkpoint is written
and announced with them; then position and outputs count, in one step; and only then what
the checkpoint superseded is collected. Dying between any two of these loses nothing: what
was not committed is taken back, and the last checkpoint is folded forward to the commit.
"""

import gc
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from stream.core.errors import CheckpointError, LearnError
from stream.core.merge import Item
from stream.core.partition import Outputs, Partition
from stream.core.records import Metrics
from stream.edges.failpoints import reach
from stream.edges.transports.base import Sink, Source
from stream.state.blob import Context, Manifest
from stream.state.pickling import AllowList
from stream.state.store import CheckpointStore

_MOST_BETWEEN_COMMITS = 100_000
"""Records after which outputs are committed however short the time was; bounds their memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How much is done at once, and how often it is made durable.

    Attributes
    ----------
    chunk
        Records read at once.
    checkpoint_every
        Records between checkpoints.
    keep
        Checkpoints kept of those made by the way, and as many of those made at alarms.
    commit_every
        Seconds between commits.
    learn_failures
        Records on which the learner may fail before the run is given up.
    """

    chunk: int = 4096
    checkpoint_every: int = 50_000
    keep: int = 10
    commit_every: float = 1.0
    learn_failures: int = 100


class Worker:
    """Takes one partition from where it was committed to the end of its input.

    Parameters
    ----------
    build
        Makes the partition as it is before the first record.
    source, sink
        Where records come from and outputs go.
    store
        Where checkpoints are kept; None for a run in memory without checkpoints.
    context, allowed
        What checkpoints say of themselves, and what may be unpickled of them.
    on_commit
        Told after each commit; may ask to stop by returning True.
    """

    def __init__(
        self,
        *,
        build: Callable[[], Partition],
        source: Source,
        sink: Sink,
        store: CheckpointStore | None,
        context: Context,
        allowed: AllowList,
        pace: Pace,
        on_commit: Callable[["Worker"], bool] = lambda _: False,
    ) -> None:
        self._build = build
        self._source = source
        self._sink = sink
        self._store = store
        self._context = context
        self._allowed = allowed
        self._pace = pace
        self._on_commit = on_commit
        self._stopping = False
        self._failures = 0
        self._committed_at = time.monotonic()
        self._since_commit = 0
        self.last_report: Metrics | None = None
        self.committed = sink.begin()
        self.partition = build()

    def run(self) -> bool:
        """Go on to the end of the input, or until asked to stop; gives whether the end was met."""
        if self.committed.finished:
            self._restore()
            return True
        with _rare_collections():
            self._restore()
            while not self._stopping:
                items = self._source.read(self._room())
                if not items:
                    self._finish()
                    return True
                self._fold(items)
            self._commit(checkpoint="shutdown")
        return False

    def stop(self) -> None:
        """Ask to stop after the records at hand, with a checkpoint."""
        self._stopping = True

    @property
    def records(self) -> int:
        """How many records have been folded."""
        return sum(self.partition.position.values())

    def _room(self) -> int:
        """Count the records until the next checkpoint is due; nothing else decides its place."""
        every = self._pace.checkpoint_every
        return min(self._pace.chunk, every - self.records % every)

    def _fold(self, items: list[Item]) -> None:
        before = self.records
        partition = self.partition
        on_event, on_label = partition.on_event, partition.on_label
        try:
            for stream, offset, row in items:
                (on_event if stream == "events" else on_label)(offset, row)
                if partition.cut:
                    partition.cut = False
                    self._commit(checkpoint="alarm")
        except LearnError as error:
            self._leave_out(error)
            return
        reach("fold")
        self._write()
        self._since_commit += self.records - before
        if self.records % self._pace.checkpoint_every == 0:
            self._commit(checkpoint="interval")
        elif (
            time.monotonic() - self._committed_at >= self._pace.commit_every
            or self._since_commit >= _MOST_BETWEEN_COMMITS
        ):
            self._commit()

    def _finish(self) -> None:
        self.partition.finish()
        self.committed.finished = True
        reach("finish")
        self._commit(checkpoint="end")

    def _commit(self, checkpoint: str | None = None) -> None:
        partition = self.partition
        manifest = None
        if checkpoint is not None and self._store is not None:
            manifest = self._checkpoint(self._store, checkpoint)
            self.committed.checkpoint = manifest
            self.committed.skips = [
                skip for skip in self.committed.skips if skip[1] >= partition.position[skip[0]]
            ]
        self.committed.position = dict(partition.position)
        self._write()
        self._sink.commit(self.committed, manifest)
        if manifest is not None and self._store is not None:
            self._collect(self._store)
        self._committed_at = time.monotonic()
        self._since_commit = 0
        if self._on_commit(self):
            self._stopping = True

    def _write(self) -> None:
        out = self.partition.out
        if out.metrics:
            self.last_report = out.metrics[-1]
        self._sink.write(out)
        self.partition.out = Outputs()

    def _checkpoint(self, store: CheckpointStore, reason: str) -> Manifest:
        last = self.committed.checkpoint
        parent = None if last is None else last["checkpoint"]
        pinned = reason == "alarm" and self.partition.settings.on_concept == "checkpoint"
        return store.save(self.partition, self._context, reason, parent, pinned)

    def _collect(self, store: CheckpointStore) -> None:
        """Keep the last checkpoint, the newest of each sort, and the pinned ones."""
        reach("collect")
        manifests = [m for m in self._sink.manifests() if m["partition"] == self.partition.number]
        alarms = [m["blob"] for m in manifests if m["reason"] == "alarm" and not m["pinned"]]
        pinned = [m["blob"] for m in manifests if m["pinned"]]
        others = [m["blob"] for m in manifests if m["reason"] != "alarm"]
        keep = self._pace.keep
        here = set(store.blobs())
        store.collect(
            {manifests[-1]["blob"], *alarms[-keep:], *others[-keep:], *pinned[-10 * keep :]} & here
        )

    def _leave_out(self, error: LearnError) -> None:
        """Go back to before the record on which the learner failed, and do without it."""
        self._failures += 1
        if self._failures > self._pace.learn_failures:
            raise LearnError(
                error.stream, error.offset,
                f"{error.detail}; it failed on {self._failures} records, and [limits] "
                f"learn_failures allows {self._pace.learn_failures}. If it takes numbers only, "
                f"leave texts out ([input] ignore) or encode them in a step before it "
                f"(river.preprocessing.FeatureHasher)", error.stage,
            ) from error  # fmt: skip
        self.committed.skips.append((error.stream, error.offset, error.stage, error.detail))
        self._sink.discard()
        self._restore()

    def _restore(self) -> None:
        """Make the state that of the last commit: load its checkpoint and fold on from there."""
        partition = self._build()
        checkpoint = self.committed.checkpoint
        if checkpoint is not None:
            assert self._store is not None
            self._store.restore(partition, checkpoint["blob"], self._allowed)
            if partition.digest() != checkpoint["checkpoint"]:
                raise CheckpointError(
                    f"checkpoint {checkpoint['checkpoint'][:12]}: its state is not what was "
                    f"written; report this, and replay with --fresh"
                )
        partition.skips = {(s, o): (stage, why) for s, o, stage, why in self.committed.skips}
        self.partition = partition
        self._source.seek(partition.position)
        self._catch_up()

    def _catch_up(self) -> None:
        partition, target = self.partition, sum(self.committed.position.values())
        while self.records < target:
            items = self._source.read(min(self._pace.chunk, target - self.records))
            if not items:
                break
            for stream, offset, row in items:
                (partition.on_event if stream == "events" else partition.on_label)(offset, row)
            self.partition.out = Outputs()
            self.partition.cut = False
        if self.partition.position != self.committed.position:
            raise CheckpointError(
                f"the input does not reach the committed position {self.committed.position} "
                f"again: it was changed; replay with --fresh"
            )


@contextmanager
def _rare_collections() -> Iterator[None]:
    """Let Python's cycle collector run rarely: the fold makes no cycles, but much garbage."""
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(200_000, 20, 20)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
