"""How large a River tree is: the same wherever and whenever it is asked."""

from collections import deque
from collections.abc import Mapping
from typing import Any, Final

_ATOM: Final = 32
"""Bytes of a number, None or a class; River counts a number 24 or 28."""

_GENERATOR: Final = 500


def size_of(obj: Any, unit: str = "byte") -> int:
    """Estimate the bytes of an object and all that it holds, from its content alone.

    River's own estimate asks Python for the size of each part, which depends on how tables once
    grew, and leaves out numbers that happen to be the same object, which a restore changes. Its
    trees bound their size by it, so they would go another way after a restore.

    Parameters
    ----------
    obj
        A tree or a part of one.
    unit
        "byte", "KiB" or "MiB".

    Examples
    --------
    >>> size_of({"x": [1.0, 2.0]}) == size_of({"x": [float("1"), 2.0]})
    True
    """
    size = 0
    seen: set[int] = set()
    waiting: deque[Any] = deque([obj])
    while waiting:
        part = waiting.popleft()
        if isinstance(part, (str, bytes, bytearray)):
            size += 50 + len(part)
            continue
        if part is None or isinstance(part, (int, float, type)):
            size += _ATOM
            continue
        if type(part).__module__ == "random":  # what draws nothing shares one after a restore
            size += _GENERATOR
            continue
        if id(part) in seen:
            continue
        seen.add(id(part))
        if isinstance(part, Mapping):
            size += _table(len(part))
            waiting.extend(part.keys())
            waiting.extend(part.values())
        elif hasattr(part, "__dict__"):
            size += 56 + _table(len(part.__dict__))
            waiting.extend(part.__dict__.values())
        elif isinstance(part, (list, tuple, set, frozenset, deque)):
            size += 64 + (40 if isinstance(part, (set, frozenset)) else 8) * len(part)
            waiting.extend(part)
        else:
            size += 48
    return size // {"KiB": 1024, "MiB": 1 << 20}.get(unit, 1)


def _table(length: int) -> int:
    """Estimate the bytes of a dictionary without what is in it."""
    return 360 + 60 * max(0, length - 5)
