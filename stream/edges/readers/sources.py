"""The bytes of a file, plain or unpacked, and what identifies it."""

import os
import zlib
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO

from stream.core.errors import SourceError

BLOCK = 1 << 16
_ZST_PIECE = 1 << 8
_ENDS = 1 << 16


class ByteSource:
    """A file as an iterator of blocks of bytes, unpacked where its name ends in .gz or .zst.

    Parameters
    ----------
    path
        The file.
    block
        Most bytes read at once. Unpacked blocks may be smaller; those of .zst may be larger.

    Raises
    ------
    SourceError
        The file cannot be opened; while iterating: it is damaged, cut short or unreadable.
    """

    def __init__(self, path: Path, block: int = BLOCK) -> None:
        self.path = path
        self._file = open_binary(path)
        try:
            self._blocks = _UNPACK.get(path.suffix.lower(), _plain)(self._file, block)
        except SourceError:
            self._file.close()
            raise

    def __iter__(self) -> Iterator[bytes]:
        """Iterate over the blocks; the file is read once."""
        try:
            yield from self._blocks
        except OSError as error:
            raise _unreadable(self.path, error) from error

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def open_binary(path: Path) -> BinaryIO:
    """Open a file for unbuffered reading, or say in one line why that is not possible."""
    try:
        return open(path, "rb", buffering=0)
    except FileNotFoundError:
        where = "" if path.is_absolute() else f" in {Path.cwd()}"
        raise SourceError(f"{path}: there is no such file{where}; check the path") from None
    except IsADirectoryError:
        raise SourceError(f"{path}: is a folder; name one file in it") from None
    except PermissionError:
        raise SourceError(f"{path}: may not be read by this user; change its permissions") from None
    except OSError as error:
        raise _unreadable(path, error) from error


def fingerprint(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Identify the contents of a file, cheaply and wherever it lies.

    Returns
    -------
    dict
        ``size`` in bytes and ``sha256`` (hex) of its first 64 KiB, its last 64 KiB and its
        size in decimal. Neither path nor modification time are part of it.

    Raises
    ------
    SourceError
        The file cannot be read.
    """
    with open_binary(Path(path)) as file:
        try:
            size = os.fstat(file.fileno()).st_size
            digest = sha256(_read_exactly(file, _ENDS))
            file.seek(max(0, size - _ENDS))
            digest.update(_read_exactly(file, _ENDS))
        except OSError as error:
            raise _unreadable(Path(path), error) from error
    digest.update(b"%d" % size)
    return {"size": size, "sha256": digest.hexdigest()}


def _read_exactly(file: BinaryIO, size: int) -> bytes:
    pieces = []
    while size > 0 and (piece := file.read(size)):
        pieces.append(piece)
        size -= len(piece)
    return b"".join(pieces)


def _plain(file: BinaryIO, block: int) -> Iterator[bytes]:
    while data := file.read(block):
        yield data


def _gunzip(file: BinaryIO, block: int) -> Iterator[bytes]:
    """Unpack all members, at most `block` bytes at a time.

    `gzip.open` would lose the bytes it had unpacked before the place of the damage.
    """
    data = file.read(block)
    while True:
        member = zlib.decompressobj(wbits=31)
        while not member.eof:
            data = data or file.read(block)
            try:
                out = member.decompress(data, block)
            except zlib.error as error:
                raise _damaged(file, str(error)) from error
            if not (data or out):
                raise _damaged(file, "unexpected end of file")
            data = member.unconsumed_tail
            if out:
                yield out
        data = _next_member(file, member.unused_data, block)
        if not data:
            return


def _next_member(file: BinaryIO, data: bytes, block: int) -> bytes:
    """Pass the zeros that gzip allows after a member; empty at the end of the file."""
    data = data.lstrip(b"\0")
    while not data:
        data = file.read(block)
        if not data:
            break
        data = data.lstrip(b"\0")
    return data


def _unzst(file: BinaryIO, block: int) -> Iterator[bytes]:
    try:
        import zstandard
    except ImportError:
        raise SourceError(
            f'{file.name}: reading .zst needs zstandard: pip install "driftline[zst]"'
        ) from None
    return _frames(file, block, zstandard)


def _frames(file: BinaryIO, block: int, zstandard: Any) -> Iterator[bytes]:
    """Unpack all frames.

    The stream reader of zstandard ends silently where a file was cut short. Its other
    interface does not, but returns all that it has: 32 KB for each byte of input at most,
    so it gets few at a time, and what it usually gives is put together.
    """
    frame = zstandard.ZstdDecompressor().decompressobj()
    data = file.read(min(block, _ZST_PIECE))
    pieces: list[bytes] = []
    size = 0
    trouble = ""
    while (data or not frame.eof) and not trouble:
        if frame.eof:
            frame = zstandard.ZstdDecompressor().decompressobj()
        try:
            pieces.append(frame.decompress(data))
        except zstandard.ZstdError as error:
            trouble = str(error)
        else:
            size += len(pieces[-1])
        if not (data or frame.eof):
            trouble = "unexpected end of file"
        if size >= block:
            yield b"".join(pieces)
            pieces, size = [], 0
        data = (frame.eof and frame.unused_data) or file.read(min(block, _ZST_PIECE))
    if size:
        yield b"".join(pieces)
    if trouble:
        raise _damaged(file, trouble)


def _damaged(file: BinaryIO, detail: str) -> SourceError:
    return SourceError(
        f"{file.name}: damaged or cut short ({detail}); fetch or compress the file again"
    )


def _unreadable(path: Path, error: OSError) -> SourceError:
    return SourceError(f"{path}: cannot be read ({error.strerror or error}); check the disk")


_UNPACK = {".gz": _gunzip, ".zst": _unzst}
