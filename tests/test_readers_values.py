"""Readers: what cells and JSON become, and each fault by its name."""

from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.core.decode import decode_json
from stream.core.records import Fault, Row
from stream.edges.readers import open_rows
from stream.edges.readers.cells import Cells
from tests.reading import MISSING, RELAXED, all_rows, csv_reader, csv_rows, outcomes


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
    assert rows[7][1:4] == (b"z" * 60, 100, sha256(b"z" * 100).hexdigest())
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
        assert row[1:4] == (raw[:9999], 10_001, sha256(raw).hexdigest())
    else:
        assert row[1:4] == (raw, 0, "")


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
