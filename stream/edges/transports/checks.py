"""What every log holds its callers, and its groups, to."""

from collections.abc import Collection, Sequence

from stream.edges.transports.log import LogError, Place

MAX_METADATA = 4000
"""Bytes beside an offset; brokers take 4,096 with their default settings."""


def owned_numbers(places: Collection[Place], topics: Sequence[str]) -> frozenset[int]:
    """Give the partition numbers that a share of the partitions of several topics means.

    Raises
    ------
    LogError
        The share has a number of one topic and not of another, as Range does when topics have
        different numbers of partitions.

    Examples
    --------
    >>> sorted(owned_numbers([Place("a", 0), Place("b", 0)], ["a", "b"]))
    [0]
    """
    numbers = {topic: {p.partition for p in places if p.topic == topic} for topic in topics}
    shares = {frozenset(share) for share in numbers.values()}
    if len(shares) > 1:
        shown = ", ".join(f"{topic} {sorted(share)}" for topic, share in numbers.items())
        raise LogError(
            f"the input topics were assigned different partitions ({shown}):"
            " give them equal numbers of partitions"
        )
    return shares.pop()


def checked_metadata(metadata: str) -> str:
    """Give the metadata of an offset back, or refuse what a broker would refuse.

    Raises
    ------
    LogError
        It is longer than 4,000 bytes.
    """
    size = len(metadata.encode())
    if size > MAX_METADATA:
        raise LogError(
            f"metadata of {size} bytes beside an offset, and {MAX_METADATA:,} are allowed"
        )
    return metadata
