"""CSV and TSV: columns of one kind each, as the head of the file shows it."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from stream.core.errors import SourceError
from stream.core.records import Fault, Kind, Row
from stream.edges.readers.batches import BatchedRows, peek
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
        first = next(batches, None)
        while first is not None and not len(first):
            first = next(batches, None)
        if first is None:
            raise SourceError(f"{path}: is empty; its first line has to name the columns")
        names = _names(path, first.cells(separator)[0])
        head, rest = peek(
            _chained(_without_first(first), batches), lambda found: sum(map(len, found)) >= head_rows
        )
        cells = Cells(missing)
        kinds = _kinds(names, head, separator, cells, types, text, head_rows)
    except BaseException:
        source.close()
        raise
    convert = partial(_convert, names, kinds, cells, separator)
    return BatchedRows(names, kinds, rest, convert, source.close)


def _chained(first: Records, rest: Any) -> Any:
    yield first
    yield from rest


def _without_first(records: Records) -> Records:
    texts = None if records.texts is None else records.texts[1:]
    return Records(records.raws[1:], texts, records.parsed[1:])


def _names(path: Path, cells: list[str] | Row) -> tuple[str, ...]:
    if isinstance(cells, Row):
        assert isinstance(cells.fields, Fault)
        raise SourceError(
            f"{path}: its first line does not name the columns: {cells.fields.detail}"
        )
    names = tuple(name.strip() for name in cells)
    if "" in names:
        raise SourceError(f"{path}: column {names.index('') + 1} has no name; give it one")
    double = [name for name, count in Counter(names).items() if count > 1]
    if double:
        raise SourceError(f"{path}: two columns are named {double[0]!r}; rename one")
    return names


def _kinds(
    names: Sequence[str],
    head: Sequence[Records],
    separator: str,
    cells: Cells,
    types: Mapping[str, Kind],
    text: Collection[str],
    head_rows: int,
) -> dict[str, Kind]:
    rows = [
        row
        for records in head
        for row in records.cells(separator)
        if not isinstance(row, Row) and len(row) == len(names)
    ][:head_rows]
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(names)
    kinds: dict[str, Kind] = {}
    for name, column in zip(names, columns, strict=True):
        kinds[name] = "text" if name in text else types.get(name) or cells.infer(column)
    return kinds


def _convert(
    names: tuple[str, ...],
    kinds: Mapping[str, Kind],
    cells: Cells,
    separator: str,
    records: Records,
) -> list[Row]:
    """Read the cells of a batch, column by column."""
    width = len(names)
    found = records.cells(separator)
    if not all(type(row) is list and len(row) == width for row in found):
        return [
            row if isinstance(row, Row) else _one(names, kinds, cells, row, raw)
            for row, raw in zip(found, records.raws, strict=True)
        ]
    if not found:
        return []
    columns: list[Sequence[Any]] = [
        cells.convert(kinds[name], column)
        for name, column in zip(names, zip(*found, strict=True), strict=True)
    ]
    if any(None in column for column in columns):
        fields = [
            {name: value for name, value in zip(names, values, strict=True) if value is not None}
            for values in zip(*columns, strict=True)
        ]
    else:
        fields = [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]
    return list(map(Row, fields, records.raws))


def _one(
    names: tuple[str, ...], kinds: Mapping[str, Kind], cells: Cells, row: list[str], raw: bytes
) -> Row:
    if len(row) != len(names):
        return Row(Fault("bad_csv", f"{len(row)} cells where there are {len(names)} columns"), raw)
    values = ((name, cells.convert(kinds[name], [cell])[0]) for name, cell in
              zip(names, row, strict=True))
    return Row({name: value for name, value in values if value is not None}, raw)
