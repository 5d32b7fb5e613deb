"""Readers: the same rows whatever the blocks, steps and compression; each fault has its name."""

import csv
import gzip
import io
import os
import sys
import tracemalloc
from datetime import UTC, datetime
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

import orjson
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from stream.core.decode import decode_json
from stream.core.errors import SourceError
from stream.core.records import Fault, Row
from stream.edges.readers import fingerprint, open_rows
from stream.edges.readers.batches import BatchedRows
from stream.edges.readers.cells import Cells
from stream.edges.readers.csv_rows import open_csv
from stream.edges.readers.json_rows import open_json_lines
from stream.edges.readers.records import Records

MISSING = ("", "NA", "NaN", "nan", "null")
RELAXED = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.fixture(params=["", ".gz", ".zst"])
def packing(request):
    return request.param


def pack(data: bytes, packing: str) -> bytes:
    if packing == ".gz":
        return gzip.compress(data)
    if packing == ".zst":
        return bytes(pytest.importorskip("zstandard").compress(data))
    return data


def all_rows(reader, step=1000) -> list[Row]:
    rows = []
    while some := reader.read(step):
        rows += some
    reader.close()
    return rows


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


CELL = st.text(
    st.one_of(st.sampled_from('",\n\r;| \t1.e-NA\x00'), st.characters(codec="utf-8")), max_size=8
)


@st.composite
def tables(draw):
    width = draw(st.integers(1, 4))
    names = [f"c{number}" for number in range(width)]
    return names, draw(st.lists(st.lists(CELL, min_size=width, max_size=width), max_size=12))


@given(tables(), st.sampled_from(["\n", "\r\n"]), st.integers(1, 40), st.integers(1, 9))
@RELAXED
def test_csv_round_trip_equals_dictreader(table, terminator, block, step):
    names, cells = table
    if terminator == "\n":  # with it, the writer of Python 3.11 leaves a CR without quotes
        cells = [[cell.replace("\r", "") for cell in row] for row in cells]
    data = written(names, cells, terminator)
    expected = list(csv.DictReader(io.StringIO(data.decode(), newline="")))
    rows = csv_rows(data, step, block, text=names, missing=())
    assert [row.fields for row in rows] == expected
    assert [list(row.fields) for row in rows] == [names] * len(expected)
    header, *records = [row.raw for row in csv_rows(b"x\n" + data, missing=(), types={"x": "text"})]
    assert header.decode() == ",".join(names)
    assert [row.raw for row in rows] == records


LINE = st.one_of(
    st.text(st.sampled_from('",\r1a \u00e9'), max_size=12).map(str.encode),
    st.binary(max_size=12),
    st.sampled_from([b'"a,b', b'1,"2', b"1,2", b'"x""y",z', b'5" pipe,"c', b"", b"y" * 60]),
)


@given(st.lists(LINE, max_size=15), st.integers(1, 50), st.integers(1, 7), st.booleans())
@example([b'1,"open', b"2,3", b"z" * 60], 16, 3, False)
@RELAXED
def test_csv_rows_do_not_depend_on_blocks_or_steps(lines, block, step, newline_at_end):
    data = b"\n".join([b"a,b", *lines]) + b"\n" * newline_at_end
    whole = csv_rows(data, max_line=40)
    assert csv_rows(data, step, block, max_line=40) == whole
    for row in whole:
        if row.raw_bytes:
            assert (len(row.raw), row.raw_bytes > 40) == (40, True)
        else:
            assert row.raw in data


@given(st.lists(st.binary(max_size=60), max_size=20), st.integers(1, 50), st.integers(1, 7))
@RELAXED
def test_json_rows_do_not_depend_on_blocks_or_steps(lines, block, step):
    data = b"\n".join(lines)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "some.jsonl"
        path.write_bytes(data)
        readers = [
            open_json_lines(path, max_line=40, head_rows=5, block=size) for size in (block, 9999)
        ]
    small, whole = (all_rows(reader, n) for reader, n in zip(readers, (step, 1000), strict=True))
    assert small == whole
    kept = [line.removesuffix(b"\r") for line in data.removeprefix(b"\xef\xbb\xbf").split(b"\n")]
    assert len(whole) == sum(bool(line.strip()) or len(line) > 40 for line in kept)


