"""From the bytes of one JSON record to a row: files and Kafka share it."""

from collections.abc import Sequence
from hashlib import sha256
from typing import Any

import orjson

from stream.core.records import Fault, Row, Shape
from stream.core.tables import bound


def decode_json(raw: bytes, max_bytes: int) -> Row:
    """Decode one JSON object, or say why it cannot be used; never raises.

    The JSON is read as orjson reads it. Of a key that occurs twice the last value stands. An
    integer beyond 64 bits becomes the nearest float. NaN, 1e999, a byte order mark and more than
    1024 levels are ``bad_json``. A null stays as None.

    Parameters
    ----------
    raw
        The record without its line end.
    max_bytes
        A longer record is not parsed; the row keeps this much of it, its length and its digest.

    Examples
    --------
    >>> decode_json(b'{"delay": 12}', 1000).fields
    {'delay': 12}
    >>> decode_json(b'[12]', 1000).fields
    Fault(reason='not_an_object', detail='a JSON list where an object was expected')
    """
    if len(raw) > max_bytes:
        return long_row(raw[:max_bytes], len(raw), sha256(raw).hexdigest(), max_bytes)
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        return Row(_reason(raw, str(error)), raw)
    if type(value) is dict:
        # Without the call of `Row.__new__`: this saves a tenth of the time of a record.
        return tuple.__new__(Row, (value, raw, 0, "", None))
    name = "null" if value is None else type(value).__name__
    return Row(Fault("not_an_object", f"a JSON {name} where an object was expected"), raw)


def decode_alike(raws: Sequence[bytes | None], max_bytes: int) -> list[Row] | None:
    """Decode records that are all in order, and tell their shape where they share one.

    Gives what `decode_json` gives for each, but for the shape; None where one of them needs to be
    looked at by itself.

    Examples
    --------
    >>> rows = decode_alike([b'{"a": 1, "b": "x"}', b'{"a": 2.5, "b": "y"}'], 1000)
    >>> rows[0].fields, rows[0].shape.columns
    ({'a': 1, 'b': 'x'}, [('a', <class 'float'>, 2.692582403567252), ('b', <class 'str'>, 0.0)])
    """
    if None in raws or max(map(len, raws)) > max_bytes:  # type: ignore[arg-type]  # there is none
        return None
    try:
        values = list(map(orjson.loads, raws))  # type: ignore[arg-type]  # there is no None
    except orjson.JSONDecodeError:
        return None
    if set(map(type, values)) != {dict}:
        return None
    shape, new = shape_of_objects(values), tuple.__new__
    return [new(Row, (value, raw, 0, "", shape)) for value, raw in zip(values, raws, strict=True)]


def shape_of_objects(objects: Sequence[dict[str, Any]]) -> Shape | None:
    """Give the shape of objects that have the same fields, in one order, and no nulls.

    A field of integers here and floats there counts as one of floats: a number either way.
    """
    if len(set(map(tuple, objects))) != 1:
        return None
    columns = []
    for name, column in zip(objects[0], zip(*map(dict.values, objects), strict=True), strict=True):
        types = set(map(type, column))
        if types == {int, float}:
            types = {float}
        if len(types) != 1 or not types <= {bool, int, float, str}:
            return None
        columns.append((name, types.pop(), bound(column)))
    return Shape(columns)


def long_row(head: bytes, size: int, digest: str, limit: int) -> Row:
    """Give the row of a record that is longer than the limit.

    Parameters
    ----------
    head
        Its first `limit` bytes.
    size, digest
        Length in bytes and SHA-256 in hex of the whole record.
    """
    fault = Fault("line_too_long", f"a record of {size} bytes where {limit} are the limit")
    return Row(fault, head, size, digest)


def _reason(raw: bytes, error: str) -> Fault:
    if not raw.strip():
        return Fault("empty", "the record is empty")
    try:
        raw.decode()
    except UnicodeDecodeError as problem:  # orjson reports bad UTF-8 as a syntax error
        return utf8_fault(problem)
    return Fault("bad_json", error)


def utf8_fault(problem: UnicodeDecodeError) -> Fault:
    """Say which byte of a record is not UTF-8."""
    byte = problem.object[problem.start]
    return Fault("bad_utf8", f"byte {problem.start} (0x{byte:02x}) of the record is not UTF-8")
