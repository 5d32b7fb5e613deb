"""A checkpoint, or a model, as bytes: a signed header, plain JSON, and pickles opened last.

Layout: a magic line, the header as one line of JSON, the sections one after another, and
the HMAC-SHA256 of all of that as the last line. Nothing is unpickled before the signature
has been found right.
"""

import hmac
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib import metadata
from platform import python_version
from typing import Any, NotRequired

import orjson
from typing_extensions import TypedDict  # pydantic needs it before Python 3.12

from stream.core.errors import CheckpointError
from stream.core.partition import Partition
from stream.core.whole import (
    OBJECTS,
    Objects,
    Part,
    objects_of,
    pieces_of,
    plain_state,
    recast,
    restore,
)
from stream.state.keys import ENVIRONMENT, Key
from stream.state.pickling import AllowList, dumps, loads

_NAME = b"driftline checkpoint "
_MAGIC = _NAME + b"2\n"  # another number whenever the state is written in another way
_MOST_DIGITS = 9
_SIGNATURE = 65  # a line feed and 64 hex digits
_SECTIONS = ("plain", "objects")


class Manifest(TypedDict):
    """The small record that announces a checkpoint.

    Attributes
    ----------
    log
        On Kafka: the cluster, and ids and partitions of the input topics that `position` is in.
    journal
        On Kafka, with two input topics: the `seq` of the journal entry committed with it.
    """

    checkpoint: str
    blob: str
    position: dict[str, int]
    reason: str
    parent: str | None
    model: str
    versions: dict[str, str]
    config_digest: str
    bytes: int
    hmac: str
    name: str
    partition: int
    pinned: bool
    log: NotRequired[dict[str, Any]]
    journal: NotRequired[int]


@dataclass(frozen=True, slots=True)
class Context:
    """What a checkpoint says about where it comes from.

    Attributes
    ----------
    config
        The resolved configuration, as JSON values.
    config_digest
        Its digest.
    """

    name: str
    config: dict[str, Any]
    config_digest: str


@dataclass(frozen=True, slots=True)
class Blob:
    """A checkpoint whose signature is right; still nothing of it is unpickled."""

    header: dict[str, Any]
    sections: dict[str, bytes]
    size: int
    sha256: str
    hmac: str


version = cache(metadata.version)  # each call reads a file, and leaves garbage in cycles


def versions() -> dict[str, str]:
    """Give the versions that decide whether a state can be read again."""
    return {
        "river": version("river"),
        "numpy": version("numpy"),
        "python": python_version(),
        "driftline": version("driftline"),
    }


def pack(
    partition: Partition, context: Context, key: Key, reason: str, parent: str | None, pinned: bool
) -> tuple[Manifest, bytes]:
    """Write the state of a partition down; its full pieces are stored apart."""
    sections = (
        plain_state(partition),
        dumps(tuple(objects_of(partition))),
    )
    header = {
        "checkpoint": partition.digest(),
        "position": dict(partition.position),
        "reason": reason,
        "parent": parent,
        "model": partition.model,
        "versions": versions(),
        "config_digest": context.config_digest,
        "name": context.name,
        "partition": partition.number,
        "pinned": pinned,
    }
    inside = {
        **header,
        "key": key.name,
        "config": context.config,
        "pieces": list(pieces_of(partition)),
        "sections": [len(section) for section in sections],
    }
    data = _signed(inside, sections, key)
    manifest = Manifest(
        **header,  # type: ignore[typeddict-item]  # the keys above are those of Manifest
        blob=sha256(data).hexdigest(),
        bytes=len(data),
        hmac=data[-_SIGNATURE + 1 :].decode(),
    )
    return manifest, data


def pack_model(estimator: object, about: dict[str, Any], context: Context, key: Key) -> bytes:
    """Write a model down that was made beside the stream, with what model records tell of it."""
    sections = (orjson.dumps(about), dumps((estimator, [], [])))
    inside = {
        "versions": versions(),
        "config_digest": context.config_digest,
        "name": context.name,
        "key": key.name,
        "pieces": [],
        "sections": [len(section) for section in sections],
    }
    return _signed(inside, sections, key)


def _signed(inside: dict[str, Any], sections: Sequence[bytes], key: Key) -> bytes:
    body = b"".join((_MAGIC, orjson.dumps(inside), b"\n", *sections))
    return body + b"\n" + _sign(body, key).encode()


def unpack(data: bytes, key: Key, where: str) -> Blob:
    """Check a checkpoint's signature and take it apart, without unpickling anything.

    Raises
    ------
    CheckpointError
        It is no checkpoint, was changed or cut short, or was signed with another key.
    """
    header = peek(data, where)
    body, signature = data[:-_SIGNATURE], data[-_SIGNATURE + 1 :]
    if not hmac.compare_digest(_sign(body, key).encode(), signature):
        if header.get("key") != key.name:
            raise CheckpointError(
                f"{where}: signed with another key ({header.get('key')}, and this one from "
                f"{key.origin} is {key.name}); set {ENVIRONMENT} to the key it was made with"
            )
        raise CheckpointError(
            f"{where}: changed or cut short since it was written (its signature does not fit); "
            f"go back to an older checkpoint, or replay with --fresh"
        )
    start = len(_MAGIC) + data[len(_MAGIC) :].index(b"\n") + 1
    sections = {}
    for name, length in zip(_SECTIONS, header["sections"], strict=True):
        sections[name] = body[start : start + length]
        start += length
    return Blob(header, sections, len(data), sha256(data).hexdigest(), signature.decode())


def peek(data: bytes, where: str) -> dict[str, Any]:
    """Read the header without trusting it; enough of the head of the bytes will do."""
    if not data.startswith(_MAGIC):
        other = data.removeprefix(_NAME).partition(b"\n")[0]
        if data.startswith(_NAME) and other.isdigit() and len(other) < _MOST_DIGITS:
            raise CheckpointError(
                f"{where}: of format {other.decode()}, and this driftline reads "
                f"{_MAGIC[len(_NAME) : -1].decode()}; go on with the version that wrote it, or "
                f"replay with --fresh"
            )
        raise CheckpointError(f"{where}: not a driftline checkpoint (or cut short)")
    line, found, _ = data[len(_MAGIC) :].partition(b"\n")
    try:
        header = orjson.loads(line) if found else None
    except orjson.JSONDecodeError:
        header = None
    if not isinstance(header, dict):
        raise CheckpointError(
            f"{where}: its header was changed or cut short; go back to an older checkpoint"
        )
    return header


def check_versions(header: dict[str, Any], where: str) -> None:
    """Refuse what another minor version of River wrote: its pickles do not cross minors."""
    made, here = header["versions"]["river"], version("river")
    if made.split(".")[:2] != here.split(".")[:2]:
        raise CheckpointError(
            f"{where}: made with River {made}, and this is River {here}, which cannot read its "
            f"learners; install river=={made}, or replay the history with --fresh"
        )


def revive(blob: Blob, allowed: AllowList) -> Objects:
    """Unpickle the objects of a checkpoint whose signature has been checked."""
    return recast(loads(blob.sections["objects"], allowed))


def put_back(
    partition: Partition,
    blob: Blob,
    allowed: AllowList,
    pieces: dict[str, bytes],
    fresh: Collection[Part] = (),
) -> None:
    """Make a fresh partition the one that was written down, but for the parts in `fresh`."""
    objects = None if OBJECTS.issubset(fresh) else revive(blob, allowed)
    restore(partition, blob.sections["plain"], objects, pieces, fresh)


def _sign(body: bytes, key: Key) -> str:
    return hmac.new(key.secret, body, "sha256").hexdigest()
