"""Append-only pieces of state, named by their content.

What grows with the stream (pending predictions, recent ids) is cut into pieces of 2,048
rows. A full piece never changes again and is stored once, under the sha256 of its bytes;
a checkpoint only refers to it. So a checkpoint costs the same with a thousand rows and
with a million.
"""

from hashlib import sha256
from typing import Any

import orjson

CAPACITY = 2048
"""Rows of a piece."""


class RecentIds:
    """The last ids that were seen, to know one that comes again.

    Parameters
    ----------
    capacity
        How many to remember; whole pieces are forgotten, so it may be up to 2,048 more.

    Examples
    --------
    >>> recent = RecentIds(10_000)
    >>> recent.add("a")
    >>> "a" in recent, "b" in recent
    (True, False)
    """

    __slots__ = ("_open", "_sealed", "capacity", "ids")

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.ids: set[str] = set()
        self._open: list[str] = []
        self._sealed: list[tuple[str, bytes]] = []

    def __contains__(self, identity: str) -> bool:
        return identity in self.ids

    def add(self, identity: str) -> None:
        """Remember one more id; it must not be remembered already."""
        self.ids.add(identity)
        self._open.append(identity)
        if len(self._open) == CAPACITY:
            content = orjson.dumps(self._open)
            self._sealed.append((sha256(content).hexdigest(), content))
            self._open.clear()
            if len(self._sealed) * CAPACITY > self.capacity:
                self._forget()

    def _forget(self) -> None:
        _, content = self._sealed.pop(0)
        self.ids.difference_update(orjson.loads(content))

    def pieces(self) -> dict[str, bytes]:
        """Give the full pieces, by the sha256 of their bytes."""
        return dict(self._sealed)

    def state(self) -> dict[str, Any]:
        """Give the state as JSON; full pieces by name."""
        return {"sealed": [name for name, _ in self._sealed], "open": self._open}

    def restore(self, state: dict[str, Any], pieces: dict[str, bytes]) -> None:
        """Take up a state that `state` gave."""
        self._sealed = [(name, pieces[name]) for name in state["sealed"]]
        self._open = list(state["open"])
        self.ids = set(self._open)
        for _, content in self._sealed:
            self.ids.update(orjson.loads(content))
