"""CSV and TSV: columns of one kind each, as the head of the file shows it."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from functools import partial
from itertools import accumulate, chain, repeat
from pathlib import Path
from sys import intern

from stream.core.errors import SourceError
from stream.core.records import Fault, Kind, Row
from stream.core.tables import Columns, Rows, Table
from stream.edges.readers.batches import HEAD_BYTES, BatchedRows, peek
from stream.edges.readers.cells import Cells
from stream.edges.readers.lines import whole_lines
from stream.edges.readers.records import Records, split_records
from stream.edges.readers.sources import BLOCK, ByteSource


def open_csv(
    path: Path,
    separator: str,
    *,
    types: Mapping[str, Kind],
    missing: Collection[str],
    text: Collection[str],
    max_line: int,
    head_rows: int,
    block: int = BLOCK,
) -> BatchedRows[Records]:
    """Open a file with a line of column names at its head.

    Raises
    ------
    SourceError
        It cannot be read, or its first line names no columns.
    """
    source = ByteSource(path, block)
    try:
        batches = split_records(whole_lines(source, max_line), separator, max_line)
        first = next((batch for batch in batches if len(batch)), None)
        if first is None:
            raise SourceError(f"{path}: is empty; its first line has to name the columns")
        names = _names(path, first.cells(separator)[0])
        head, batches = peek(chain([_without_first(first)], batches), partial(_enough, head_rows))
    except SourceError:
        source.close()
        raise
    cells = Cells(missing)
    columns = _head(head, separator, len(names), head_rows)
    kinds: dict[str, Kind] = {
        name: "text" if name in text else types.get(name) or cells.infer(column)
        for name, column in zip(names, columns, strict=True)
    }
    convert = _Conversion(names, kinds, cells, separator).table
    return BatchedRows(names, kinds, batches, convert, source.close)


def _without_first(records: Records) -> Records:
    texts = None if records.texts is None else records.texts[1:]
    return Records(records.raws[1:], texts, records.parsed[1:])


def _names(path: Path, cells: list[str] | Row) -> tuple[str, ...]:
    if isinstance(cells, Row):
        detail = cells.fields.detail if isinstance(cells.fields, Fault) else ""
        raise SourceError(
            f"{path}: its first line does not name the columns: {detail}; "
            "save the file as CSV in UTF-8 with LF or CRLF line ends"
        )
    names = tuple(intern(name.strip()) for name in cells)
    if "" in names:
        raise SourceError(f"{path}: column {names.index('') + 1} has no name; give it one")
    double = [name for name, count in Counter(names).items() if count > 1]
    if double:
        raise SourceError(f"{path}: two columns are named {double[0]!r}; rename one")
    return names


def _enough(head_rows: int, head: list[Records]) -> bool:
    if sum(map(len, head)) >= head_rows:
        return True
    return sum(len(raw) for batch in head for raw in batch.raws) >= HEAD_BYTES


def _head(
    batches: list[Records], separator: str, width: int, head_rows: int
) -> list[Sequence[str]]:
    """Give the columns of the first rows: up to `head_rows`, and up to 8 MiB of them."""
    sizes = accumulate(len(raw) for batch in batches for raw in batch.raws)
    count = min(head_rows, sum(size <= HEAD_BYTES for size in sizes))
    records = list(chain.from_iterable(batch.cells(separator) for batch in batches))
    rows = [row for row in records[:count] if not isinstance(row, Row) and len(row) == width]
    return _columns(rows, width)


def _columns(rows: list[list[str]], width: int) -> list[Sequence[str]]:
    return list(zip(*rows, strict=True)) if rows else [()] * width


class _Conversion:
    """Turns records into rows, a column at a time."""

    def __init__(
        self, names: tuple[str, ...], kinds: Mapping[str, Kind], cells: Cells, separator: str
    ) -> None:
        self.names = names
        self.kinds = kinds
        self._cells = cells
        self._separator = separator

    def table(self, batch: Records) -> Table:
        """Convert a batch; a record of another width becomes a fault."""
        width = len(self.names)
        columns = self._columns_at_once(batch.texts or [])
        if columns:
            return self._build(columns, batch.raws)
        records = batch.cells(self._separator)
        pairs = zip(records, batch.raws, strict=True)
        fitting = [(row, raw) for row, raw in pairs if type(row) is list and len(row) == width]
        columns = _columns([row for row, _ in fitting], width)
        built = self._build(columns, [raw for _, raw in fitting])
        if len(built) == len(records):
            return built
        usable = iter(built.rows())
        rows = []
        for row, raw in zip(records, batch.raws, strict=True):
            if isinstance(row, Row):
                rows.append(row)
            else:
                rows.append(next(usable) if len(row) == width else _misfit(width, len(row), raw))
        return Rows(rows)

    def _columns_at_once(self, texts: list[str]) -> list[Sequence[str]]:
        """Cut lines without quotes into columns; [] where they are not all as wide as that."""
        separator, width = self._separator, len(self.names)
        if set(map(str.count, texts, repeat(separator))) != {width - 1}:
            return []
        flat = separator.join(texts).split(separator)
        return [flat[column::width] for column in range(width)]

    def _build(self, columns: list[Sequence[str]], raws: list[bytes]) -> Columns:
        values = list(map(self._cells.convert, self.kinds.values(), columns))
        return Columns(self.names, values, raws)


def _misfit(width: int, found: int, raw: bytes) -> Row:
    return Row(Fault("bad_csv", f"{found} cells where there are {width} columns"), raw)
