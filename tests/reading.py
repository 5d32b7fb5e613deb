"""What the tests of the readers have in common: files to read, and ways to look at rows."""

import csv
import gzip
import io
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, settings

from stream.core.records import Fault, Row
from stream.edges.readers.batches import BatchedRows
from stream.edges.readers.csv_rows import open_csv
from stream.edges.readers.records import Records

MISSING = ("", "NA", "NaN", "nan", "null")
RELAXED = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


def pack(data: bytes, packing: str) -> bytes:
    if packing == ".gz":
        return gzip.compress(data)
    if packing == ".zst":
        return bytes(pytest.importorskip("zstandard").compress(data))
    return data


def all_rows(reader, step=1000) -> list[Row]:
    rows: list[Row] = []
    while some := reader.read(step):
        rows += map(without_shape, some)
    reader.close()
    return rows


def by_tables(reader, step=1000) -> list[Row]:
    """Read as the sources of the fold do; what there is is told from an empty table."""
    rows: list[Row] = []
    while len(table := reader.read_table(step)):
        assert len(table) <= step
        rows += map(without_shape, table.rows())
    reader.close()
    return rows


def without_shape(row: Row) -> Row:
    """Take off what a batch of rows has in common, once it was seen to be true of this one."""
    if row.shape is not None:
        assert isinstance(row.fields, dict)
        values = row.fields.values()
        assert row.shape.signature == (*row.fields, *map(type, values))
        numbers = [value for value in values if type(value) in (bool, int, float)]
        assert all(abs(number) <= row.shape.largest for number in numbers)
    return row._replace(shape=None)


def csv_reader(data: bytes, block: int = 1 << 16, **options) -> BatchedRows[Records]:
    """Read from memory, in effect: the file may go once it is open."""
    given_ = {"types": {}, "missing": MISSING, "text": (), "max_line": 1 << 20, "head_rows": 1000}
    with TemporaryDirectory() as folder:
        path = Path(folder) / "some.csv"
        path.write_bytes(data)
        return open_csv(path, ",", block=block, **{**given_, **options})


def csv_rows(data: bytes, step: int = 1000, block: int = 1 << 16, **options) -> list[Row]:
    return all_rows(csv_reader(data, block, **options), step)


def outcomes(rows: list[Row]) -> list[object]:
    return [row.fields.reason if isinstance(row.fields, Fault) else row.fields for row in rows]


def written(names, table, terminator="\r\n") -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator=terminator)
    writer.writerows([names, *table])
    return text.getvalue().encode()
