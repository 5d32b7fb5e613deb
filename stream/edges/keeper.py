"""One partition in our hands: its state, what is committed of it, and its checkpoints.

The order of a commit: the outputs are written; where one is due, a checkpoint is written
and announced with them, and what it supersedes is withdrawn; then position, outputs and
announcements count, in one step; and only then what was withdrawn is collected. Dying
between any two of these loses nothing: what was not committed is taken back, and the last
checkpoint is folded forward to the commit.

Files and Kafka use the same; how records come and when commits are due is their affair.
"""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from stream.core.errors import CheckpointError, LearnError
from stream.core.merge import Item
from stream.core.partition import Partition
from stream.core.parts import Outputs
from stream.core.records import Fault, Metrics, Record
from stream.core.whole import Part
from stream.edges.failpoints import reach
from stream.edges.transports.base import Committed, Position, Sink
from stream.state.blob import Context, Manifest
from stream.state.pickling import AllowList
from stream.state.store import CheckpointStore

_MOST_BETWEEN_COMMITS = 100_000
"""Records after which outputs are committed however short the time was; bounds their memory."""

_MOST_SKIPS = 50
"""Records left out since the last checkpoint, after which the next commit makes one."""

_MOST_TOLD = 100
"""Commits of which it is kept what they took, where nobody asks."""


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


@dataclass(frozen=True, slots=True)
class Terms:
    """By which configuration a partition is kept.

    Attributes
    ----------
    build
        Makes the partition as it is before the first record.
    context, allowed
        What checkpoints say of themselves, and what may be unpickled of them.
    """

    build: Callable[[], Partition]
    context: Context
    allowed: AllowList


@dataclass(frozen=True, slots=True)
class Succession:
    """Other terms, to go on by from the committed position.

    Attributes
    ----------
    fresh
        Parts of the state that begin afresh then.
    unreadable
        Whether those cannot be read any more at all: another River wrote them.
    """

    terms: Terms
    fresh: frozenset[Part]
    unreadable: bool = False


def not_adopted(record: Record) -> Fault:
    """Refuse a control record where there is nothing to adopt from."""
    del record
    return Fault("bad_control", "there is no store of checkpoints here")


class Took(NamedTuple):
    """A commit: seconds for it and for the checkpoint before it, if there was one."""

    commit: float
    checkpoint: float
    manifest: Manifest | None


