"""Parquet, through pyarrow."""

from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson

from stream.core.errors import SourceError
from stream.core.records import Kind, Row
from stream.edges.readers.batches import BatchedRows

_BATCH = 1024

Values = list[dict[str, Any]]


def open_parquet(
    path: Path, *, types: Mapping[str, Kind], text: Collection[str]
) -> BatchedRows[Values]:
    """Open a Parquet file; nulls and NaN are missing, times become RFC 3339 text.

    Raises
    ------
    SourceError
        It cannot be read, or pyarrow is not installed.
    """
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise SourceError(
            f'{path}: reading Parquet needs pyarrow: pip install "driftline[parquet]"'
        ) from None
    try:
        file = parquet.ParquetFile(path)
    except FileNotFoundError:
        raise SourceError(f"{path}: there is no such file; check the path") from None
    except (OSError, pyarrow.ArrowException) as error:
        raise SourceError(f"{path}: cannot be read as Parquet ({error})") from error
    schema = file.schema_arrow
    kinds: dict[str, Kind] = {
        field.name: "text" if field.name in text else types.get(field.name) or _kind(field.type)
        for field in schema
    }
    return BatchedRows(tuple(schema.names), kinds, _batches(path, file), _convert, file.close)


def _batches(path: Path, file: Any) -> Iterator[Values]:
    import pyarrow

    try:
        for batch in file.iter_batches(_BATCH):
            yield batch.to_pylist()
    except (OSError, pyarrow.ArrowException) as error:
        raise SourceError(f"{path}: damaged ({error}); fetch the file again") from error


def _kind(type_: Any) -> Kind:
    from pyarrow import types

    if types.is_boolean(type_):
        return "bool"
    number = types.is_integer(type_) or types.is_floating(type_) or types.is_decimal(type_)
    return "number" if number else "text"


def _convert(values: Values) -> list[Row]:
    rows = []
    for value in values:
        fields = {
            name: plain
            for name, cell in value.items()
            if (plain := _plain(cell)) is not None and plain == plain
        }
        rows.append(Row(fields, orjson.dumps(fields, default=str)))
    return rows


def _plain(cell: Any) -> Any:
    if isinstance(cell, Decimal):
        return float(cell)
    if isinstance(cell, datetime):
        return (cell if cell.tzinfo else cell.replace(tzinfo=UTC)).isoformat()
    if isinstance(cell, date):
        return cell.isoformat()
    return cell