@given(tables(), st.integers(0, 15), st.integers(1, 40))
@RELAXED
def test_skip_then_read_is_the_tail(table, n, block):
    data = written(*table) + b'too,many,cells,in,this,"row"\n'
    rows = csv_rows(data)
    for steps in ([n], [1] * n, [n // 2, n - n // 2]):
        reader = csv_reader(data, block)
        assert sum(map(reader.skip, steps)) == min(n, len(rows))
        assert all_rows(reader, 2) == rows[n:]


def test_skip_and_read_take_turns():
    reader = csv_reader(b"a\n" + b"".join(b"%d\n" % n for n in range(5000)), block=100)
    assert reader.skip(7) == 7
    assert [row.fields for row in reader.read(2)] == [{"a": 7.0}, {"a": 8.0}]
    assert reader.skip(4000) == 4000
    assert reader.read(1)[0].fields == {"a": 4009.0}
    assert reader.skip(10_000) == 990
    assert (reader.skip(1), reader.read(1), reader.read(0)) == (0, [], [])
    reader.close()


def test_compressed_equals_plain(tmp_path, packing):
    table = [[n / 7, f'say "{n}"\n', n % 2 == 0] for n in range(3000)]
    text = written(["x", "t", "b"], table)
    lines = b"\n".join(orjson.dumps({"x": n, "t": "\u00e9" * (n % 50)}) for n in range(3000))
    for suffix, data in ((".csv", text), (".jsonl", lines)):
        plain, packed = tmp_path / f"p{suffix}", tmp_path / f"q{suffix.upper()}{packing}"
        plain.write_bytes(data)
        packed.write_bytes(pack(data, packing))
        assert all_rows(open_rows(packed), 77) == all_rows(open_rows(plain))


def test_several_members_and_frames_are_one_file(tmp_path, packing):
    parts = [b"a,b\n1,", b"2\n" + b"3,4\n" * 20000, b'"5",6']
    path = tmp_path / f"parts.csv{packing}"
    path.write_bytes(b"".join(pack(part, packing) for part in parts))
    rows = all_rows(open_rows(path))
    assert len(rows) == 20_002
    assert (rows[0].fields, rows[-1].fields) == ({"a": 1.0, "b": 2.0}, {"a": 5.0, "b": 6.0})


def test_zeros_after_a_gzip_member_are_passed(tmp_path):
    path = tmp_path / "padded.csv.gz"
    path.write_bytes(gzip.compress(b"a\n1\n") + bytes(100_000) + gzip.compress(b"2\n") + bytes(9))
    assert outcomes(all_rows(open_rows(path))) == [{"a": 1.0}, {"a": 2.0}]


@pytest.mark.parametrize("step", [1, 7, 100_000])
@pytest.mark.parametrize("packing", [".gz", ".zst"])
@pytest.mark.parametrize("harm", ["cut", "flip"])
def test_damage_is_told_after_the_rows_before_it(tmp_path, packing, harm, step):
    numbers = [int.from_bytes(sha256(b"%d" % n).digest()[:6]) for n in range(40_000)]
    good = pack(b"a\n" + b"".join(b"%d\n" % number for number in numbers), packing)
    half = len(good) // 2
    middle = bytes(byte ^ 0xFF for byte in good[half : half + 64])
    path = tmp_path / f"bad.csv{packing}"
    path.write_bytes(good[:half] + (b"" if harm == "cut" else middle + good[half + 64 :]))
    reader = open_rows(path)
    rows: list[Row] = []
    with pytest.raises(SourceError, match="damaged or cut short") as caught:
        rows.extend(row for some in iter(lambda: reader.read(step), []) for row in some)
    sound = [row.fields["a"] for row in rows if isinstance(row.fields, dict)]
    assert sound[:10_000] == [float(number) for number in numbers[:10_000]]
    assert f"after row {len(rows)} of it" in str(caught.value)
    assert "bad.csv" in str(caught.value)
    with pytest.raises(SourceError, match=f"after row {len(rows)} of it"):
        reader.read(1)
    reader.close()


def test_an_empty_packed_file_is_cut_short(tmp_path):
    for suffix in (".gz", ".zst"):
        path = tmp_path / f"none.csv{suffix}"
        path.touch()
        with pytest.raises(SourceError, match="unexpected end of file"):
            open_rows(path)


def test_faults_of_csv():
    rows = csv_rows(
        b"\xef\xbb\xbfa,b\r\n1,2\r\n\r\n1\n1,2,3\n\xff,2\n"
        b'"x"y,2\n\n"' + b"q" * 50 + b"\n3,4\n" + b"z" * 100 + b'\n5,"6\r\n7"\n8,"9',
        max_line=60,
    )
    assert outcomes(rows) == [
        {"a": 1.0, "b": "2"}, "bad_csv", "bad_csv", "bad_utf8", "bad_csv", "bad_csv",
        {"a": 3.0, "b": "4"}, "line_too_long", {"a": 5.0, "b": "6\r\n7"}, "bad_csv",
    ]  # fmt: skip
    assert rows[1] == Row(Fault("bad_csv", "1 cells where there are 2 columns"), b"1")
    assert rows[3] == Row(Fault("bad_utf8", "byte 0 (0xff) of the record is not UTF-8"), b"\xff,2")
    assert rows[7][1:] == (b"z" * 60, 100, sha256(b"z" * 100).hexdigest())
    assert rows[8].raw == b'5,"6\r\n7"'
    assert rows[9].raw == b'8,"9'


def test_an_unclosed_quote_costs_one_row():
    lines = [b"%d,%d" % (n, n) for n in range(500)]
    lines[100] = b'100,"open'
    rows = csv_rows(b"a,b\n" + b"\n".join(lines), max_line=200)
    assert [n for n, row in enumerate(rows) if isinstance(row.fields, Fault)] == [100]
    assert len(rows) == 500


def test_types_of_csv():
    data = b"n,b,t,none,id,d\n1,TRUE,x,NA,7,1\n NaN ,false,,,8,2\n.5,NA,2013_1,,9,3\n" + (
        b"x,maybe,nan,5,10,4\n-0,true,y,6,11,oops\n1e999,False,z,7,12,6\n"
    )
    reader = csv_reader(data, text=("id",), types={"d": "number", "id": "number"}, head_rows=3)
    assert reader.names == ("n", "b", "t", "none", "id", "d")
    assert dict(reader.types) == {
        "n": "number", "b": "bool", "t": "text", "none": "text", "id": "text", "d": "number",
    }  # fmt: skip
    rows = [row.fields for row in all_rows(reader)]
    assert rows == [
        {"n": 1.0, "b": True, "t": "x", "id": "7", "d": 1.0},
        {"b": False, "id": "8", "d": 2.0},
        {"n": 0.5, "t": "2013_1", "id": "9", "d": 3.0},
        {"n": "x", "b": "maybe", "none": "5", "id": "10", "d": 4.0},
        {"n": -0.0, "b": True, "t": "y", "none": "6", "id": "11", "d": "oops"},
        {"n": float("inf"), "b": False, "t": "z", "none": "7", "id": "12", "d": 6.0},
    ]
    assert "'n': -0.0" in repr(rows[4])


def test_a_slip_of_the_pen_does_not_change_the_type_of_a_column():
    cells = [str(n) for n in range(198)]
    assert Cells(MISSING).infer([*cells, "oops"]) == "number"
    assert Cells(MISSING).infer([*cells, "o", "o", "p", "s"]) == "text"


NUMERIC = st.one_of(
    st.floats().map(repr),
    st.integers(-(10**30), 10**30).map(str),
    st.sampled_from(
        [
            *("-0", "-0 ", "0", "-0.0", ".5", "5.", "+1", "1e5", "1E-400", "1e999", "inf", "NAN"),
            *("-nan", "1_0", " 7 ", "true", "null", "NA", "", "x", "[1", "2]", '"a', 'b"', "1,2"),
            *("{", "\u0663", "007"),
        ]
    ),
)


@given(st.lists(NUMERIC, max_size=12), st.sampled_from([MISSING, (), ("-0", "0"), ("", "7")]))
@settings(max_examples=300, deadline=None)
def test_numbers_are_those_of_float_to_the_bit(cells, missing):
    def by_hand(cell):
        if cell in missing:
            return None
        try:
            value = float(cell)
        except ValueError:
            return cell
        return None if value != value else value

    found = Cells(missing).convert("number", cells)
    assert list(map(repr, found)) == [repr(by_hand(cell)) for cell in cells]


def test_a_wrong_row_changes_no_other():
    good = [b"%d,x%d,%s" % (n, n, b"NA" if n % 3 else b"true") for n in range(200)]
    alone = csv_rows(b"a,t,b\n" + b"\n".join(good))
    mixed = csv_rows(b"a,t,b\n" + b"\n1\n".join(good))
    assert [row for row in mixed if isinstance(row.fields, dict)] == alone
    assert len(mixed) == 399


def test_rows_are_owned_by_who_takes_them():
    first, second = csv_rows(b"a\n1\n1\n")
    assert isinstance(first.fields, dict)
    first.fields["more"] = 1
    assert second.fields == {"a": 1.0}


@pytest.mark.parametrize(
    ("raw", "fields"),
    [
        (b'{"a": null, "b": [1], "a": 2}', {"a": 2, "b": [1]}),
        (b'{"a": 18446744073709551616}', {"a": 18446744073709551616.0}),
        (b'{"a": null}\r', {"a": None}),
        (b"", "empty"),
        (b" \t", "empty"),
        (b"{'a': 1}", "bad_json"),
        (b'{"a": 1e999}', "bad_json"),
        (b'{"a": NaN}', "bad_json"),
        (b'{"a":' * 1025 + b"1" + b"}" * 1025, "bad_json"),
        (b'{"a": "\\ud800"}', "bad_json"),
        (b'{"a": "\xff"}', "bad_utf8"),
        (b'{"a": "\xed\xa0\x80"}', "bad_utf8"),
        (b"[1]", "not_an_object"),
        (b"null", "not_an_object"),
        (b'"' + b"x" * 9999 + b'"', "line_too_long"),
    ],
)
def test_decode_json(raw, fields):
    row = decode_json(raw, 9999)
    assert outcomes([row]) == [fields]
    if fields == "line_too_long":
        assert row[1:] == (raw[:9999], 10_001, sha256(raw).hexdigest())
    else:
        assert row[1:] == (raw, 0, "")


@given(st.binary(max_size=50), st.integers(1, 60))
@RELAXED
def test_decode_json_never_raises(raw, limit):
    row = decode_json(raw, limit)
    assert row.raw == raw[:limit]
    assert isinstance(row.fields, dict | Fault)


def test_json_lines(tmp_path):
    path = tmp_path / "some.ndjson"
    path.write_bytes(
        b'\xef\xbb\xbf{"a":null,"b":true}\r\n\n  \n{"a":1,"t":"x","l":[]}\n[]\n{"b":1}'
    )
    reader = open_rows(path)
    assert reader.names == ()
    assert dict(reader.types) == {"b": "bool", "a": "number", "t": "text"}
    rows = all_rows(reader)
    assert outcomes(rows) == [
        {"a": None, "b": True}, {"a": 1, "t": "x", "l": []}, "not_an_object", {"b": 1},
    ]  # fmt: skip
    assert rows[0].raw == b'{"a":null,"b":true}'


@pytest.mark.parametrize("packing", ["", ".gz", ".zst"])
@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_memory_is_bounded_on_a_huge_line(tmp_path, suffix, packing):
    size = 50_000_000
    path = tmp_path / f"huge{suffix}{packing}"
    path.write_bytes(pack(b"a\n" + b"x" * size + b"\n7\n", packing))
    tracemalloc.start()
    rows = all_rows(open_rows(path))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    long = rows[-2]
    assert outcomes([long]) == ["line_too_long"]
    assert (len(long.raw), long.raw_bytes) == (1 << 20, size)
    assert long.raw_sha256 == sha256(b"x" * size).hexdigest()
    assert peak < 32_000_000


def test_memory_is_bounded_on_quotes_that_never_close():
    data = b"a,b\n" + b'1,"x\n' + b"2,3\n" * 2_000_000
    reader = csv_reader(data)
    tracemalloc.start()
    count = sum(len(reader.read(500)) for _ in range(10))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 5000
    assert peak < 120_000_000
    reader.close()


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


@pytest.fixture
def parquet(tmp_path, packing):
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet as pq

    def write(columns, name="some"):
        plain = tmp_path / f"{name}.parquet"
        table = pa.table(columns) if isinstance(columns, dict) else columns
        pq.write_table(table, plain, row_group_size=700)
        path = tmp_path / f"{name}.parquet{packing}"
        path.write_bytes(pack(plain.read_bytes(), packing))
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


def test_parquet_with_a_name_twice(parquet):
    pa, write = parquet
    path = write(pa.table([[1], [2]], names=["a", "a"]))
    with pytest.raises(SourceError, match="two columns are named 'a'"):
        open_rows(path)
