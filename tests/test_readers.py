"""Readers: the same rows whatever the blocks, steps and compression, in bounded memory."""

import csv
import gzip
import io
import tracemalloc
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stream.core.errors import SourceError
from stream.core.records import Row
from stream.edges.readers import open_rows
from stream.edges.readers.json_rows import open_json_lines
from tests.reading import (
    RELAXED,
    all_rows,
    by_tables,
    csv_reader,
    csv_rows,
    outcomes,
    pack,
    written,
)

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
    assert by_tables(csv_reader(data, block, max_line=40), step) == whole
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
        first, second, third = (
            open_json_lines(path, max_line=40, head_rows=5, block=size)
            for size in (block, 9999, block)
        )
    small, whole, by_table = all_rows(first, step), all_rows(second), by_tables(third, step)
    assert small == whole == by_table
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


@pytest.mark.parametrize("packing", ["", ".gz", ".zst"])
def test_compressed_equals_plain(tmp_path, packing):
    table = [[n / 7, f'say "{n}"\n', n % 2 == 0] for n in range(3000)]
    text = written(["x", "t", "b"], table)
    lines = b"\n".join(orjson.dumps({"x": n, "t": "\u00e9" * (n % 50)}) for n in range(3000))
    for suffix, data in ((".csv", text), (".jsonl", lines)):
        plain, packed = tmp_path / f"p{suffix}", tmp_path / f"q{suffix.upper()}{packing}"
        plain.write_bytes(data)
        packed.write_bytes(pack(data, packing))
        assert all_rows(open_rows(packed), 77) == all_rows(open_rows(plain))


@pytest.mark.parametrize("packing", ["", ".gz", ".zst"])
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


@pytest.mark.parametrize("block", [1, 16, 1 << 16])
@pytest.mark.parametrize("over", [0, 1])
def test_the_limit_is_exact(block, over):
    line = b"x" * (37 + over) + b",yz"
    record = b'x,"\n' + b"y" * (35 + over) + b'"'
    assert (len(line), len(record)) == (40 + over, 40 + over)
    data = b"a,b\n" + line + b"\n" + record + b"\nx,y\n"
    x = "x" * 37
    expected: list[object] = [{"a": x, "b": "yz"}, {"a": "x", "b": "\n" + "y" * 35}]
    if over:  # the first line of the record costs itself, the second is a row of its own
        expected = ["line_too_long", "bad_csv", "bad_csv"]
    assert outcomes(csv_rows(data, block=block, max_line=40)) == [*expected, {"a": "x", "b": "y"}]


def test_rows_that_were_skipped_count_where_damage_is_told(tmp_path):
    path = tmp_path / "cut.csv.gz"
    path.write_bytes(gzip.compress(b"a\n" + b"".join(b"%d\n" % n for n in range(90_000)))[:-20])
    reader = open_rows(path)
    passed = reader.skip(50_000)
    rest = len(reader.read(100_000))
    with pytest.raises(SourceError, match=f"after row {passed + rest} of it"):
        reader.read(1)
    reader.close()
    assert passed == 50_000
