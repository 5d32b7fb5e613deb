"""One partition number of the log while it is ours: taken over, caught up, live."""

import time
from collections import deque
from collections.abc import Callable
from typing import Literal

from stream.core.errors import LearnError
from stream.core.merge import Head, Item, Stream, by_heads
from stream.edges.history import History, Inputs, check_reached
from stream.edges.keeper import Keeper
from stream.edges.log_sink import LogSink
from stream.edges.transports.base import Position
from stream.edges.transports.log import Batch, Log, Member, Place
from stream.edges.workshop import Bench, Workshop

_MOST_WAITING = 20_000
"""Records read of an input and not folded yet, from which on it is paused; each for itself, since
a full one may be waiting for the other."""

_SLICE = 0.2
"""Seconds of catching up between two looks at the group."""

_RESTED = 5
"""A commit is made early, when there is nothing to fold, if the last took a fifth of the time
since: so little load has little delay, and commits never take more than a sixth of the time."""


class Tenure:
    """Takes a partition number over, folds it up to its last commit, and then lives with it.

    Parameters
    ----------
    log
        Where its history is read.
    inputs
        Where its inputs lie.
    sink
        Its outputs; opened, so the last owner is fenced.
    keeper_of
        Makes the keeper of its state.
    idle
        Seconds that an input which is not at its end may keep the others waiting.
    workshop
        Makes models beside the stream; None where nothing is made.

    Attributes
    ----------
    live
        Whether it is caught up: records are delivered, folded and committed.
    bench
        Where its models are made.
    """

    def __init__(
        self,
        log: Log,
        inputs: Inputs,
        sink: LogSink,
        keeper_of: Callable[[LogSink], Keeper],
        idle: float,
        workshop: Workshop | None = None,
    ) -> None:
        self._log = log
        self._inputs = inputs
        self._idle = idle
        self.sink = sink
        self.keeper = keeper_of(sink)
        self.bench = Bench(workshop)
        self.live = False
        self._history: History | None = None
        self._redo: deque[Position] = deque()
        self._heads: dict[Stream, deque[Head]] = {"events": deque(), "labels": deque()}
        self._mixed: deque[Item] = deque()
        self._control: deque[Item] = deque()
        self._next: dict[Place, int] = {}
        self._silent: dict[Place, float] = {}
        self._paused: set[Place] = set()
        self._committed_at = 0.0
        self._commit_took = 0.0
        self._ordered = 0  # the order that was committed
        self._look_back()

    @property
    def number(self) -> int:
        """The partition number."""
        return self.keeper.partition.number

    @property
    def places(self) -> dict[Stream, Place]:
        """Where its inputs lie."""
        return self._inputs.places

    @property
    def waiting(self) -> int:
        """Records read and not folded yet, and steps to be taken again."""
        read = len(self._control) + len(self._mixed) + sum(map(len, self._heads.values()))
        return len(self._redo) + read

    def lag(self, member: Member, place: Place) -> int | None:
        """Offsets between what was committed and the end of an input; None while unknown.

        What lies between the last record and the end, marks of transactions, is not waited for.
        """
        end = self._next.get(place) if member.at_end(place) else member.end(place)
        if end is None:
            return None
        return max(end - self._inputs.starts(self.keeper.committed.position)[place], 0)

    # --- catching up ----------------------------------------------------------------------

    def _look_back(self) -> None:
        """Go to the last checkpoint, and from there get ready to fold up to the commit."""
        keeper = self.keeper
        self.live = False
        self._mixed.clear()
        self._control.clear()
        for heads in self._heads.values():
            heads.clear()
        position = keeper.revive()
        target = keeper.committed.position
        if keeper.committed.checkpoint is None:
            keeper.partition.begin_at(target)
            position = target
        steps = [*self.sink.steps, target]
        self._history = History(self._log, self._inputs, position, steps)

    def catch_up(self, member: Member) -> None:
        """Fold one more slice of what was committed already; go live at the end of it."""
        assert self._history is not None
        until = time.monotonic() + _SLICE
        while time.monotonic() < until:
            items = self._history.read(512)
            if not items:
                return self._go_live(member) if self._owned(member) else None
            try:
                self.keeper.catch_up(items)
            except LearnError as error:
                self.leave_out(error)
                return None
        return None

    def _go_live(self, member: Member) -> None:
        keeper = self.keeper
        check_reached(keeper.partition.position, keeper.committed.position)
        self._history = None
        if keeper.committed.checkpoint is None:
            keeper.commit(checkpoint="start")
        keeper.succeed()
        self._note_order()
        ahead = self._redo[-1] if self._redo else keeper.partition.position
        self._next = self._inputs.starts(ahead)
        self.live = True
        self.attend(member)

    def attend(self, member: Member) -> None:
        """Have the inputs delivered, from where we are; again after every rebalance."""
        if not self.live or not self._owned(member):
            return  # it is called again after the rebalance that is going on
        self._paused.clear()
        for place, offset in self._next.items():
            self._silent[place] = 0.0
            member.start(place, offset)
            member.resume(place)  # it may have been paused, by a tenure before this one too

    def _owned(self, member: Member) -> bool:
        assignment = member.assignment
        return assignment is not None and self.number in assignment.partitions

    # --- living ---------------------------------------------------------------------------

    def feed(self, batch: Batch, member: Member) -> None:
        """Take records that were read."""
        place, records = batch
        if not self.live or not records:
            return
        stream = self._inputs.streams[place]
        self._next[place] = records[-1][0] + 1
        self._silent[place] = 0.0
        if stream == "control":
            heads = self._inputs.heads(stream, records)
            self._control.extend((stream, offset, row) for _, offset, row in heads)
        elif self._inputs.single:
            self._mixed.extend(self._inputs.mixed(records))
        else:
            self._heads[stream].extend(self._inputs.heads(stream, records))
        if self._waiting_of(place) > _MOST_WAITING and place not in self._paused:
            self._paused.add(place)
            member.pause(place)

    def pass_time(self, seconds: float) -> None:
        """Hear that there was time for records to come; `feed` tells of which they came."""
        for place in self._silent:
            self._silent[place] += seconds

    def _waiting_of(self, place: Place) -> int:
        stream = self._inputs.streams[place]
        if stream == "control":
            return len(self._control)
        return len(self._mixed) if self._inputs.single else len(self._heads[stream])

    def fold(self, member: Member, until: float) -> None:
        """Fold what can be taken in its final order, until a time; commit when it is due."""
        while self.live and time.monotonic() < until:
            items = self._take(member)
            if not items:
                break
            try:
                self.keeper.fold(items)
            except LearnError as error:
                return self.leave_out(error)
            self.sink.step(self.keeper.partition.position)
        if self._paused and member.assignment is not None:
            self._resume(member)
        return self._tend(member)

    def _tend(self, member: Member) -> None:
        """See to the model that is being made; what comes of it is asked for as by anybody.

        Nothing is begun before the order is committed, since until then it may be taken back.
        """
        if not self.keeper.dirty:  # as after a commit with a checkpoint, within the fold
            self._note_order()
        heard = not self._control and member.at_end(self.places["control"])
        order = self.keeper.partition.training.order
        heard = heard and order is not None and order.number == self._ordered
        record = self.bench.tend(self.keeper.partition, heard)
        if record is not None:
            self.sink.ask(record)

    def _resume(self, member: Member) -> None:
        for place in [p for p in self._paused if self._waiting_of(p) < _MOST_WAITING // 2]:
            member.resume(place)
            self._paused.remove(place)
            self._silent[place] = 0.0  # it could not be heard of before

    def _take(self, member: Member) -> list[Item]:
        if self._redo and (again := self._take_again()):
            return again
        if self._control:  # alone in its step, so that a replay finds it at its place
            self.sink.step(self.keeper.partition.position, always=True)
            return [self._control.popleft()]
        room = self.keeper.room()
        if self._inputs.single:
            return [self._mixed.popleft() for _ in range(min(room, len(self._mixed)))]
        ended: set[Stream] = {
            stream
            for stream, place in self._inputs.places.items()
            if member.at_end(place)
            or (place not in self._paused and self._silent[place] > self._idle)
        }
        return by_heads(self._heads["events"], self._heads["labels"], room, ended)

    def _take_again(self) -> list[Item]:
        """Take what was taken before the learner failed, in the same order."""
        while self._redo:
            if self._history is None:
                start = self.keeper.partition.position
                self._history = History(self._log, self._inputs, start, [self._redo[0]])
            items = self._history.read(self.keeper.room())
            if items:
                return items
            check_reached(self.keeper.partition.position, self._redo[0])
            self._history = None
            self._redo.popleft()
        return []

    def leave_out(self, error: LearnError) -> None:
        """Do without a record on which the learner failed: go back, and pass it by.

        What was taken since the last commit is taken in the same order again, up to that record:
        in another order the learner might not have failed on it.
        """
        if self.live:
            self._redo.extendleft([self.keeper.partition.position, *reversed(self.sink.cuts)])
        self.keeper.leave_out(error)
        self._look_back()

    def due(self, more: bool) -> bool:
        """Whether a commit is due: by the clock, or since there is nothing else to do.

        Parameters
        ----------
        more
            Whether there is more to be read.
        """
        if self.live and self.sink.asked:
            return True
        if not self.live or not self.keeper.dirty:
            return False
        since = time.monotonic() - self._committed_at
        idle = not more and not self.waiting
        return self.keeper.due or (idle and since > _RESTED * self._commit_took)

    def commit(self, checkpoint: Literal["shutdown"] | None = None) -> None:
        """Commit what was folded."""
        started = time.monotonic()
        self.keeper.commit(checkpoint)
        self._note_order()
        self._committed_at = time.monotonic()
        self._commit_took = self._committed_at - started

    def _note_order(self) -> None:
        order = self.keeper.partition.training.order
        self._ordered = 0 if order is None else order.number

    def close(self) -> None:
        """Let it go as it is; nothing is committed."""
        self.live = False
        self.bench.close()
        self.sink.close()
