"""Dead letters: what could not be used, kept with its reason and its origin."""

from base64 import b64encode
from hashlib import sha256
from typing import Literal

from stream.core.records import DeadLetter, Fault, Origin, Record, Row

_LONGEST_RAW = 1 << 16
"""Bytes of the raw record that a dead letter carries; its whole length and digest are beside it."""


def dead_letter(
    topic: str, partition: int, offset: int, record: Record, fault: Fault
) -> DeadLetter:
    """Make the dead letter for a record.

    Parameters
    ----------
    topic, partition, offset
        Where the record came from; on files the offset is the number of the row, from 0.
    """
    head = record.raw[:_LONGEST_RAW]
    encoding: Literal["utf-8", "base64"] = "utf-8"
    try:
        raw = head.decode()
    except UnicodeDecodeError:
        encoding, raw = "base64", b64encode(head).decode()
    whole = record if isinstance(record, Row) else Row(fault, record.raw)
    return DeadLetter(
        origin=Origin(topic=topic, partition=partition, offset=offset),
        reason=fault.reason,
        detail=fault.detail,
        raw=raw,
        raw_encoding=encoding,
        raw_sha256=whole.raw_sha256 or sha256(record.raw).hexdigest(),
        raw_bytes=whole.raw_bytes or len(record.raw),
    )
