"""Readers on input that is meant to break them: no crash, no row lost, time in proportion."""

import csv
import random
from time import process_time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from stream.core.decode import decode_json
from stream.core.records import Fault, Row
from stream.edges.readers import open_rows
from stream.edges.readers.cells import Cells
from stream.edges.readers.lines import whole_lines
from stream.edges.readers.records import split_records
from tests.reading import MISSING, RELAXED, all_rows, csv_rows, outcomes


def records_by_hand(data: bytes, limit: int) -> list[tuple[object, bytes]]:
    """Try every number of lines for every record: quadratic, and plainly right."""
    lines = data.removesuffix(b"\n").split(b"\n") if data else []
    found: list[tuple[object, bytes]] = []
    while lines:
        if len(lines[0]) > limit:
            found.append(("line_too_long", lines.pop(0)[:limit]))
            continue
        count, cells = record_by_hand(lines, limit)
        raw = b"\n".join(lines[:count]).removesuffix(b"\r")
        if cells:
            bad = cells != "bad_csv" and raw != raw.decode(errors="replace").encode()
            found.append(("bad_utf8" if bad else cells, raw))
        del lines[:count]
    return found


def record_by_hand(lines: list[bytes], limit: int) -> tuple[int, object]:
    for count in range(1, len(lines) + 1):
        if len(b"\n".join(lines[:count])) > limit:
            break
        texts = [line.decode("utf-8", "surrogateescape") + "\n" for line in lines[:count]]
        try:
            return count, next(csv.reader(texts, strict=True))
        except csv.Error as error:
            if "unexpected end" not in str(error):
                break
    return 1, "bad_csv"


PIECE = st.sampled_from([b'"', b'"', b",", b"a", b"\r", b"\n", b"\n", b"\xff", b'""', b'a",",'])


@given(
    st.lists(PIECE, max_size=40).map(b"".join),
    st.sampled_from([4, 10, 20, 1000]),
    st.sampled_from([1, 3, 16, 1 << 16]),
)
@example(b'a",",\na",",\n"x', 10, 3)
@example(b'"\r\n\n"\n', 4, 16)
@settings(RELAXED, max_examples=500)
def test_records_are_those_of_a_plain_search(data, limit, block):
    blocks = [data[at : at + block] for at in range(0, len(data), block)]
    found = [
        (outcomes([cells])[0] if isinstance(cells, Row) else cells, raw)
        for records in split_records(whole_lines(blocks, limit), ",", limit)
        for raw, cells in zip(records.raws, records.cells(","), strict=True)
    ]
    assert found == records_by_hand(data, limit)


def test_quotes_that_open_in_each_line_cost_time_in_proportion():
    def seconds(lines: int) -> float:
        start = process_time()
        rows = csv_rows(b"a,b\n" + b'a",",\n' * lines)
        assert outcomes(rows) == ["bad_csv"] * lines
        return process_time() - start

    few = min(seconds(2000) for _ in range(3))
    many = min(seconds(16_000) for _ in range(3))
    assert many < 24 * few + 0.5  # 8 times as much; many seconds when lines were read anew


@given(
    st.lists(st.sampled_from(["1", "2.5", " null", "null ", "null", "NA", "x", ""]), max_size=8),
    st.sampled_from([MISSING, (), ("null",), ("NA",)]),
)
@example(["1", " null"], MISSING)
def test_a_cell_is_read_the_same_in_any_company(cells, missing):
    reader = Cells(missing)
    alone = [reader.convert("number", [cell])[0] for cell in cells]
    assert list(reader.convert("number", cells)) == alone


def test_20_000_random_lines_are_a_row_or_a_fault_each(tmp_path):
    source = random.Random(1)
    noise = [source.randbytes(source.randrange(1, 60)) for _ in range(20_000)]
    lines = [line.translate(None, b'\n\r"').strip() or b"?" for line in noise]
    for suffix, header in ((".csv", b"a,b\n"), (".jsonl", b"")):
        path = tmp_path / f"noise{suffix}"
        path.write_bytes(header + b"\n".join(lines))
        rows = all_rows(open_rows(path))
        assert [row.raw for row in rows] == lines
        assert all(isinstance(row.fields, dict | Fault) for row in rows)
    rows = csv_rows(b"a,b\n" + b"\n".join(noise))
    assert all(isinstance(row.fields, dict | Fault) for row in rows)
    assert all(isinstance(decode_json(line, 50).fields, dict | Fault) for line in noise)


def test_parquet_values_that_python_cannot_hold_cost_their_row(tmp_path):
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet as pq

    buffers = pa.py_buffer(bytes([0, 0, 0, 0, 1, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0]))
    texts = pa.StringArray.from_buffers(3, buffers, pa.py_buffer(b"x\xff\xfey"))
    times = pa.array([[0], [0], [10**18]], pa.list_(pa.timestamp("ms")))
    path = tmp_path / "odd.parquet"
    pq.write_table(pa.table({"t": texts, "far": times}), path)
    rows = all_rows(open_rows(path))
    assert isinstance(rows[0].fields, dict)
    assert rows[0].fields["t"] == "x"
    assert outcomes(rows)[1:] == ["bad_utf8", "bad_parquet"]


@pytest.mark.parametrize(
    ("names", "message"), [([], "has no columns"), (["a", ""], "column 2 has no name")]
)
def test_parquet_without_names(tmp_path, names, message):
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet as pq

    from stream.core.errors import SourceError

    path = tmp_path / "some.parquet"
    pq.write_table(pa.table([[1]] * len(names), names=names), path)
    with pytest.raises(SourceError, match=message):
        open_rows(path)