class Keeper:
    """Folds, commits, checkpoints and, when need be, brings the committed state back.

    Parameters
    ----------
    terms
        By which configuration.
    sink, committed
        Where outputs go, and what it says was committed last.
    store
        Where checkpoints are kept; None for a run in memory without checkpoints.
    on_commit
        Told after each commit.
    succession
        Other terms to go on by once the committed position is reached again.
    adopt
        Finds the estimator that a control record names.

    Attributes
    ----------
    committed
        What the last commit made durable.
    partition
        The state; as it is before the first record until `revive`.
    took
        The last commits, with what each of them took, until an observer takes them away.
    """

    def __init__(
        self,
        *,
        terms: Terms,
        sink: Sink,
        committed: Committed,
        store: CheckpointStore | None,
        pace: Pace,
        on_commit: Callable[[], None] = lambda: None,
        succession: Succession | None = None,
        adopt: Callable[[Record], object | Fault] = not_adopted,
    ) -> None:
        self._terms = terms
        self._sink = sink
        self._store = store
        self._succession = succession
        self._adopt = adopt
        self._pace = pace
        self._on_commit = on_commit
        self._failures = 0
        self._committed_at = time.monotonic()
        self._since_commit = 0
        self.last_report: Metrics | None = None
        self.took: deque[Took] = deque(maxlen=_MOST_TOLD)
        self.committed = committed
        self.partition = terms.build()

    @property
    def records(self) -> int:
        """How many records have been folded."""
        counts = self.partition.counts
        return counts.events + counts.label_records

    def room(self) -> int:
        """Count the records until the next checkpoint is due; nothing else decides its place."""
        every = self._pace.checkpoint_every
        return min(self._pace.chunk, every - self.records % every)

    def fold(self, items: list[Item]) -> None:
        """Fold up to `room` records; a checkpoint that they make due is committed with them.

        Raises
        ------
        LearnError
            The learner raised: the state may be half changed. Hand the error to `leave_out`,
            then `revive`.
        """
        before = self.records
        partition = self.partition
        for stream, offset, row in items:
            if stream == "events":
                partition.on_event(offset, row)
            elif stream == "labels":
                partition.on_label(offset, row)
            else:
                partition.on_control(offset, row, self._adopt(row))
                self.commit(checkpoint="control")
            if partition.cut:
                reason, partition.cut = partition.cut, ""
                self.commit(checkpoint=reason)
        reach("fold")
        self._write()
        self._since_commit += self.records - before
        if items and self.records % self._pace.checkpoint_every == 0:
            self.commit(checkpoint="interval")

    @property
    def due(self) -> bool:
        """Whether it is time to commit."""
        return (
            time.monotonic() - self._committed_at >= self._pace.commit_every
            or self._since_commit >= _MOST_BETWEEN_COMMITS
        )

    @property
    def dirty(self) -> bool:
        """Whether records were folded since the last commit."""
        return self._since_commit > 0

    def finish(self) -> None:
        """Report a last time, since the input has ended, and commit that."""
        self.partition.finish()
        self.committed.finished = True
        reach("finish")
        self.commit(checkpoint="end")

    def commit(self, checkpoint: str | None = None) -> None:
        """Make all outputs so far and the position count, with a checkpoint where one is named."""
        started = time.monotonic()
        partition = self.partition
        manifest, kept, superseded = None, set[str](), set[str]()
        if checkpoint is None and len(self.committed.skips) >= _MOST_SKIPS:
            checkpoint = "skips"
        if checkpoint is not None and self._store is not None and not self._announced():
            manifest = self._checkpoint(self._store, checkpoint)
            kept = self._kept(manifest)
            superseded = {m["blob"] for m in self._sink.manifests()} - kept
            self.committed.checkpoint = manifest
            self.committed.skips = [
                skip for skip in self.committed.skips if skip[1] >= partition.position[skip[0]]
            ]
        saved = time.monotonic()
        self.committed.position = dict(partition.position)
        self.committed.records = self.records
        self._write()
        if manifest is not None:
            self._sink.collected(kept)
        self._sink.commit(self.committed, manifest)
        if manifest is not None and self._store is not None:
            reach("collect")
            self._store.collect(kept, superseded)
        self._committed_at = time.monotonic()
        self._since_commit = 0
        self.took.append(Took(self._committed_at - saved, saved - started, manifest))
        self._on_commit()

    def leave_out(self, error: LearnError) -> None:
        """Note the record on which the learner failed, to be done without after `revive`.

        Raises
        ------
        LearnError
            It has failed on more records than may be.
        """
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

    def revive(self) -> Position:
        """Make the state that of the last checkpoint; gives its position.

        What lies between it and the committed position has to be folded again, by `catch_up`.

        Raises
        ------
        CheckpointError
            The checkpoint is missing, damaged or not what it says.
        """
        partition = self._terms.build()
        checkpoint = self.committed.checkpoint
        if checkpoint is not None:
            assert self._store is not None
            succession = self._succession
            left = succession.fresh if succession is not None and succession.unreadable else ()
            self._store.restore(partition, checkpoint["blob"], self._terms.allowed, left)
            if not left and partition.digest() != checkpoint["checkpoint"]:
                raise CheckpointError(
                    f"checkpoint {checkpoint['checkpoint'][:12]}: its state is not what was "
                    f"written; report this, and replay with --fresh"
                )
        partition.skips = {(s, o): (stage, why) for s, o, stage, why in self.committed.skips}
        self.partition = partition
        self._since_commit = 0
        return dict(partition.position)

    def catch_up(self, items: list[Item]) -> None:
        """Fold records again whose outputs are out already."""
        partition = self.partition
        for stream, offset, row in items:
            if stream == "control":
                partition.on_control(offset, row, self._adopt(row))
            else:
                (partition.on_event if stream == "events" else partition.on_label)(offset, row)
        partition.out = Outputs()
        partition.cut = ""

    def succeed(self) -> None:
        """Go on by the other terms, if there are any; the committed position is reached.

        The state is carried over by a checkpoint at that very position, and the one made under
        the new terms is announced before anything is folded by them.
        """
        succession, store = self._succession, self._store
        if succession is None:
            return
        checkpoint = self.committed.checkpoint
        assert store is not None
        assert checkpoint is not None, "other terms than those of a checkpoint"
        if checkpoint["position"] != self.partition.position:
            self.commit(checkpoint="handover")
            checkpoint = self.committed.checkpoint
            assert checkpoint is not None
        partition = succession.terms.build()
        store.restore(partition, checkpoint["blob"], self._terms.allowed, succession.fresh)
        self.partition, self._terms, self._succession = partition, succession.terms, None
        self.commit(checkpoint="configuration")

    def _write(self) -> None:
        out = self.partition.out
        if out.metrics:
            self.last_report = out.metrics[-1]
        self._sink.write(out)
        self.partition.out = Outputs()

    def _announced(self) -> bool:
        """Whether the last checkpoint is this very state, so that another would replace it."""
        last = self.committed.checkpoint
        return (
            last is not None
            and last["config_digest"] == self._terms.context.config_digest
            and last["position"] == self.partition.position
            and last["checkpoint"] == self.partition.digest()
        )

    def _checkpoint(self, store: CheckpointStore, reason: str) -> Manifest:
        last = self.committed.checkpoint
        parent = None if last is None else last["checkpoint"]
        pinned = reason == "alarm" and self.partition.keep
        return store.save(self.partition, self._terms.context, reason, parent, pinned)

    def _kept(self, manifest: Manifest) -> set[str]:
        """Give what is kept: the last checkpoint, the newest of each sort, and the pinned ones."""
        number = self.partition.number
        manifests = [m for m in self._sink.manifests() if m["partition"] == number]
        manifests.append(manifest)
        alarms = [m["blob"] for m in manifests if m["reason"] == "alarm" and not m["pinned"]]
        pinned = [m["blob"] for m in manifests if m["pinned"]]
        others = [m["blob"] for m in manifests if m["reason"] != "alarm"]
        keep = self._pace.keep
        return {manifest["blob"], *alarms[-keep:], *others[-keep:], *pinned[-10 * keep :]}
