"""Predictions that wait for their label: bounded, with a time to live.

They wait in pieces (see `segments`), in the order they came. The rows of the newest pieces
stay as they are, for labels that come soon; older ones are kept encoded, at a third of the
memory. A row is encoded once: for the first digest or checkpoint that finds it waiting, or
when its piece is no longer among the newest. Most are gone before that. A piece that has lost
most of its rows is merged with a neighbour, so that what is kept stays in proportion to what
is pending.

Which row lies in which piece so depends on when checkpoints were taken. The digest does not:
it is a sum over the rows that wait, each hashed with its place in the order of all that came.
"""

from base64 import b64decode, b64encode
from bisect import bisect_left
from collections import deque
from hashlib import sha256
from operator import attrgetter
from typing import Any

import orjson

from stream.core.compact import compact
from stream.core.segments import CAPACITY
from stream.core.served import Served, ServedRows, hash_of, id_of, sum_of

__all__ = ["Pending", "Served"]

_WARM = 8
"""Full pieces whose rows are kept as they are."""

_SPARSE = CAPACITY // 4
"""Rows below which a piece looks for a neighbour to merge with."""

_LOOK_EVERY = 64
"""Rows that a sparse piece loses between two such looks."""

_MOST_LEFT = 4096
"""Hashes of rows that are gone, after which they are taken off the sum."""

_MODULUS = 1 << 256
_NEVER = float("inf")


