"""One digest for equal state, however the state came about.

Pickle bytes are no such digest: they tell apart two equal texts by whether they are the same
object in memory. Here the object graph is flattened, without recursion, into one list of
plain values and markers, which `marshal` (version 2: no references, exact floats) turns into
bytes:

- what cannot change (numbers, texts, tuples, numpy scalars) counts by type and value;
- what can change is numbered at its first visit and referred to by number after that, so
  shared objects and cycles come out the same after a pickle round trip, and sharing counts;
- dictionaries are taken in order, sets sorted by the encoding of their members;
- classes and functions count by qualified name, arrays by dtype, shape and bytes;
- generators that nothing draws from are left out (`UNUSED_GENERATORS`).
"""

import copyreg
import datetime
import decimal
import enum
import fractions
import hashlib
import itertools
import marshal
import pickle
import random
import types
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import numpy as np

from stream.core.errors import CheckpointError

UNUSED_GENERATORS: Final = frozenset({"river.proba.base.Distribution"})
"""Classes whose instances, when their `seed` is None, hold a `_rng` that nothing draws from.

A distribution draws only in `sample`, which no learner calls on one without a seed. Its
generator is 3.8 KB of state that differs from run to run. (Ensembles without a seed do draw,
so theirs is kept, and counts.)
"""

Emit = Callable[[Any, "_Walk"], None]

_ATOMS = frozenset({bool, int, float, str, bytes, complex, type(None)})
_LATER = Ellipsis  # holds the place, in a run of values, of one that is encoded after the run
_VALUES = (
    type, enum.Enum, tuple, int, float, complex, str, bytes,
    datetime.date, datetime.time, datetime.timedelta, datetime.tzinfo,
    decimal.Decimal, fractions.Fraction, np.dtype, np.generic, range, slice,
)  # fmt: skip


def canonical_digest(*objects: object) -> str:
    """Give the digest of the state that some objects are in.

    Parameters
    ----------
    objects
        Anything that can be pickled: learners, detectors, plain containers. Each is taken by
        itself: what two of them share counts twice.

    Returns
    -------
    str
        64 hexadecimal digits (SHA-256), equal for equal state whatever its history: grown in
        place, restored from a pickle, or deep-copied.

    Raises
    ------
    CheckpointError
        Something in there has no state that could be written down: an open file, a lock, a
        generator, a lambda.

    Examples
    --------
    >>> canonical_digest({"n": 1, "mean": 0.5}) == canonical_digest({"n": 1, "mean": 0.5})
    True
    >>> canonical_digest({1, 2}) == canonical_digest([1, 2])
    False
    """
    digest = hashlib.sha256()
    for obj in objects:
        encoded = _Walk(obj).run()
        digest.update(b"%d:" % len(encoded))
        digest.update(encoded)
    return digest.hexdigest()


def holds_unused_generator(obj: Any) -> bool:
    """Tell whether an object has a `_rng` that nothing draws from (see `UNUSED_GENERATORS`)."""
    return may_hold_unused_generator(type(obj)) and getattr(obj, "seed", 0) is None


def may_hold_unused_generator(cls: type) -> bool:
    """Tell whether objects of a class may have such a `_rng`."""
    known = _holders.get(cls)
    if known is None:
        known = _holders[cls] = not UNUSED_GENERATORS.isdisjoint(map(_name, cls.__mro__))
    return known


_holders: dict[type, bool] = {}


