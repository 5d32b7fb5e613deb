"""Library objects to bytes and back: small, and never running what they name.

`dumps` leaves out generators that nothing draws from, which are most of a Hoeffding tree's
pickle. `loads` lets a pickle name nothing that is not on its list.
"""

import io
import pickle
import random
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import BuiltinMethodType, MethodDescriptorType, MethodType, ModuleType
from typing import Any, Final

from stream.core.canonical import holds_unused_generator, may_hold_unused_generator
from stream.core.errors import CheckpointError
from stream.state.allowed import AllowList, allow_list

__all__ = ["AllowList", "allow_list_of", "bound", "dumps", "grown", "loads", "text_method"]

_PROTOCOL: Final = 5
_DEEPEST: Final = 10_000  # calls of the pickler in itself, some 2,000 objects one inside another
_TEXT_METHODS: Final = frozenset({"casefold", "lower", "split", "strip", "upper"})
_SEARCH_TREES: Final = frozenset({"EBSTNode", "ExhaustiveNode"})

# What a damaged or foreign pickle makes the unpickler raise.
_DAMAGE: Final = (
    pickle.PickleError, ArithmeticError, AttributeError, EOFError, ImportError, IndexError,
    KeyError, MemoryError, TypeError, ValueError,
)  # fmt: skip


_LOOKED_AT: Final = frozenset({random.Random, MethodDescriptorType, BuiltinMethodType})

_ordinary: set[type] = set()
"""Classes found to be pickled as they are, whatever the object."""


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


def bound(function: Any, owner: object) -> MethodType:
    """Put a bound method together again; Python's own way would need `getattr` on the list."""
    return MethodType(function, owner)


def text_method(name: str) -> Any:
    """Give a method of `str`, as River's vectorizers hold them to prepare a text."""
    if name not in _TEXT_METHODS:
        raise pickle.UnpicklingError(f"str.{name} is not on the list")
    return getattr(str, name)


def grown(
    cls: Any, states: Sequence[Mapping[str, Any]], children: Sequence[tuple[int, int]]
) -> object:
    """Put a binary search tree together again that `_felled` took apart."""
    if not _is_search_tree(cls):
        raise pickle.UnpicklingError(f"{cls!r} is no class of a search tree's nodes")
    nodes: list[Any] = [cls.__new__(cls) for _ in states]
    for node, state, (left, right) in zip(nodes, states, children, strict=True):
        for name, value in state.items():
            setattr(node, name, value)
        node._left = nodes[left] if left else None
        node._right = nodes[right] if right else None
    return nodes[0]


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
        cls = type(obj)
        if cls in _ordinary:
            return NotImplemented
        if obj is self._spare:
            return random.Random, ()
        if cls is MethodType:
            return bound, (obj.__func__, obj.__self__)
        if (
            cls is MethodDescriptorType
            and obj.__objclass__ is str
            and obj.__name__ in _TEXT_METHODS
        ):
            return text_method, (obj.__name__,)
        if cls is BuiltinMethodType and not isinstance(obj.__self__, ModuleType | None):
            raise pickle.PicklingError(f"{obj!r} is a method of a built-in object")
        if _is_search_tree(cls):
            return grown, _felled(obj)
        if not holds_unused_generator(obj):
            if not may_hold_unused_generator(cls) and cls not in _LOOKED_AT:
                _ordinary.add(cls)
            return NotImplemented
        make, args, state, *rest = obj.__reduce_ex__(_PROTOCOL)
        return (make, args, {**state, "_rng": self._spare}, *rest)


def _is_search_tree(cls: type) -> bool:
    return cls.__name__ in _SEARCH_TREES and cls.__module__.startswith("river.tree.splitter.")


def _felled(root: Any) -> tuple[type, list[dict[str, Any]], list[tuple[int, int]]]:
    """Take a binary search tree apart into its nodes' own states, and where their children are.

    A feature that only grows makes such a tree as deep as it has values, and the pickler, going
    from node to node, would run out of stack.
    """
    nodes, children = [root], []
    for node in nodes:  # which grows on the way
        places = []
        for child in (node._left, node._right):
            places.append(len(nodes) if child is not None else 0)
            if child is not None:
                nodes.append(child)
        children.append((places[0], places[1]))
    names = [name for name in type(root).__slots__ if name not in ("_left", "_right")]
    return type(root), [{name: getattr(node, name) for name in names} for node in nodes], children


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
