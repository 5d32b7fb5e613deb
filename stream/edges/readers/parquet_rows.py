"""Parquet, through pyarrow: what is stored becomes a number, a bool or a text."""

from collections.abc import Collection, Iterator, Mapping
from functools import partial
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

import orjson

from stream.core.decode import long_row
from stream.core.errors import SourceError
from stream.core.records import Fault, Kind, Row
from stream.core.tables import Rows
from stream.edges.readers.batches import BatchedRows
from stream.edges.readers.cells import Cells
from stream.edges.readers.sources import ByteSource, open_binary

_BATCH = 1024
_PACKED = (".gz", ".zst")
_EXACT = 2.0**53
_PER_SECOND = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}


def open_parquet(
    path: Path,
    *,
    types: Mapping[str, Kind],
    missing: Collection[str],
    text: Collection[str],
    max_line: int = 1 << 20,
) -> BatchedRows[Any]:
    """Open a Parquet file, at most 1024 rows of it in memory at once.

    Decimals and durations (in seconds) become floats; dates, times and timestamps RFC 3339
    text, a timestamp without a zone taken as UTC; null and NaN are left out; what is
    nested stays a list or a dict, and has no kind. Where another kind is declared than is
    stored, numbers become text (5.0 as "5") and texts numbers or bools as in a CSV file.
    `raw` is the row as JSON; one longer than `max_line` bytes cannot be used.

    Raises
    ------
    SourceError
        It cannot be read, two columns have one name, or pyarrow is not installed.
    """
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise SourceError(
            f'{path}: reading Parquet needs pyarrow: pip install "driftline[parquet]"'
        ) from None
    stored = _seekable(path)
    try:
        file = parquet.ParquetFile(stored, pre_buffer=False, buffer_size=1 << 20)
    except (OSError, pyarrow.ArrowException) as error:
        stored.close()
        raise SourceError(f"{path}: cannot be read as Parquet ({error}); write it anew") from error
    names = tuple(file.schema_arrow.names)
    try:
        _check_names(path, names)
    except SourceError:
        stored.close()
        raise
    kinds: dict[str, Kind | None] = {f.name: _kind(f.type) for f in file.schema_arrow}
    always_text: dict[str, Kind] = dict.fromkeys(text, "text")
    declared = {**types, **always_text}
    wanted: dict[str, Kind] = {
        name: declared[name]
        for name, kind in kinds.items()
        if kind is not None and declared.get(name, kind) != kind
    }
    shown: dict[str, Kind] = {
        name: wanted.get(name, kind) for name, kind in kinds.items() if kind is not None
    }
    reading = partial(_convert, wanted, Cells(missing), max_line)
    return BatchedRows(
        names, shown, _batches(path, file), lambda batch: Rows(reading(batch)), stored.close
    )


def _check_names(path: Path, names: tuple[str, ...]) -> None:
    if not names:
        raise SourceError(f"{path}: has no columns; write it anew")
    if "" in names:
        raise SourceError(f"{path}: column {names.index('') + 1} has no name; give it one")
    double = next((name for name in names if names.count(name) > 1), None)
    if double is not None:
        raise SourceError(f"{path}: two columns are named {double!r}; rename one")


def _seekable(path: Path) -> IO[bytes]:
    """Open the file, unpacked into a temporary one where it is compressed as a whole."""
    if path.suffix.lower() not in _PACKED:
        return open_binary(path)
    source = ByteSource(path)
    unpacked = TemporaryFile()  # noqa: SIM115 - the reader closes it
    try:
        for block in source:
            unpacked.write(block)
    except SourceError:
        unpacked.close()
        raise
    finally:
        source.close()
    unpacked.seek(0)
    return unpacked


def _batches(path: Path, file: Any) -> Iterator[Any]:
    import pyarrow

    try:
        yield from file.iter_batches(_BATCH, use_threads=False)
    except (OSError, pyarrow.ArrowException) as error:
        raise SourceError(f"{path}: damaged ({error}); fetch the file again") from error


def _kind(type_: Any) -> Kind | None:
    """Tell the kind that a stored type becomes, None for what is nested or binary."""
    from pyarrow import types

    if types.is_dictionary(type_):
        return _kind(type_.value_type)
    if types.is_boolean(type_):
        return "bool"
    numeric = (types.is_integer, types.is_floating, types.is_decimal, types.is_duration)
    if any(test(type_) for test in numeric):
        return "number"
    textual = (types.is_string, types.is_large_string, types.is_temporal, types.is_null)
    return "text" if any(test(type_) for test in textual) else None