class _Walk:
    """What one encoding has collected, and what it has still to visit."""

    __slots__ = ("kept", "numbers", "out", "pending")

    def __init__(self, root: object) -> None:
        self.out: list[Any] = []
        self.pending: list[Any] = [root]
        self.numbers: dict[int, int] = {}
        self.kept: list[Any] = []  # made on the way; were they freed, their ids would come again

    def run(self) -> bytes:
        out, pending, numbers = self.out, self.pending, self.numbers
        while pending:
            obj = pending.pop()
            cls = type(obj)
            if cls in _ATOMS:
                out.append(obj)
                continue
            emit, is_value = _emitters.get(cls) or _learn(obj)
            if not is_value:
                number = numbers.get(id(obj))
                if number is not None:
                    out.append((number,))
                    continue
                numbers[id(obj)] = len(numbers)
            emit(obj, self)
        return marshal.dumps(out, 2)

    def values(self, values: Iterable[Any]) -> None:
        """Append the plain values in place, and put off the others, in order."""
        values = list(values)
        later = [value for value in values if type(value) not in _ATOMS]
        if later:
            values = [value if type(value) in _ATOMS else _LATER for value in values]
            later.reverse()
            self.pending += later
        self.out += values

    def state(self, state: Mapping[str, Any]) -> None:
        """Append attributes; the mapping that holds them has no identity of its own."""
        if _ATOMS.issuperset(map(type, state.values())):
            self.out.append(state)
        else:
            self.out.append(tuple(state))
            self.values(state.values())


# How each kind of object is encoded. A marker is a tuple, which no plain value is.


def _list(obj: list[Any], walk: _Walk) -> None:
    if _ATOMS.issuperset(map(type, obj)):
        walk.out.append(obj if type(obj) is list else list(obj))
    else:
        walk.out.append(("list", len(obj)))
        walk.values(obj)


def _tuple(obj: tuple[Any, ...], walk: _Walk) -> None:
    if _ATOMS.issuperset(map(type, obj)):
        walk.out += (("tuple",), obj)
    else:
        walk.out.append(("tuple", len(obj)))
        walk.values(obj)


def _dict(obj: Mapping[Any, Any], walk: _Walk) -> None:
    if _ATOMS.issuperset(map(type, obj)) and _ATOMS.issuperset(map(type, obj.values())):
        walk.out.append(obj if type(obj) is dict else dict(obj))
    else:
        walk.out.append(("dict", len(obj)))
        walk.values(itertools.chain.from_iterable(obj.items()))


def _set(obj: Iterable[Any], walk: _Walk) -> None:
    kinds = set(map(type, obj))
    if kinds <= {str} or kinds <= {int}:
        walk.out += (("set",), sorted(obj))
    elif kinds <= _ATOMS:
        walk.out += (("set",), sorted(marshal.dumps(member, 2) for member in obj))
    else:  # members with a state of their own: in its order, then numbered like anything else
        members = sorted(obj, key=lambda member: _Walk(member).run())
        walk.out.append(("set", len(members)))
        walk.values(members)


def _frozenset(obj: frozenset[Any], walk: _Walk) -> None:
    walk.out.append(("frozenset",))
    _set(obj, walk)


def _bytearray(obj: bytearray, walk: _Walk) -> None:
    walk.out += (("bytearray",), bytes(obj))


def _defaultdict(obj: defaultdict[Any, Any], walk: _Walk) -> None:
    walk.out.append(("defaultdict", len(obj)))
    walk.values((obj.default_factory, *itertools.chain.from_iterable(obj.items())))


def _deque(obj: deque[Any], walk: _Walk) -> None:
    walk.out += (("deque", len(obj)), obj.maxlen)
    walk.values(obj)


def _array(obj: "np.ndarray[Any, Any]", walk: _Walk) -> None:
    walk.out += (("array",), str(obj.dtype.descr if obj.dtype.names else obj.dtype.str), obj.shape)
    if obj.dtype.hasobject:
        walk.values(obj.ravel().tolist())
    else:
        walk.out.append(obj.tobytes())


def _numpy_scalar(obj: np.generic, walk: _Walk) -> None:
    walk.out += (("numpy",), obj.dtype.str, obj.tobytes())


def _random(obj: random.Random, walk: _Walk) -> None:
    walk.out.append(("random.Random",))
    walk.values((obj.getstate(),))


def _named(obj: Any, walk: _Walk) -> None:
    name = f"{obj.__module__}.{obj.__qualname__}"
    if "<" in name:
        raise CheckpointError(
            f"a learner holds {name}, which no checkpoint can bring back: "
            f"define it by name at the top of a module"
        )
    walk.out.append(("name", name))


def _builtin(obj: types.BuiltinMethodType, walk: _Walk) -> None:
    if obj.__self__ is None or isinstance(obj.__self__, types.ModuleType):
        _named(obj, walk)
    else:
        _method(obj, walk)


