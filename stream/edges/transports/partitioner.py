"""Which partition a key belongs to: murmur2, as the Java client and so most of the world has it."""

_SEED = 0x9747B28C
_FACTOR = 0x5BD1E995
_MASK = 0xFFFFFFFF


def partition_of(key: bytes, partitions: int) -> int:
    """Give the partition of a key among so many.

    The hash is Austin Appleby's MurmurHash2 (32 bits) with the seed of Kafka's Java client, its
    sign bit cleared.

    Examples
    --------
    >>> [partition_of(key, 3) for key in (b"a", b"b", b"flight-17")]
    [1, 2, 0]
    """
    return (murmur2(key) & 0x7FFFFFFF) % partitions


def murmur2(data: bytes) -> int:
    """Give the 32 bits of the hash, unsigned."""
    whole = len(data) & ~3
    value = _SEED ^ len(data)
    for start in range(0, whole, 4):
        word = int.from_bytes(data[start : start + 4], "little") * _FACTOR & _MASK
        word = (word ^ word >> 24) * _FACTOR & _MASK
        value = value * _FACTOR & _MASK ^ word
    if whole < len(data):
        value = (value ^ int.from_bytes(data[whole:], "little")) * _FACTOR & _MASK
    value = (value ^ value >> 13) * _FACTOR & _MASK
    return value ^ value >> 15
