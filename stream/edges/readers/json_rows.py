"""JSON Lines: one object in each line."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from stream.core.decode import decode_json
from stream.core.records import Fault, Kind, Row
from stream.edges.readers.batches import BatchedRows, peek
from stream.edges.readers.lines import LongLine, whole_lines
from stream.edges.readers.sources import BLOCK, ByteSource

_KINDS: dict[type, Kind] = {bool: "bool", int: "number", float: "number", str: "text"}

Lines = list[bytes | LongLine]


def open_json_lines(
    path: Path, *, max_line: int, head_rows: int, block: int = BLOCK
) -> BatchedRows[Lines]:
    """Open a file of JSON objects, one a line; blank lines are no records."""
    source = ByteSource(path, block)
    try:
        batches = _lines(whole_lines(source, max_line))
        head, rest = peek(batches, lambda found: sum(map(len, found)) >= head_rows)
        rows = [row for lines in head for row in _convert(max_line, lines)][:head_rows]
    except BaseException:
        source.close()
        raise
    return BatchedRows((), _kinds(rows), rest, partial(_convert, max_line), source.close)


def _lines(chunks: Iterator[bytes | LongLine]) -> Iterator[Lines]:
    for chunk in chunks:
        if isinstance(chunk, LongLine):
            yield [chunk]
        else:
            lines: Lines = [line for line in chunk.split(b"\n") if line and not line.isspace()]
            if lines:
                yield lines


def _convert(max_line: int, lines: Lines) -> list[Row]:
    return [
        line.row() if isinstance(line, LongLine) else decode_json(line, max_line) for line in lines
    ]


def _kinds(rows: list[Row]) -> dict[str, Kind]:
    """Tell the kinds of the fields from the first value of each that is not null."""
    kinds: dict[str, Kind] = {}
    for row in rows:
        fields: dict[str, Any] = {} if isinstance(row.fields, Fault) else row.fields
        for name, value in fields.items():
            if name not in kinds and type(value) in _KINDS:
                kinds[name] = _KINDS[type(value)]
    return kinds