def _method(obj: Any, walk: _Walk) -> None:
    walk.out.append(("method", obj.__name__))
    walk.values((obj.__self__,))


def _set_subclass(obj: Any, walk: _Walk) -> None:
    walk.out.append(("set", _name(type(obj))))
    walk.state(vars(obj) if type(obj).__dictoffset__ else {})
    _set(obj, walk)


def _enum(obj: enum.Enum, walk: _Walk) -> None:
    walk.out.append(("name", f"{_name(type(obj))}.{obj.name}"))


def _instance(cls: type) -> Emit:
    """Give the encoder of a class of which Python itself pickles the attributes."""
    marker = (_name(cls),)
    # Empty ones, such as those of `abc.ABC`, hold nothing.
    slotted = not cls.__dictoffset__ or any(vars(base).get("__slots__") for base in cls.__mro__)
    unused = may_hold_unused_generator(cls)

    def emit(obj: Any, walk: _Walk) -> None:
        state = obj.__getstate__() if slotted else vars(obj)
        if type(state) is tuple:  # what is in __dict__, and what is in __slots__
            state = {**(state[0] or {}), **state[1]}
        elif unused and state.get("seed", 0) is None:
            state = {name: value for name, value in state.items() if name != "_rng"}
        walk.out.append(marker)
        walk.state(state or {})

    return emit


def _reduced(obj: Any, walk: _Walk) -> None:
    """Encode an object by what it tells `pickle` about itself."""
    parts = _reduce(obj)
    if isinstance(parts, str):
        walk.out.append(("name", f"{getattr(obj, '__module__', None)}.{parts}"))
        return
    make, args, state, items, pairs = (*parts, None, None, None)[:5]
    listed = list(items or ())
    keyed = list(itertools.chain.from_iterable(pairs or ()))
    walk.kept += (args, state, listed, keyed)
    walk.out.append(("reduced", len(listed), len(keyed)))
    walk.values((make, args, state, *listed, *keyed))


def _reduce(obj: Any) -> Any:
    reducer = copyreg.dispatch_table.get(type(obj))
    try:
        return reducer(obj) if reducer else obj.__reduce_ex__(4)
    except (TypeError, pickle.PicklingError) as error:
        raise CheckpointError(
            f"a learner holds a {_name(type(obj))}, which no checkpoint can bring back ({error})"
        ) from error


def _python_pickles(cls: type) -> bool:
    """Tell whether pickling takes the attributes of its instances and nothing else."""
    hooks = ("__reduce_ex__", "__reduce__", "__getstate__", "__getnewargs__", "__getnewargs_ex__")
    return (
        all(getattr(cls, hook, None) is getattr(object, hook, None) for hook in hooks)
        and cls not in copyreg.dispatch_table
        and not issubclass(cls, (list, dict))
    )


def _learn(obj: Any) -> tuple[Emit, bool]:
    """Find out, once a class, how its instances are encoded and whether they are plain values."""
    cls = type(obj)
    emit: Emit = _reduced
    if issubclass(cls, type):
        emit = _named
    elif issubclass(cls, enum.Enum):
        emit = _enum
    elif issubclass(cls, (set, frozenset)):
        emit = _set_subclass
    elif issubclass(cls, np.generic) and not issubclass(cls, np.void):
        emit = _numpy_scalar
    elif _python_pickles(cls):
        _reduce(obj)  # raises where state hides that Python cannot see
        emit = _instance(cls)
    _emitters[cls] = emit, issubclass(cls, _VALUES) and not cls.__dictoffset__
    return _emitters[cls]


def _name(cls: type) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"


_emitters: dict[type, tuple[Emit, bool]] = {  # (how, whether it is a plain value)
    list: (_list, False),
    dict: (_dict, False),
    set: (_set, False),
    tuple: (_tuple, True),
    frozenset: (_frozenset, True),
    bytearray: (_bytearray, False),
    defaultdict: (_defaultdict, False),
    deque: (_deque, False),
    np.ndarray: (_array, False),
    random.Random: (_random, False),
    types.FunctionType: (_named, True),
    types.BuiltinFunctionType: (_builtin, True),
    types.MethodType: (_method, True),
}
