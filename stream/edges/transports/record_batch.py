"""Records in Kafka's wire format (record batch, version 2), encoded and decoded many at a time.

A client that makes an object of every record spends more time on it than all the rest of a
commit takes. Layout: https://kafka.apache.org/documentation/#recordbatch
"""

from collections.abc import Iterator, Sequence

from stream.edges.transports.log import Incoming, Outgoing

_NULL = b"\x01"  # the varint of -1


def varint(number: int) -> bytes:
    """Encode a number as a zig-zag varint.

    Examples
    --------
    >>> list(varint(-1)), list(varint(300))
    ([1], [216, 4])
    """
    rest = number << 1 if number >= 0 else (-number << 1) - 1
    found = bytearray()
    while rest > 0x7F:
        found.append(rest & 0x7F | 0x80)
        rest >>= 7
    found.append(rest)
    return bytes(found)


_VARINTS = [varint(number) for number in range(8192)]  # those of one and two bytes


def encoded(
    records: Sequence[Outgoing], header: tuple[str, bytes] | None, limit: int
) -> Iterator[tuple[bytearray, int]]:
    """Encode records of equal time for batches of at most about `limit` bytes.

    Parameters
    ----------
    header
        Carried by the last one.
    limit
        Only a single record may be longer.

    Yields
    ------
    bytearray
        The records of a batch, without the head of the batch.
    int
        How many they are.
    """
    table, last = _VARINTS, len(records) - 1
    batch: list[bytes] = []
    size = 0
    for index, (key, value) in enumerate(records):
        tail = b"\x00" if header is None or index < last else _header(header)
        body = _field(key) + _field(value) + tail
        if size + len(body) + 13 > limit and batch:
            yield bytearray().join(batch), len(batch)
            batch, size = [], 0
        count = len(batch)
        offset = table[count] if count < 8192 else varint(count)
        length = len(body) + len(offset) + 2
        head = table[length] if length < 8192 else varint(length)
        batch.append(b"%b\x00\x00%b%b" % (head, offset, body))
        size += len(batch[-1])
    if batch:
        yield bytearray().join(batch), len(batch)


def _field(data: bytes | None) -> bytes:
    if data is None:
        return _NULL
    length = len(data)
    return (_VARINTS[length] if length < 8192 else varint(length)) + data


def _header(header: tuple[str, bytes]) -> bytes:
    return varint(1) + _field(header[0].encode()) + _field(header[1])


def decoded(data: bytes, count: int, base: int, time: int) -> list[Incoming]:
    """Decode the records of a batch; keys and headers are passed over.

    Parameters
    ----------
    data
        The records, uncompressed, without the head of the batch.
    count
        How many they are.
    base
        Offset of the first one.
    time
        What their times are relative to.

    Raises
    ------
    ValueError
        The data are not so many records.
    """
    found: list[Incoming] = []
    at = 0
    try:
        for _ in range(count):
            length, at = _read_varint(data, at)
            after = at + length
            at += 1  # attributes
            later = data[at]
            if later < 0x80:
                later, at = (later >> 1) ^ -(later & 1), at + 1
            else:
                later, at = _read_varint(data, at)
            further = data[at]
            if further < 0x80:
                further, at = further >> 1, at + 1
            else:
                further, at = _read_varint(data, at)
            size = data[at]
            if size < 0x80:
                size, at = (size >> 1) ^ -(size & 1), at + 1
            else:
                size, at = _read_varint(data, at)
            if size > 0:
                at += size
            size, at = _read_varint(data, at)
            value = data[at : at + size] if size >= 0 else None
            if after > len(data) or (size > 0 and at + size > after):
                raise ValueError("a record is longer than its batch")
            found.append((base + further, time + later, value))
            at = after
    except IndexError as error:
        raise ValueError("the batch ends within a record") from error
    if at != len(data):
        raise ValueError(f"{len(data) - at} bytes are left after the last record of a batch")
    return found


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    byte = data[at]
    at += 1
    number = byte & 0x7F
    shift = 7
    while byte > 0x7F:
        byte = data[at]
        at += 1
        number |= (byte & 0x7F) << shift
        shift += 7
    return (number >> 1) ^ -(number & 1), at