class _Piece:
    """Up to 2,048 rows in the order they came; a row that got its label is None."""

    __slots__ = (
        "alive", "codes", "content", "first", "full", "gone", "hashes", "head", "name", "order",
        "rows",
    )  # fmt: skip

    def __init__(self, order: int, first: int) -> None:
        self.order = order
        self.first = first  # place of its first row in the order of all, until rows are moved
        self.rows: list[Served | bytes | None] = []
        self.codes: list[bytes | None] = []  # of the rows up to the last that had to be encoded
        self.hashes: list[bytes | None] = []  # of those codes, while the rows are kept as they are
        self.alive = 0
        self.head = 0  # no row before it is alive
        self.full = False
        self.name = ""  # sha256 of the content, once that was asked for
        self.content: bytes | None = None  # until it is stored
        self.gone = bytearray()  # one bit for each row of the content that is no longer alive

    def living(self) -> list[bytes]:
        """Give its rows, all of which are encoded."""
        return [code for code in self.codes if code is not None]

    def hold(self, codes: list[bytes], rows: list[Served | bytes | None]) -> None:
        """Make it a piece of these rows, none of which is gone."""
        self.codes, self.rows, self.hashes = list(codes), rows, [None] * len(codes)
        self.alive, self.head = len(codes), 0
        self.name, self.content, self.gone = "", None, bytearray()

    def cool(self) -> None:
        """Keep its rows, all of which are encoded, in no other way."""
        self.rows, self.hashes = list(self.codes), []

    def seal(self) -> None:
        """Name its content, in which no row is gone."""
        self.content = b"\n".join(self.living())
        self.name = sha256(self.content).hexdigest()
        self.gone = bytearray((len(self.rows) + 7) // 8)


class Pending:
    """The predictions whose label has not come yet.

    Parameters
    ----------
    ttl
        How long one waits, in the unit of the watermark.
    most
        How many may wait; beyond it the oldest is evicted.

    Attributes
    ----------
    waiting
        Where the prediction of each id lies that waits; to be asked for ids, and no more.
    """

    def __init__(self, ttl: float, most: int) -> None:
        self.ttl = ttl
        self.most = most
        self.waiting: dict[str, tuple[_Piece, int]] = {}
        self._warm: deque[_Piece] = deque()
        self._codec = ServedRows()
        self._came = 0
        self._sum = 0  # of the hashes of all encoded rows
        self._left: list[bytes] = []  # hashes still in that sum, of rows that are gone
        self._latest = float("-inf")
        self._next_order = 0
        self._pieces: list[_Piece] = []
        self._open = self._begin()
        self.next_expiry = _NEVER

    def __len__(self) -> int:
        return len(self.waiting)

    def __contains__(self, identity: str) -> bool:
        return identity in self.waiting

    def add(self, served: Served) -> str | None:
        """Let a prediction wait; none is taken to have come before the one ahead of it.

        Gives the id of the oldest when it had to make room.
        """
        if served.arrived < self._latest:  # a watermark that is not warm yet may go back
            served.arrived = self._latest
        identity = served.id
        self._latest = served.arrived
        piece, index = self._open, self.waiting
        rows = piece.rows
        index[identity] = (piece, len(rows))
        self._codec.meet(served.features)
        rows.append(served)
        piece.alive += 1
        self._came += 1
        if len(index) == 1 or self.next_expiry == _NEVER:
            self.next_expiry = served.arrived + self.ttl
        if len(rows) == CAPACITY:
            self._close(piece)
        return self._evict() if len(index) > self.most else None

    def pop(self, identity: str) -> Served | None:
        """Take the prediction for this id out, None when none waits."""
        place = self.waiting.pop(identity, None)
        if place is None:
            return None
        row = self._take(*place)
        return self._codec.decode(row) if isinstance(row, bytes) else row

    def expire(self, watermark: float) -> list[str]:
        """Take out what has waited longer than the time to live; give the ids."""
        expired = []
        while (oldest := self._oldest()) is not None:
            self.next_expiry = oldest.arrived + self.ttl
            if self.next_expiry >= watermark:
                break
            self._take(*self.waiting.pop(oldest.id))
            expired.append(oldest.id)
        else:
            self.next_expiry = _NEVER
        return expired

    def _evict(self) -> str:
        oldest = self._oldest()
        assert oldest is not None
        self._take(*self.waiting.pop(oldest.id))
        return oldest.id

    def _take(self, piece: _Piece, slot: int) -> Served | bytes:
        row = piece.rows[slot]
        assert row is not None
        piece.rows[slot] = None
        piece.alive -= 1
        if slot < len(piece.codes):
            self._leave(piece, slot)
        if piece.alive < _SPARSE and piece.full and piece.alive % _LOOK_EVERY == 0:
            self._shrink(piece)
        return row

    def _leave(self, piece: _Piece, slot: int) -> None:
        """Take an encoded row out of the books."""
        code = piece.codes[slot]
        assert code is not None
        piece.codes[slot] = None
        known = piece.hashes[slot] if piece.hashes else None
        self._left.append(known or hash_of(code))
        if len(self._left) == _MOST_LEFT:
            self._add_up()
        if piece.name:
            piece.gone[slot >> 3] |= 1 << (slot & 7)

    def _oldest(self) -> Served | None:
        while True:
            piece = self._pieces[0]
            while piece.head < len(piece.rows):
                row = piece.rows[piece.head]
                if row is not None:
                    return self._codec.decode(row) if isinstance(row, bytes) else row
                piece.head += 1
            if piece is self._open:
                return None
            self._pieces.pop(0)

    def _begin(self) -> _Piece:
        piece = _Piece(self._next_order, self._came)
        self._next_order += 1
        self._pieces.append(piece)
        return piece

    def _close(self, piece: _Piece) -> None:
        piece.full = True
        if piece.alive:
            self._warm.append(piece)
            if len(self._warm) > _WARM:
                old = self._warm.popleft()
                self._encode(old)
                old.cool()
        else:
            self._pieces.pop()
        self._open = self._begin()

    def _encode(self, piece: _Piece) -> None:
        """Encode the rows that came since this was last done."""
        codes, added = piece.codes, list[bytes]()
        for slot in range(len(codes), len(piece.rows)):
            row, code, hashed = piece.rows[slot], None, None
            if row is not None:
                assert isinstance(row, Served), "a row that is kept encoded has its code"
                code = self._codec.encode(piece.first + slot, row)
                hashed = hash_of(code)
                added.append(hashed)
            codes.append(code)
            piece.hashes.append(hashed)
        self._sum += sum_of(added)

    def _add_up(self) -> None:
        self._sum = (self._sum - sum_of(self._left)) % _MODULUS
        self._left.clear()

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
                self._merge(first, second)
                return

    def _merge(self, first: _Piece, second: _Piece) -> None:
        self._encode(first)
        self._encode(second)
        codes = [*first.living(), *second.living()]
        first.hold(codes, list(codes))
        second.hold([], [])
        self._reindex(first)
        self._pieces.remove(second)

    def _reindex(self, piece: _Piece) -> None:
        for slot, row in enumerate(piece.rows):
            assert row is not None
            self.waiting[id_of(row) if isinstance(row, bytes) else row.id] = (piece, slot)

    def _seal(self) -> None:
        """See to it that each full piece has a name, and the open one is encoded."""
        for piece in self._pieces:
            self._encode(piece)
            if piece.name or not piece.full:
                continue
            if piece.alive < len(piece.rows):
                piece.hold(piece.living(), [row for row in piece.rows if row is not None])
                self._reindex(piece)
            piece.seal()

    def pieces(self) -> dict[str, bytes | None]:
        """Give the full pieces by name; None for those said to be `stored` already."""
        self._seal()
        return {piece.name: piece.content for piece in self._pieces[:-1]}

    def stored(self) -> None:
        """Hear that all full pieces are stored, so that their bytes can be let go."""
        for piece in self._pieces:
            piece.content = None

    def essence(self) -> dict[str, Any]:
        """Give what the digest of the state is made of: not how rows lie in pieces."""
        for piece in self._pieces:
            self._encode(piece)
        self._add_up()
        return {
            "rows": len(self.waiting),
            "sum": f"{self._sum:064x}",
            "came": self._came,
            "shapes": self._codec.state(),
            "latest": self._latest if self._latest > float("-inf") else None,
        }

    def state(self) -> dict[str, Any]:
        """Give the state as JSON for orjson; full pieces by name and what is gone of each."""
        self._seal()
        return {
            "sealed": [
                [piece.name, b64encode(piece.gone).decode() if any(piece.gone) else ""]
                for piece in self._pieces[:-1]
            ],
            "open": list(map(orjson.Fragment, self._open.living())),
            "came": self._came,
            "shapes": self._codec.state(),
            "latest": self._latest if self._latest > float("-inf") else None,
        }

    def restore(self, state: dict[str, Any], pieces: dict[str, bytes]) -> None:
        """Take up a state that `state` gave."""
        self.waiting.clear()
        self._warm.clear()
        self._codec.restore(state["shapes"])
        self._latest = float("-inf") if state["latest"] is None else state["latest"]
        self._pieces, self._sum, self._next_order = [], 0, 0
        self._left.clear()
        for name, gone in state["sealed"]:
            piece = self._begin()
            self._fill(piece, pieces[name].split(b"\n"))
            piece.seal()
            piece.full, piece.content = True, None
            self._take_out(piece, b64decode(gone))
        rows = list(map(compact, state["open"]))
        self._came = state["came"] - len(rows)
        self._open = self._begin()
        self._fill(self._open, rows)
        self._came = state["came"]
        self.next_expiry = float("-inf")

    def _fill(self, piece: _Piece, codes: list[bytes]) -> None:
        piece.hold(codes, list(codes))
        self._sum += sum_of(list(map(hash_of, codes)))
        self._reindex(piece)

    def _take_out(self, piece: _Piece, gone: bytes) -> None:
        for slot, row in enumerate(piece.rows):
            if gone and gone[slot >> 3] >> (slot & 7) & 1:
                assert isinstance(row, bytes)
                del self.waiting[id_of(row)]
                piece.rows[slot] = None
                piece.alive -= 1
                self._leave(piece, slot)
