"""Readers: files that cannot be read, what identifies a file, and Parquet."""

import os
import sys
from datetime import UTC, datetime
from decimal import Decimal
from hashlib import sha256

import orjson
import pytest

from stream.core.errors import SourceError
from stream.core.records import Row
from stream.edges.readers import fingerprint, open_rows
from tests.reading import all_rows, outcomes, pack


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("some.xls", b"", "names no format.*csv.*jsonl.*parquet"),
        ("some", b"", "names no format"),
        ("some.gz", b"", "names no format"),
        ("some.csv", b"", "is empty"),
        ("some.csv", b"\n\r\n", "is empty"),
        ("some.csv", b"a,b,a\n1,2,3\n", "two columns are named 'a'"),
        ("some.csv", b"a,,b\n", "column 2 has no name"),
        ("some.csv", "a,b\n1,2\n".encode("utf-16"), "does not name the columns.*UTF-8"),
        ("some.csv", b"a,b\r1,2\r3,4", "does not name the columns.*line ends"),
        ("some.csv", b"x" * (2 << 20), "does not name the columns"),
        ("some.json", b' [{"a": 1},\n{"a": 2}]', "one JSON array.*jq"),
        ("some.parquet", b"PAR1", "cannot be read as Parquet"),
        ("some.parquet.gz", b"PAR1", "damaged or cut short"),
    ],
)
def test_files_that_cannot_be_read(tmp_path, name, data, message):
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(SourceError, match=message) as caught:
        open_rows(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["some.csv", "some.jsonl.gz", "some.parquet", "some.parquet.zst"])
def test_paths_that_cannot_be_opened(tmp_path, name):
    path = tmp_path / name
    for reading in (open_rows, fingerprint):
        with pytest.raises(SourceError, match="there is no such file"):
            reading(path)
    path.mkdir()
    for reading in (open_rows, fingerprint):
        with pytest.raises(SourceError, match="is a folder"):
            reading(path)


@pytest.mark.parametrize("name", ["some.csv", "some.parquet"])
def test_no_permission(tmp_path, monkeypatch, name):
    path = tmp_path / name
    path.write_bytes(b"a\n1\n")
    path.chmod(0)
    if os.access(path, os.R_OK):  # root may read anything

        def refuse(*_args, **_options):
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(SourceError, match="may not be read"):
        open_rows(path)


@pytest.mark.parametrize(
    ("module", "name", "extra"),
    [("zstandard", "a.csv.zst", "zst"), ("pyarrow", "a.parquet", "parquet")],
)
def test_what_to_install(tmp_path, monkeypatch, module, name, extra):
    path = tmp_path / name
    path.write_bytes(b"anything")
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(SourceError, match=rf'pip install "driftline\[{extra}\]"'):
        open_rows(path)


def test_fingerprint_knows_contents_not_places(tmp_path):
    first, second = tmp_path / "a.csv", tmp_path / "b.csv"
    data = bytes(range(256)) * 2000
    first.write_bytes(data)
    second.write_bytes(data)
    os.utime(second, (1, 1))
    expected = sha256(data[: 1 << 16] + data[-(1 << 16) :] + b"%d" % len(data)).hexdigest()
    assert fingerprint(first) == fingerprint(second) == {"size": 512_000, "sha256": expected}
    for changed in (b"!" + data[1:], data[:-1] + b"!", data + b"\n"):
        second.write_bytes(changed)
        assert fingerprint(second) != fingerprint(first)


@pytest.fixture(params=["", ".gz", ".zst"])
def parquet(tmp_path, request):
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet as pq

    def write(columns, name="some"):
        plain = tmp_path / f"{name}.parquet"
        table = pa.table(columns) if isinstance(columns, dict) else columns
        pq.write_table(table, plain, row_group_size=700)
        path = tmp_path / f"{name}.parquet{request.param}"
        path.write_bytes(pack(plain.read_bytes(), request.param))
        return path

    return pa, write


def test_parquet_values(parquet):
    pa, write = parquet
    moment = 1_357_034_400_123_456_789
    nested = pa.list_(pa.struct([("t", pa.timestamp("ns"))]))
    path = write(
        {
            "i": [1, None],
            "f": [float("nan"), 2.5],
            "d": [Decimal("1.10"), None],
            "ns": pa.array([moment, None], pa.timestamp("ns")),
            "zone": pa.array([1_357_034_400, None], pa.timestamp("s", "America/New_York")),
            "day": pa.array([datetime(2013, 1, 2, tzinfo=UTC).date(), None]),
            "cat": pa.array(["u", None]).dictionary_encode(),
            "b": [True, None],
            "took": pa.array([1500, None], pa.duration("ms")),
            "nest": pa.array([[{"t": moment}], None], nested),
        }
    )
    reader = open_rows(path)
    assert dict(reader.types) == {
        "i": "number", "f": "number", "d": "number", "ns": "text", "zone": "text", "day": "text",
        "cat": "text", "b": "bool", "took": "number",
    }  # fmt: skip
    first, second = all_rows(reader)
    assert isinstance(first.fields, dict)
    inner = first.fields.pop("nest")
    assert first.fields == {
        "i": 1, "d": 1.1, "ns": "2013-01-01T10:00:00.123456789Z", "zone": "2013-01-01T10:00:00Z",
        "day": "2013-01-02", "cat": "u", "b": True, "took": 1.5,
    }  # fmt: skip
    assert [type(element) for element in inner] == [dict]
    assert {k: v for k, v in orjson.loads(first.raw).items() if k != "nest"} == first.fields
    assert second == Row({"f": 2.5}, b'{"f":2.5}')


def test_parquet_declared_kinds(parquet):
    _, write = parquet
    path = write({"id": [5.0, 6.5], "on": [True, False], "x": ["NA", "2"], "y": ["no", "TRUE"]})
    reader = open_rows(path, text=("id",), types={"x": "number", "on": "number", "y": "bool"})
    assert dict(reader.types) == {"id": "text", "on": "number", "x": "number", "y": "bool"}
    assert outcomes(all_rows(reader)) == [
        {"id": "5", "on": 1.0, "y": "no"},
        {"id": "6.5", "on": 0.0, "x": 2.0, "y": True},
    ]


def test_parquet_in_steps(parquet):
    _, write = parquet
    path = write({"a": list(range(5000)), "t": [f"t{n}" for n in range(5000)]})
    rows = all_rows(open_rows(path), 10_000)
    assert len(rows) == 5000
    assert all_rows(open_rows(path), 333) == rows
    for n in (0, 1, 1024, 3000, 9999):
        reader = open_rows(path)
        assert reader.skip(n) == min(n, 5000)
        assert all_rows(reader, 100) == rows[n:]


def test_parquet_rows_beyond_the_limit(parquet):
    _, write = parquet
    path = write({"a": [1, 2], "t": ["x" * 90, "y"]})
    long, short = all_rows(open_rows(path, max_line=50))
    assert outcomes([long, short]) == ["line_too_long", {"a": 2, "t": "y"}]
    assert (len(long.raw), long.raw_bytes) == (50, 104)


def test_parquet_with_a_name_twice(parquet):
    pa, write = parquet
    path = write(pa.table([[1], [2]], names=["a", "a"]))
    with pytest.raises(SourceError, match="two columns are named 'a'"):
        open_rows(path)
