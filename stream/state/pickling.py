"""Library objects to bytes and back: small, and never running what they name.

`dumps` leaves out generators that nothing draws from, which are most of a Hoeffding tree's
pickle. `loads` lets a pickle name nothing that is not on its list.
"""

import io
import pickle
import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from stream.core.canonical import holds_unused_generator
from stream.core.errors import CheckpointError
from stream.state.allowed import AllowList, allow_list

__all__ = ["AllowList", "allow_list_of", "dumps", "loads"]

_PROTOCOL: Final = 5
_DEEPEST: Final = 25_000  # frames of the pickler; a tree takes three a level

# What a damaged or foreign pickle makes the unpickler raise.
_DAMAGE: Final = (
    pickle.UnpicklingError, AttributeError, EOFError, ImportError, IndexError, KeyError,
    MemoryError, OverflowError, TypeError, ValueError,
)  # fmt: skip


def dumps(obj: object) -> bytes:
    """Pickle an object, leaving out its unused generators.

    They come back as fresh ones, as `seed=None` promises no more.

    Parameters
    ----------
    obj
        A learner, a list of detectors, or anything else.

    Raises
    ------
    CheckpointError
        Something in it cannot be pickled: a lambda, an open file, a lock.
    """
    buffer = io.BytesIO()
    try:
        with _deep():
            _Pickler(buffer, _PROTOCOL).dump(obj)
    except (pickle.PicklingError, TypeError, AttributeError, RecursionError) as error:
        raise CheckpointError(
            f"a {type(obj).__qualname__} cannot be written to a checkpoint: {error}"
        ) from error
    return buffer.getvalue()


def loads(data: bytes, allowed: AllowList) -> object:
    """Unpickle what `dumps` gave, as long as it names nothing that is not allowed.

    Parameters
    ----------
    data
        Bytes whose signature has been checked.
    allowed
        Every name that may occur in them.

    Raises
    ------
    CheckpointError
        The bytes name something else (it is not run), or are damaged.
    """
    try:
        return _Unpickler(data, allowed).load()
    except _DAMAGE as error:
        raise CheckpointError(
            f"the objects in a checkpoint cannot be read ({type(error).__name__}: {error}); "
            f"go back to an older checkpoint, or replay with --fresh"
        ) from error


def allow_list_of(*fresh: object) -> AllowList:
    """Give the names that checkpoints of some freshly built objects may hold.

    Parameters
    ----------
    fresh
        The untrained learner and detectors that the configuration describes.

    Raises
    ------
    CheckpointError
        One of them cannot be pickled.
    """
    present: set[tuple[str, str]] = set()
    for obj in fresh:
        recorder = _Recorder(io.BytesIO(dumps(obj)))
        recorder.load()
        present |= recorder.names
    return allow_list(present)


class _Pickler(pickle.Pickler):
    """Puts one generator in the place of all unused ones, and writes that one without its state."""

    def __init__(self, file: io.BytesIO, protocol: int) -> None:
        super().__init__(file, protocol)
        self._spare = random.Random(0)

    def reducer_override(self, obj: Any) -> Any:
        if obj is self._spare:
            return random.Random, ()
        if not holds_unused_generator(obj):
            return NotImplemented
        make, args, state, *rest = obj.__reduce_ex__(_PROTOCOL)
        return (make, args, {**state, "_rng": self._spare}, *rest)


class _Unpickler(pickle.Unpickler):
    def __init__(self, data: bytes, allowed: AllowList) -> None:
        super().__init__(io.BytesIO(data))
        self._names = allowed.names

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self._names:
            raise CheckpointError(
                f"a checkpoint names {module}.{name}, which the configured learner does not "
                f"consist of; nothing of it was run. If the learner's class changed since, "
                f"replay with --fresh; if not, do not trust this file"
            )
        return super().find_class(module, name)


class _Recorder(pickle.Unpickler):
    """Notes what the pickle of an object made here and now names."""

    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file)
        self.names: set[tuple[str, str]] = set()

    def find_class(self, module: str, name: str) -> Any:
        self.names.add((module, name))
        return super().find_class(module, name)


@contextmanager
def _deep() -> Iterator[None]:
    """Let the pickler, which recurses, go down a deep tree."""
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(max(limit, _DEEPEST))
    try:
        yield
    finally:
        sys.setrecursionlimit(limit)