def _convert(
    wanted: Mapping[str, Kind], cells: Cells, max_line: int, batch: Any
) -> list[Row]:
    """Convert a batch; a row with a value that Python cannot hold becomes a fault."""
    try:
        return _rows(wanted, cells, max_line, batch)
    except (UnicodeDecodeError, OverflowError, ValueError) as error:
        if batch.num_rows == 1:
            reason = "bad_utf8" if isinstance(error, UnicodeDecodeError) else "bad_parquet"
            return [Row(Fault(reason, f"a value of the row cannot be read: {error}"), b"")]
    half = batch.num_rows // 2
    parts = batch.slice(0, half), batch.slice(half)
    return [row for part in parts for row in _convert(wanted, cells, max_line, part)]


def _rows(wanted: Mapping[str, Kind], cells: Cells, max_line: int, batch: Any) -> list[Row]:
    names = batch.schema.names
    columns = [_column(column) for column in batch.columns]
    for index, name in enumerate(names):
        if name in wanted:
            columns[index] = _as_kind(wanted[name], columns[index], cells)
    rows = []
    for values in zip(*columns, strict=True):
        fields = {
            name: value
            for name, value in zip(names, values, strict=True)
            if value is not None and value == value  # NaN is not equal to itself
        }
        raw = orjson.dumps(fields, default=str)
        if len(raw) <= max_line:
            rows.append(Row(fields, raw))
        else:
            rows.append(long_row(raw[:max_line], len(raw), sha256(raw).hexdigest(), max_line))
    return rows


def _column(column: Any) -> list[Any]:
    import pyarrow
    from pyarrow import compute, types

    type_ = column.type
    if types.is_dictionary(type_):
        return _column(column.dictionary_decode())
    if types.is_decimal(type_):
        return [None if value is None else float(value) for value in column.to_pylist()]
    if types.is_timestamp(type_):
        utc = column.cast(pyarrow.timestamp(type_.unit))
        times = compute.strftime(utc, format="%Y-%m-%dT%H:%M:%SZ")
        return list(compute.replace_substring_regex(times, r"\.0+Z$", "Z").to_pylist())
    if types.is_duration(type_):
        unit = _PER_SECOND[type_.unit]
        counts = column.cast(pyarrow.int64()).to_pylist()
        return [None if count is None else count / unit for count in counts]
    if types.is_date(type_) or types.is_time(type_):
        return list(column.cast(pyarrow.string()).to_pylist())
    if types.is_nested(type_):
        column = column.cast(_without_nanoseconds(type_), safe=False)
    return list(column.to_pylist())


def _without_nanoseconds(type_: Any) -> Any:
    """Give the type with microseconds: Python's own times hold no nanoseconds."""
    import pyarrow
    from pyarrow import types

    if types.is_timestamp(type_) and type_.unit == "ns":
        return pyarrow.timestamp("us", type_.tz)
    if types.is_duration(type_) and type_.unit == "ns":
        return pyarrow.duration("us")
    if types.is_struct(type_):
        return pyarrow.struct([_narrowed(field) for field in type_])
    if types.is_list(type_):
        return pyarrow.list_(_narrowed(type_.value_field))
    if types.is_large_list(type_):
        return pyarrow.large_list(_narrowed(type_.value_field))
    if types.is_map(type_):
        return pyarrow.map_(type_.key_field, _narrowed(type_.item_field))
    return type_


def _narrowed(field: Any) -> Any:
    return field.with_type(_without_nanoseconds(field.type))


def _as_kind(kind: Kind, values: list[Any], cells: Cells) -> list[Any]:
    if kind == "text":
        return [value if value is None else _as_text(value) for value in values]
    texts = [value for value in values if type(value) is str]
    read = iter(cells.convert(kind, texts))
    if kind == "number":
        return [
            next(read) if type(v) is str else float(v) if type(v) is bool else v for v in values
        ]
    return [next(read) if type(value) is str else value for value in values]


def _as_text(value: Any) -> str | None:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        if value != value:
            return None
        return str(int(value)) if value.is_integer() and abs(value) < _EXACT else repr(value)
    return str(value)
