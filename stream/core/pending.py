"""Predictions that wait for their label: bounded, with a time to live.

Each is kept as one encoded row, in pieces (see `segments`) that are written once. A piece
that has lost most of its rows is merged with a neighbour, so that what is kept stays in
proportion to what is pending. All of it is decided by the order of the records alone.
"""

from base64 import b64decode, b64encode
from bisect import bisect_left
from collections.abc import Iterator
from hashlib import sha256
from operator import attrgetter
from typing import Any, NamedTuple

import orjson

from stream.core.records import Features
from stream.core.segments import CAPACITY

_SPARSE = CAPACITY // 4
"""Rows below which a piece looks for a neighbour to merge with."""

_LOOK_EVERY = 64
"""Rows that a sparse piece loses between two such looks."""


class Served(NamedTuple):
    """What was served for an event, and all that is needed when its label comes.

    Attributes
    ----------
    arrived
        The watermark when it was served; the time to live counts from there.
    probability
        Of true (binary), or pairs of class and probability (multiclass).
    no_change, majority
        What the two baselines would have served at that moment.
    """

    id: str
    arrived: float
    time: Any
    moment: float
    features: Features
    prediction: Any
    probability: Any
    no_change: Any
    majority: Any
    model: str


class _Piece:
    """Up to 2,048 rows in the order they came; a row that got its label is None."""

    __slots__ = ("alive", "arrived", "content", "gone", "head", "name", "order", "rows")

    def __init__(self, order: int) -> None:
        self.order = order
        self.rows: list[bytes | None] = []
        self.arrived: list[float] = []
        self.alive = 0
        self.head = 0  # no row before it is alive
        self.name = ""  # sha256 of the content, once full
        self.content: bytes | None = None  # until it is stored
        self.gone = bytearray()  # one bit for each row of the content that is no longer alive

    def remove(self, slot: int) -> bytes:
        row = self.rows[slot]
        assert row is not None
        self.rows[slot] = None
        self.alive -= 1
        if self.name:
            self.gone[slot >> 3] |= 1 << (slot & 7)
        return row

    def living(self) -> Iterator[tuple[float, bytes]]:
        for arrived, row in zip(self.arrived, self.rows, strict=True):
            if row is not None:
                yield arrived, row

    def refill(self, kept: list[tuple[float, bytes]]) -> None:
        """Make it a full piece of these rows."""
        self.rows = [row for _, row in kept]
        self.arrived = [arrived for arrived, _ in kept]
        self.alive, self.head = len(kept), 0
        self.content = b"\n".join(row for _, row in kept)
        self.name = sha256(self.content).hexdigest()
        self.gone = bytearray((len(kept) + 7) // 8)


class Pending:
    """The predictions whose label has not come yet.

    Parameters
    ----------
    ttl
        How long one waits, in the unit of the watermark.
    most
        How many may wait; beyond it the oldest is evicted.
    """

    def __init__(self, ttl: float, most: int) -> None:
        self.ttl = ttl
        self.most = most
        self._index: dict[str, tuple[_Piece, int]] = {}
        self._pieces: list[_Piece] = [_Piece(0)]
        self._next_order = 1
        self._latest = float("-inf")
        self.next_expiry = float("inf")

    def __len__(self) -> int:
        return len(self._index)

    def __contains__(self, identity: str) -> bool:
        return identity in self._index

    def add(self, served: Served) -> None:
        """Let a prediction wait; none is taken to have come before the one ahead of it."""
        if served.arrived < self._latest:  # a watermark that is not warm yet may go back
            served = served._replace(arrived=self._latest)
        self._latest = served.arrived
        piece = self._pieces[-1]
        self._index[served.id] = (piece, len(piece.rows))
        piece.rows.append(orjson.dumps(tuple(served)))
        piece.arrived.append(served.arrived)
        piece.alive += 1
        if len(self._index) == 1 or self.next_expiry == float("inf"):
            self.next_expiry = served.arrived + self.ttl
        if len(piece.rows) == CAPACITY:
            self._seal(piece)

    def pop(self, identity: str) -> Served | None:
        """Take the prediction for this id out, None when none waits."""
        place = self._index.pop(identity, None)
        if place is None:
            return None
        piece, slot = place
        row = piece.remove(slot)
        if piece.name and piece.alive < _SPARSE and piece.alive % _LOOK_EVERY == 0:
            self._shrink(piece)
        return Served(*orjson.loads(row))

    def expire(self, watermark: float) -> list[str]:
        """Take out what has waited longer than the time to live; give the ids."""
        expired = []
        while (oldest := self._oldest()) is not None:
            self.next_expiry = oldest[0].arrived[oldest[1]] + self.ttl
            if self.next_expiry >= watermark:
                break
            expired.append(self._drop(*oldest))
        else:
            self.next_expiry = float("inf")
        return expired

    def evict(self) -> str | None:
        """Take out the oldest when more wait than may; give its id."""
        if len(self._index) <= self.most:
            return None
        oldest = self._oldest()
        assert oldest is not None
        return self._drop(*oldest)

    def _drop(self, piece: _Piece, slot: int) -> str:
        row = piece.rows[slot]
        assert row is not None
        identity: str = orjson.loads(row)[0]
        self.pop(identity)
        return identity

    def _oldest(self) -> tuple[_Piece, int] | None:
        while True:
            piece = self._pieces[0]
            while piece.head < len(piece.rows):
                if piece.rows[piece.head] is not None:
                    return piece, piece.head
                piece.head += 1
            if piece is self._pieces[-1]:
                return None
            self._pieces.pop(0)

    def _seal(self, piece: _Piece) -> None:
        if piece.alive:
            self._refill(piece, list(piece.living()))
        else:
            self._pieces.remove(piece)
        self._pieces.append(_Piece(self._next_order))
        self._next_order += 1

    def _refill(self, piece: _Piece, kept: list[tuple[float, bytes]]) -> None:
        piece.refill(kept)
        for slot, (_, row) in enumerate(kept):
            self._index[orjson.loads(row)[0]] = (piece, slot)

    def _shrink(self, piece: _Piece) -> None:
        """Drop an empty piece; merge a sparse one with a sparse neighbour."""
        at = bisect_left(self._pieces, piece.order, key=attrgetter("order"))
        if not piece.alive:
            del self._pieces[at]
            return
        for near in (at - 1, at + 1):
            if not 0 <= near < len(self._pieces) - 1:  # the last one is still open
                continue
            other = self._pieces[near]
            if other.alive + piece.alive <= CAPACITY // 2:
                first, second = (other, piece) if near < at else (piece, other)
                self._refill(first, [*first.living(), *second.living()])
                self._pieces.remove(second)
                return

    def pieces(self) -> dict[str, bytes | None]:
        """Give the full pieces by name; None for those said to be `stored` already."""
        return {piece.name: piece.content for piece in self._pieces if piece.name}

    def stored(self) -> None:
        """Hear that all full pieces are stored, so that their bytes can be let go."""
        for piece in self._pieces:
            piece.content = None

    def state(self) -> dict[str, Any]:
        """Give the state as JSON for orjson; full pieces by name and what is gone of each."""
        last = self._pieces[-1]
        return {
            "sealed": [
                [piece.name, b64encode(piece.gone).decode() if any(piece.gone) else ""]
                for piece in self._pieces[:-1]
            ],
            "open": [None if row is None else orjson.Fragment(row) for row in last.rows],
            "latest": self._latest if self._latest > float("-inf") else None,
        }

    def restore(self, state: dict[str, Any], pieces: dict[str, bytes]) -> None:
        """Take up a state that `state` gave."""
        self._index.clear()
        self._pieces = []
        self._latest = float("-inf") if state["latest"] is None else state["latest"]
        for order, (name, gone) in enumerate(state["sealed"]):
            piece = _Piece(order)
            piece.refill([(orjson.loads(row)[1], row) for row in pieces[name].split(b"\n")])
            piece.content = None
            self._pieces.append(piece)
            self._adopt(piece, b64decode(gone))
        self._next_order = len(self._pieces) + 1
        last = _Piece(len(self._pieces))
        for row in state["open"]:
            last.rows.append(None if row is None else orjson.dumps(row))
            last.arrived.append(self._latest if row is None else row[1])
            if row is not None:
                self._index[row[0]] = (last, len(last.rows) - 1)
                last.alive += 1
        self._pieces.append(last)
        self.next_expiry = float("-inf")

    def _adopt(self, piece: _Piece, gone: bytes) -> None:
        for slot, row in enumerate(piece.rows):
            assert row is not None
            if gone and gone[slot >> 3] >> (slot & 7) & 1:
                piece.remove(slot)
            else:
                self._index[orjson.loads(row)[0]] = (piece, slot)
