"""From blocks of bytes to whole lines, with a limit on what is kept of one line."""

from collections.abc import Iterable, Iterator
from hashlib import sha256

from stream.core.decode import long_row
from stream.core.records import Row

_BOM = b"\xef\xbb\xbf"


class LongLine:
    """A line longer than the limit: its head, its length and its digest.

    Parameters
    ----------
    limit
        How many bytes of it are kept.
    """

    __slots__ = ("_digest", "head", "limit", "size")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.head = b""
        self.size = 0
        self._digest = sha256()

    def add(self, piece: bytes) -> None:
        """Take the next bytes of the line."""
        if len(self.head) < self.limit:
            self.head += piece[: self.limit - len(self.head)]
        self.size += len(piece)
        self._digest.update(piece)

    def row(self) -> Row:
        """Give the row that stands for the line."""
        return long_row(self.head, self.size, self._digest.hexdigest(), self.limit)


def whole_lines(blocks: Iterable[bytes], limit: int) -> Iterator[bytes | LongLine]:
    """Cut blocks at line ends.

    Parameters
    ----------
    blocks
        Non-empty pieces of a file; a byte order mark at its start is taken off.
    limit
        Most bytes of a line, its LF not counted.

    Yields
    ------
    bytes or LongLine
        One or more lines joined by LF, without the last LF, none longer than the limit; or
        one line that is longer. How lines are grouped depends on the blocks, the lines do not.
    """
    pieces: list[bytes] = []
    held = 0
    long: LongLine | None = None
    for block in _without_bom(blocks):
        first = block.find(b"\n")
        if long is not None:
            long.add(block if first < 0 else block[:first])
            if first < 0:
                continue
            yield long
            long, block = None, block[first + 1 :]
        cut = block.rfind(b"\n")
        if cut >= 0:
            yield from _parted(b"".join((*pieces, block[:cut])), limit)
            pieces, held = [], 0
            block = block[cut + 1 :]
        if block:
            pieces.append(block)
            held += len(block)
        if held > limit:
            long = _begun(pieces, limit)
            pieces, held = [], 0
    if long is not None:
        yield long
    elif pieces:
        yield b"".join(pieces)


def _begun(pieces: list[bytes], limit: int) -> LongLine:
    long = LongLine(limit)
    for piece in pieces:
        long.add(piece)
    return long


def _parted(body: bytes, limit: int) -> Iterator[bytes | LongLine]:
    """Set the long ones among whole lines apart."""
    if len(body) <= limit:
        yield body
        return
    group: list[bytes] = []
    for line in body.split(b"\n"):
        if len(line) <= limit:
            group.append(line)
            continue
        if group:
            yield b"\n".join(group)
            group = []
        yield _begun([line], limit)
    if group:
        yield b"\n".join(group)


def _without_bom(blocks: Iterable[bytes]) -> Iterator[bytes]:
    head = b""
    rest = iter(blocks)
    for block in rest:
        head += block
        if len(head) >= len(_BOM):
            break
    head = head.removeprefix(_BOM)
    if head:
        yield head
    yield from rest
