"""JSON Lines: one object in each line."""

from collections.abc import Iterable, Iterator
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from stream.core.decode import decode_json
from stream.core.errors import SourceError
from stream.core.records import Fault, Kind, Row
from stream.core.tables import Rows
from stream.edges.readers.batches import HEAD_BYTES, BatchedRows, peek
from stream.edges.readers.lines import LongLine, whole_lines
from stream.edges.readers.sources import BLOCK, ByteSource

_KINDS: dict[type, Kind] = {bool: "bool", int: "number", float: "number", str: "text"}

Lines = list[bytes | LongLine]


def open_json_lines(
    path: Path, *, max_line: int, head_rows: int, block: int = BLOCK
) -> BatchedRows[Lines]:
    """Open a file of JSON objects, one a line; blank lines are no records.

    It has no columns: `names` stays empty. `types` is what the head shows; it is not enforced.

    Raises
    ------
    SourceError
        It cannot be read, or is named .json and holds one array.
    """
    source = ByteSource(path, block)
    try:
        batches = _lines(whole_lines(source, max_line))
        head, batches = peek(batches, partial(_enough, head_rows))
        first = list(chain.from_iterable(head))[:head_rows]
        _refuse_array(path, first)
    except SourceError:
        source.close()
        raise
    convert = partial(_convert, max_line)
    return BatchedRows((), _kinds(convert(first).rows()), batches, convert, source.close)


def _lines(chunks: Iterable[bytes | LongLine]) -> Iterator[Lines]:
    for chunk in chunks:
        if isinstance(chunk, LongLine):
            yield [chunk]
            continue
        lines = chunk.split(b"\n")
        if b"\r" in chunk:
            lines = [line.removesuffix(b"\r") for line in lines]
        yield [line for line in lines if line.strip()]


def _enough(head_rows: int, head: list[Lines]) -> bool:
    if sum(map(len, head)) >= head_rows:
        return True
    return sum(map(_size, chain.from_iterable(head))) >= HEAD_BYTES


def _size(line: bytes | LongLine) -> int:
    return len(line.head if isinstance(line, LongLine) else line)


def _refuse_array(path: Path, lines: Lines) -> None:
    if ".json" not in (suffix.lower() for suffix in path.suffixes[-2:]) or not lines:
        return
    start = lines[0].head if isinstance(lines[0], LongLine) else lines[0]
    if start.lstrip().startswith(b"["):
        raise SourceError(
            f"{path}: is one JSON array where one object in each line is needed; "
            "convert it with: jq -c '.[]'"
        )


def _convert(max_line: int, lines: Lines) -> Rows:
    return Rows([
        line.row() if isinstance(line, LongLine) else decode_json(line, max_line) for line in lines
    ])  # fmt: skip


def _kinds(rows: list[Row]) -> dict[str, Kind]:
    """Tell the kinds of the fields from the first value of each that is not null."""
    kinds: dict[str, Kind] = {}
    for row in rows:
        fields: dict[str, Any] = {} if isinstance(row.fields, Fault) else row.fields
        for name, value in fields.items():
            if name not in kinds and type(value) in _KINDS:
                kinds[name] = _KINDS[type(value)]
    return kinds
