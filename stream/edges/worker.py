"""Read, fold, commit: one partition from where it was committed to the end of its input."""

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from weakref import WeakMethod

from stream.core.errors import CheckpointError, LearnError
from stream.core.merge import Item
from stream.core.partition import Partition
from stream.core.records import Fault, Metrics, Record
from stream.edges.keeper import Keeper, Pace, Terms, not_adopted
from stream.edges.transports.base import Committed, Sink, Source
from stream.state.blob import Context
from stream.state.pickling import AllowList
from stream.state.store import CheckpointStore


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
    adopt
        Finds the estimator that a control record names.
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
        adopt: Callable[[Record], object | Fault] = not_adopted,
    ) -> None:
        self._source = source
        self._pace = pace
        self._on_commit = on_commit
        self._stopping = False
        committed = WeakMethod(self._committed)

        def tell() -> None:
            if (method := committed()) is not None:
                method()

        # Weakly: else a run that is over lives on with all of its input until a collection.
        self._keeper = Keeper(
            terms=Terms(build, context, allowed), sink=sink, committed=sink.begin(), store=store,
            pace=pace, on_commit=tell, adopt=adopt,
        )  # fmt: skip

    @property
    def committed(self) -> Committed:
        """What the last commit made durable."""
        return self._keeper.committed

    @property
    def partition(self) -> Partition:
        """The state as it is now."""
        return self._keeper.partition

    @property
    def last_report(self) -> Metrics | None:
        """The last metrics that were reported."""
        return self._keeper.last_report

    @property
    def records(self) -> int:
        """How many records have been folded."""
        return self._keeper.records

    def run(self) -> bool:
        """Go on to the end of the input, or until asked to stop; gives whether the end was met."""
        keeper = self._keeper
        if self.committed.finished:
            self._restore()
            return True
        with rare_collections():
            self._restore()
            while not self._stopping:
                items = self._source.read(keeper.room())
                if not items:
                    keeper.finish()
                    return True
                self._fold(items)
            keeper.commit(checkpoint="shutdown")
        return False

    def stop(self) -> None:
        """Ask to stop after the records at hand, with a checkpoint."""
        self._stopping = True

    def _fold(self, items: list[Item]) -> None:
        keeper = self._keeper
        try:
            keeper.fold(items)
        except LearnError as error:
            keeper.leave_out(error)
            self._restore()
            return
        if keeper.due:
            keeper.commit()

    def _committed(self) -> None:
        if self._on_commit(self):
            self._stopping = True

    def _restore(self) -> None:
        """Make the state that of the last commit: load its checkpoint and fold on from there."""
        keeper = self._keeper
        self._source.seek(keeper.revive())
        target = self.committed.records
        while keeper.records < target:
            items = self._source.read(min(self._pace.chunk, target - keeper.records))
            if not items:
                break
            keeper.catch_up(items)
        if target and keeper.partition.position != self.committed.position:
            raise CheckpointError(
                f"the input does not reach the committed position {self.committed.position} "
                f"again: it was changed; replay with --fresh"
            )


@contextmanager
def rare_collections() -> Iterator[None]:
    """Let Python's cycle collector run rarely: the fold makes no cycles, but much garbage."""
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(200_000, 20, 20)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
