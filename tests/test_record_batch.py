"""Records in wire format, held to what the Kafka client itself reads and writes."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from kafka.record.default_records import DefaultRecordBatch, DefaultRecordBatchBuilder

from stream.edges.transports.record_batch import decoded, encoded, varint

HEAD = 61
KEYS = st.none() | st.binary(max_size=80)
VALUES = st.none() | st.binary(max_size=200)
RECORDS = st.lists(st.tuples(KEYS, VALUES), min_size=1, max_size=300)
HEADERS = st.none() | st.tuples(st.text(max_size=100), st.binary(max_size=100))


def builder() -> DefaultRecordBatchBuilder:
    return DefaultRecordBatchBuilder(2, 0, 0, -1, -1, -1, 1 << 30)


def by_client(records, times, headers=()):
    """Give the records of a batch as the client writes them."""
    made = builder()
    for offset, ((key, value), time) in enumerate(zip(records, times, strict=True)):
        last = offset == len(records) - 1
        made.append(offset, time, key, value, list(headers) if last else [])
    return bytes(made.build()[HEAD:])


@given(RECORDS, HEADERS)
@example([(b"k", b"v" * 20_000), (b"k" * 9000, None), (None, b"")], ("position", b"1"))
@example([(b"", b"x")] * 9000, None)
def test_records_are_encoded_as_by_the_client(records, header):
    [(body, count)] = encoded(records, header, 1 << 30)
    assert count == len(records)
    assert bytes(body) == by_client(records, [7] * count, [header] if header else [])


@given(RECORDS, HEADERS, st.integers(1, 3000))
def test_batches_keep_to_their_limit_and_lose_nothing(records, header, limit):
    read = []
    for body, count in encoded(records, header, limit):
        assert count == 1 or len(body) <= limit
        made = builder()
        made._buffer.extend(body)
        made._num_records, made._last_offset = count, count - 1
        found = list(DefaultRecordBatch(made.build()))
        assert [record.offset for record in found] == list(range(count))
        read += [(record.key, record.value, record.headers) for record in found]
    assert [(key, value) for key, value, _ in read] == records
    assert [headers for _, _, headers in read[:-1]] == [[]] * (len(records) - 1)
    assert read[-1][2] == ([header] if header else [])


@given(st.data(), RECORDS, HEADERS)
def test_records_are_decoded_as_by_the_client(data, records, header):
    times = data.draw(
        st.lists(st.integers(0, 1 << 45), min_size=len(records), max_size=len(records))
    )
    body = by_client(records, times, [header] if header else [])
    found = decoded(body, len(records), 1000, times[0])
    values = [value for _, value in records]
    assert found == list(zip(range(1000, 1000 + len(records)), times, values, strict=True))


@given(RECORDS, st.data())
def test_a_damaged_batch_is_an_error_and_never_silence(records, data):
    body = by_client(records, [7] * len(records))
    cut = data.draw(st.integers(0, len(body) - 1))
    with pytest.raises(ValueError, match="batch"):
        decoded(body[:cut], len(records), 0, 7)
    with pytest.raises(ValueError, match="batch"):
        decoded(body + b"\x00", len(records), 0, 7)


@given(st.integers(-(1 << 62), 1 << 62))
def test_varints_are_the_clients(number):
    from kafka.record.util import decode_varint

    assert decode_varint(varint(number), 0) == (number, len(varint(number)))
