"""A set that remembers the order in which its members came.

Some of River's parts go over a set, and so over an order that differs from one process to
the next. Given this one instead they do the same everywhere.
"""

from collections.abc import Hashable, Iterable, Iterator, MutableSet
from typing import Any


class OrderedSet(MutableSet[Any]):
    """A set in order of insertion.

    Examples
    --------
    >>> list(OrderedSet(["b", "a", "b"]))
    ['b', 'a']
    """

    def __init__(self, members: Iterable[Hashable] = ()) -> None:
        self._members = dict.fromkeys(members)

    def __contains__(self, member: object) -> bool:
        return member in self._members

    def __iter__(self) -> Iterator[Any]:
        return iter(self._members)

    def __len__(self) -> int:
        return len(self._members)

    def __repr__(self) -> str:
        return f"OrderedSet({list(self._members)})"

    def add(self, value: Hashable) -> None:
        """Add a member at the end, if it is not one already."""
        self._members[value] = None

    def discard(self, value: Hashable) -> None:
        """Take a member out, if it is one."""
        self._members.pop(value, None)

    def update(self, *others: Iterable[Hashable]) -> None:
        """Add the members of others, in their order."""
        for other in others:
            self._members.update(dict.fromkeys(other))
