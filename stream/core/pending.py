"""Predictions that wait for their label: bounded, with a time to live.

Each is kept as one row, in pieces (see `segments`) that are encoded and written once. The
rows of the newest pieces stay as they are, for labels that come soon; older ones are kept
encoded, at a third of the memory. A piece that has lost most of its rows is merged with a
neighbour, so that what is kept stays in proportion to what is pending. All of it is decided
by the order of the records alone.
"""

from base64 import b64decode, b64encode
from bisect import bisect_left
from collections import deque
from collections.abc import Iterator
from hashlib import sha256
from operator import attrgetter
from sys import intern
from typing import Any, NamedTuple

import orjson

from stream.core.records import Features
from stream.core.segments import CAPACITY

_MOST_SHAPES = 1000
"""Sets of feature names that are kept apart from the rows; rows of others hold their names."""

_WARM = 8
"""Full pieces whose rows are kept as they are."""

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


class _Shapes:
    """How rows are encoded: the names of the features once for all events that have them.

    A row is then a third shorter, and the features come back under the very same text
    objects that the learner knows, which spares it comparing them letter by letter.
    """

    def __init__(self) -> None:
        self._numbers: dict[tuple[str, ...], int] = {}
        self._names: list[tuple[str, ...]] = []

    def meet(self, features: Features) -> None:
        """Give the names a number, if they have none and there is one left."""
        names = tuple(features)
        if names not in self._numbers and len(self._names) < _MOST_SHAPES:
            self._learn(names)

    def encode(self, served: Served) -> bytes:
        features = served.features
        number = self._numbers.get(tuple(features))
        if number is None:
            return _tight(orjson.dumps((*served[:4], features, *served[5:], None)))
        return _tight(
            orjson.dumps((*served[:4], tuple(features.values()), *served[5:], number))
        )

    def decode(self, row: bytes) -> Served:
        *values, number = orjson.loads(row)
        if number is not None:
            values[4] = dict(zip(self._names[number], values[4], strict=True))
        return Served(*values)

    def _learn(self, names: tuple[str, ...]) -> None:
        names = tuple(map(intern, names))
        self._numbers[names] = len(self._names)
        self._names.append(names)

    def state(self) -> list[tuple[str, ...]]:
        return list(self._names)

    def restore(self, state: list[list[str]]) -> None:
        self._numbers.clear()
        self._names.clear()
        for names in state:
            self._learn(tuple(names))


_Row = Served | bytes
"""A prediction that waits, as it is or encoded."""

_Kept = tuple[str, float, _Row]
"""Id, arrival and row of a prediction that still waits."""


class _Piece:
    """Up to 2,048 rows in the order they came; a row that got its label is None."""

    __slots__ = (
        "alive", "arrived", "content", "gone", "head", "ids", "name", "order", "rows",
    )  # fmt: skip

    def __init__(self, order: int) -> None:
        self.order = order
        self.rows: list[_Row | None] = []
        self.ids: list[str] = []
        self.arrived: list[float] = []
        self.alive = 0
        self.head = 0  # no row before it is alive
        self.name = ""  # sha256 of the content, once full
        self.content: bytes | None = None  # until it is stored
        self.gone = bytearray()  # one bit for each row of the content that is no longer alive

    def remove(self, slot: int) -> _Row:
        row = self.rows[slot]
        assert row is not None
        self.rows[slot] = None
        self.alive -= 1
        if self.name:
            self.gone[slot >> 3] |= 1 << (slot & 7)
        return row

    def add(self, identity: str, arrived: float, row: _Row | None) -> None:
        self.ids.append(identity)
        self.arrived.append(arrived)
        self.rows.append(row)
        self.alive += row is not None

    def living(self) -> Iterator[_Kept]:
        for identity, arrived, row in zip(self.ids, self.arrived, self.rows, strict=True):
            if row is not None:
                yield identity, arrived, row

    def seal(self, kept: list[_Kept], content: bytes) -> None:
        """Make it a full piece of these rows, which are encoded in `content`."""
        self.ids = [identity for identity, _, _ in kept]
        self.arrived = [arrived for _, arrived, _ in kept]
        self.rows = [row for _, _, row in kept]
        self.alive, self.head = len(kept), 0
        self.content = content
        self.name = sha256(content).hexdigest()
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
        self._warm: deque[_Piece] = deque()
        self._shapes = _Shapes()
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
        self._shapes.meet(served.features)
        piece.add(served.id, served.arrived, served)
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
        return row if isinstance(row, Served) else self._shapes.decode(row)

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
        identity = piece.ids[slot]
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
            self._warm.append(piece)
            if len(self._warm) > _WARM:
                self._cool(self._warm.popleft())
        else:
            self._pieces.pop()
        self._pieces.append(_Piece(self._next_order))
        self._next_order += 1

    def _cool(self, piece: _Piece) -> None:
        encode = self._shapes.encode
        piece.rows = [encode(row) if isinstance(row, Served) else row for row in piece.rows]

    def _refill(self, piece: _Piece, kept: list[_Kept]) -> None:
        encode = self._shapes.encode
        rows = (row if isinstance(row, bytes) else encode(row) for _, _, row in kept)
        moved = len(kept) < len(piece.rows) or piece.name
        piece.seal(kept, b"\n".join(rows))
        if not moved:
            return
        for slot, identity in enumerate(piece.ids):
            self._index[identity] = (piece, slot)

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
            "open": [None if row is None else self._fragment(row) for row in last.rows],
            "shapes": self._shapes.state(),
            "latest": self._latest if self._latest > float("-inf") else None,
        }

    def _fragment(self, row: _Row) -> orjson.Fragment:
        return orjson.Fragment(row if isinstance(row, bytes) else self._shapes.encode(row))

    def restore(self, state: dict[str, Any], pieces: dict[str, bytes]) -> None:
        """Take up a state that `state` gave."""
        self._index.clear()
        self._warm.clear()
        self._pieces = []
        self._shapes.restore(state["shapes"])
        self._latest = float("-inf") if state["latest"] is None else state["latest"]
        for order, (name, gone) in enumerate(state["sealed"]):
            piece = _Piece(order)
            rows = pieces[name].split(b"\n")
            piece.seal([(*orjson.loads(row)[:2], row) for row in rows], pieces[name])
            piece.content = None
            self._pieces.append(piece)
            self._adopt(piece, b64decode(gone))
        self._next_order = len(self._pieces) + 1
        last = _Piece(len(self._pieces))
        for row in state["open"]:
            if row is None:
                last.add("", self._latest, None)
            else:
                self._index[row[0]] = (last, len(last.rows))
                last.add(row[0], row[1], _tight(orjson.dumps(row)))
        self._pieces.append(last)
        self.next_expiry = float("-inf")

    def _adopt(self, piece: _Piece, gone: bytes) -> None:
        for slot, identity in enumerate(piece.ids):
            if gone and gone[slot >> 3] >> (slot & 7) & 1:
                piece.remove(slot)
            else:
                self._index[identity] = (piece, slot)


def _tight(encoded: bytes) -> bytes:
    """Copy to a buffer of the right size: those of orjson keep 4 KB, however short the text."""
    return memoryview(encoded).tobytes()
