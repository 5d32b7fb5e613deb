"""Reading in steps of any size from batches of any size."""

from collections.abc import Callable, Iterator, Mapping
from itertools import chain
from typing import Generic, Protocol, TypeVar

from stream.core.errors import SourceError
from stream.core.records import Kind, Row
from stream.core.tables import Rows, Table

HEAD_BYTES = 8 << 20
"""The head of a file ends here even if that is fewer rows than asked for."""


class Batch(Protocol):
    """Some records, not yet converted."""

    def __len__(self) -> int:
        """Count its records."""


B = TypeVar("B", bound=Batch)


class BatchedRows(Generic[B]):
    """A `RowReader` over batches of records that are converted when they are read.

    Parameters
    ----------
    names, types
        What the reader says of its columns.
    batches
        The records in order. A `SourceError` from it is raised once all rows before it
        have been read, and again at each later call.
    convert
        Gives a batch as a table, of as many rows as it has records.
    close
        Closes the file.
    """

    def __init__(
        self,
        names: tuple[str, ...],
        types: Mapping[str, Kind],
        batches: Iterator[B],
        convert: Callable[[B], Table],
        close: Callable[[], None],
    ) -> None:
        self.names = names
        self.types = types
        self._batches = batches
        self._convert = convert
        self._close = close
        self._rows: list[Row] = []
        self._next = 0
        self._position = 0
        self._failure: SourceError | None = None

    def read(self, n: int) -> list[Row]:
        """Read up to `n` further rows; [] at the end."""
        rows = self._take(n)
        while len(rows) < n:
            batch = self._pull(holding=bool(rows))
            if batch is None:
                break
            self._rows, self._next = self._convert(batch).rows(), 0
            rows += self._take(n - len(rows))
        return rows

    def read_table(self, n: int) -> Table:
        """Read up to `n` further rows as they lie in the file, none at the end."""
        rows = self._take(n)
        if rows:
            return Rows(rows)
        table: Table = Rows([])
        while not len(table):  # a batch may hold nothing but blank lines
            batch = self._pull(holding=False)
            if batch is None:
                return table
            table = self._convert(batch)
        if len(table) > n:
            self._rows, self._next = table.rows(), 0
            return Rows(self._take(n))
        self._position += len(table)
        return table

    def skip(self, n: int) -> int:
        """Pass `n` rows by without converting them; returns how many there were."""
        passed = len(self._take(n))
        while passed < n:
            batch = self._pull(holding=passed > 0)
            if batch is None:
                break
            if len(batch) <= n - passed:
                passed += len(batch)
                self._position += len(batch)
            else:
                self._rows, self._next = self._convert(batch).rows(), 0
                passed += len(self._take(n - passed))
        return passed

    def close(self) -> None:
        """Close the file."""
        self._close()

    def _take(self, n: int) -> list[Row]:
        rows = self._rows[self._next : self._next + max(0, n)]
        self._next += len(rows)
        self._position += len(rows)
        return rows

    def _pull(self, holding: bool) -> B | None:
        """Give the next batch, None at the end or where rows in hand come before an error."""
        if self._failure is None:
            try:
                return next(self._batches, None)
            except SourceError as error:
                self._failure = SourceError(f"{error} (after row {self._position} of it)")
        if holding:
            return None
        raise self._failure


def peek(batches: Iterator[B], enough: Callable[[list[B]], bool]) -> tuple[list[B], Iterator[B]]:
    """Look at the first batches.

    Returns
    -------
    head, batches
        The first batches, until there are enough or no more; and all of them, the head
        included. An error on the way is raised again behind the head.
    """
    head: list[B] = []
    try:
        while not enough(head) and (batch := next(batches, None)) is not None:
            head.append(batch)
    except SourceError as error:
        return head, chain(head, _raising(error))
    return head, chain(head, batches)


def _raising(error: SourceError) -> Iterator[B]:
    yield from ()
    raise error
