"""Where checkpoints are kept: a folder or bucket, content-addressed, collected by its owner.

``STORE/PARTITION/SHA256.ckpt`` are checkpoints, ``STORE/PARTITION/pieces/SHA256`` the full
pieces that they refer to, ``STORE/PARTITION/models/SHA256.ckpt`` models that were made beside
the stream. A file appears under its name only when all of it is on disk.
"""

import os
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

import fsspec

from stream.core.errors import CheckpointError, CheckpointMissingError
from stream.core.partition import Partition
from stream.core.whole import OBJECTS, Part, pieces_of
from stream.state.blob import Blob, Context, Manifest, check_versions, pack, peek, put_back, unpack
from stream.state.keys import Key
from stream.state.pickling import AllowList

_HEAD = 1 << 20
"""Bytes of a checkpoint that are sure to hold its header."""


def _no_step(point: str) -> None:
    """Do nothing at a named step."""


class CheckpointStore:
    """The checkpoints of one partition.

    Parameters
    ----------
    url
        A path or any fsspec URL.
    number
        The partition; nothing outside its folder is touched.
    key
        What checkpoints are signed with.
    step
        Called at the named steps of writing, for tests that kill the process there.
    since
        Seconds since the epoch; what nobody has announced is collected only when it was there
        before. None where nobody else can be writing, so that all of it is collected.
    """

    def __init__(
        self,
        url: str,
        number: int,
        key: Key,
        step: Callable[[str], None] = _no_step,
        since: float | None = None,
    ) -> None:
        self.url = url
        self.key = key
        self._step = step
        self._since = since
        self._fs, root = fsspec.core.url_to_fs(url)
        self._root = f"{root.rstrip('/')}/{number}"
        self._local = self._fs.protocol == "file" or "file" in self._fs.protocol
        self._pieces: dict[str, frozenset[str]] = {}
        self._known: set[str] = set()

    def save(
        self, partition: Partition, context: Context, reason: str, parent: str | None, pinned: bool
    ) -> Manifest:
        """Write a checkpoint of the partition as it is now; gives its manifest."""
        pieces = pieces_of(partition)
        manifest, data = pack(partition, context, self.key, reason, parent, pinned)
        new = {name: content for name, content in pieces.items() if name not in self._known}
        for name, content in new.items():
            assert content is not None, "a piece that is not stored has its bytes"
            self._put(f"pieces/{name}", content, lasting=False)
        if new and self._local:
            sync_folder(Path(self._root) / "pieces")
        self._known.update(new)
        self._put(f"{manifest['blob']}.ckpt", data)
        self._pieces[manifest["blob"]] = frozenset(pieces)
        partition.pending.stored()
        self._step("blob.done")
        return manifest

    def load(self, blob: str, *, any_version: bool = False) -> Blob:
        """Read a checkpoint by the sha256 of its bytes, and check it.

        Parameters
        ----------
        any_version
            Whether one that another River wrote will do, since its objects are not wanted.

        Raises
        ------
        CheckpointError
            It is missing, damaged, signed with another key or from another River.
        """
        where = f"checkpoint {blob[:12]} in {self.url}"
        return self._checked(self.raw(blob), blob, where, any_version=any_version)

    def _checked(self, data: bytes, blob: str, where: str, *, any_version: bool = False) -> Blob:
        loaded = unpack(data, self.key, where)
        if loaded.sha256 != blob:
            raise CheckpointError(f"{where}: another checkpoint lies under this name; remove it")
        if not any_version:
            check_versions(loaded.header, where)
        return loaded

    def save_model(self, data: bytes, keep: int) -> str:
        """Keep a model, and the newest of those before, `keep` in all; gives its sha256."""
        name = sha256(data).hexdigest()
        self._put(f"models/{name}.ckpt", data)
        try:
            here = self._list("models")
            others = [each for each in here if each[0] != "." and each != f"{name}.ckpt"]
            others.sort(key=lambda each: self._fs.modified(f"{self._root}/models/{each}"))
            for each in others[: max(len(others) - keep + 1, 0)]:
                self._remove(f"models/{each}")
        except (OSError, NotImplementedError):
            pass  # those that are too many stay
        return name

    def load_model(self, name: str) -> Blob:
        """Read a model by the sha256 of its bytes, and check it; raises as `load` does."""
        where = f"model {name[:12]} in {self.url}"
        return self._checked(self._get(f"models/{name}.ckpt", where), name, where)

    def raw(self, blob: str) -> bytes:
        """Give the bytes of a checkpoint as they lie there, unchecked."""
        return self._get(f"{blob}.ckpt", f"checkpoint {blob[:12]} in {self.url}")

    def restore(
        self,
        partition: Partition,
        blob: str,
        allowed: AllowList,
        fresh: Collection[Part] = (),
    ) -> None:
        """Make a fresh partition the one that was saved, but for the parts in `fresh`."""
        loaded = self.load(blob, any_version=OBJECTS.issubset(fresh))
        pieces = self.pieces(loaded)
        put_back(partition, loaded, allowed, pieces, fresh)
        self._known.update(pieces)
        self._pieces[blob] = frozenset(pieces)

    def pieces(self, loaded: Blob) -> dict[str, bytes]:
        """Read the pieces that a checkpoint refers to, and check them."""
        pieces = {}
        for name in loaded.header["pieces"]:
            where = f"piece {name[:12]} in {self.url}"
            pieces[name] = self._get(f"pieces/{name}", where)
            if sha256(pieces[name]).hexdigest() != name:
                raise CheckpointError(f"{where}: changed since it was written; replay with --fresh")
        return pieces

    def blobs(self) -> list[str]:
        """Give the names of the checkpoints that are there."""
        return sorted(n.removesuffix(".ckpt") for n in self._list("") if n.endswith(".ckpt"))

    def header(self, blob: str) -> dict[str, Any]:
        """Read a checkpoint's header; its signature is not checked."""
        with self._fs.open(f"{self._root}/{blob}.ckpt", "rb") as file:
            return peek(file.read(_HEAD), f"checkpoint {blob[:12]} in {self.url}")

    def collect(self, keep: Iterable[str], superseded: Collection[str] = ()) -> None:
        """Remove checkpoints that are not kept, and the pieces that none of those kept needs.

        What is neither kept nor superseded was left by somebody who was killed, or belongs to
        somebody who has taken the partition over while this process was suspended: see `since`.

        Raises
        ------
        CheckpointError
            The store cannot be read or takes no changes.
        """
        try:
            here = set(self.blobs())
            kept = here.intersection(keep)
            gone = (here - kept).intersection(superseded)
            needed, loose = self._pieces_of(kept), self._pieces_of(gone)
            others = [n for n in self._list("") if n.startswith(".")]
            others += [f"{blob}.ckpt" for blob in here - kept - gone]
            for name in (*(f"{blob}.ckpt" for blob in gone), *filter(self._left, others)):
                self._remove(name)
            for piece in self._list("pieces"):
                if piece not in needed and (piece in loose or self._left(f"pieces/{piece}")):
                    self._remove(f"pieces/{piece}")
        except OSError as error:
            raise CheckpointError(f"{self.url}: cannot be cleared up: {error}") from error
        self._pieces = {blob: self._pieces[blob] for blob in kept}
        self._known = needed

    def _pieces_of(self, blobs: Collection[str]) -> set[str]:
        for blob in blobs:
            if blob not in self._pieces:
                self._pieces[blob] = frozenset(self.header(blob)["pieces"])
        return set[str]().union(*(self._pieces[blob] for blob in blobs))

    def _left(self, name: str) -> bool:
        """Whether nobody who is alive can have written a file that nobody has announced."""
        if self._since is None:
            return True
        with suppress(FileNotFoundError, NotImplementedError):
            return bool(self._fs.modified(f"{self._root}/{name}").timestamp() < self._since)
        return False

    def _remove(self, name: str) -> None:
        with suppress(FileNotFoundError):  # a former owner that was suspended may be at it too
            self._fs.rm_file(f"{self._root}/{name}")

    def clear(self) -> None:
        """Remove everything of this partition."""
        if self._fs.exists(self._root):
            self._fs.rm(self._root, recursive=True)
        self._known.clear()
        self._pieces.clear()

    def _list(self, folder: str) -> list[str]:
        path = f"{self._root}/{folder}".rstrip("/")
        if not self._fs.isdir(path):
            return []
        self._fs.invalidate_cache()
        return [name.rsplit("/", 1)[-1] for name in self._fs.ls(path, detail=False)]

    def _get(self, name: str, where: str) -> bytes:
        try:
            data: bytes = self._fs.cat_file(f"{self._root}/{name}")
        except FileNotFoundError:
            raise CheckpointMissingError(
                f"{where}: not there; go back to an older checkpoint, or replay with --fresh"
            ) from None
        except OSError as error:
            raise CheckpointError(f"{where}: cannot be read: {error}") from error
        return data

    def _put(self, name: str, data: bytes, lasting: bool = True) -> None:
        """Write a file; its name lasts through a power cut, or will when its folder is synced."""
        path = f"{self._root}/{name}"
        try:
            if self._local:
                self._put_file(Path(path), data, lasting)
            else:
                self._fs.makedirs(path.rsplit("/", 1)[0], exist_ok=True)
                self._fs.pipe_file(path, data)
        except OSError as error:
            raise CheckpointError(
                f"{self.url}: a checkpoint cannot be written: {error}; the run can go on from "
                f"its last commit once the store takes files again"
            ) from error

    def _put_file(self, path: Path, data: bytes, lasting: bool) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        with temporary.open("wb") as file:
            file.write(data)
            self._step("blob.write")
            file.flush()
            os.fsync(file.fileno())
        self._step("blob.rename")
        temporary.rename(path)
        if lasting:
            sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
