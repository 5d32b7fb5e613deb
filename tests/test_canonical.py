"""The canonical digest: equal for equal state, different for different state, whatever the way."""

import copy
import enum
import pickle
import random
import sys
import threading
from collections import Counter, OrderedDict, defaultdict, deque, namedtuple
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from river import drift, proba, stats, tree
from river.datasets import synth

from stream.core.canonical import canonical_digest
from stream.core.errors import CheckpointError
from stream.state.pickling import allow_list_of, dumps, loads


class Colour(enum.Enum):
    RED = 1
    GREEN = 2


Point = namedtuple("Point", "x y")


@dataclass
class Plain:
    name: str
    inner: list[Any] = field(default_factory=list)


class Slotted:
    __slots__ = ("a", "b")

    def __init__(self, a: Any) -> None:
        self.a = a  # and b is never set


class SlottedAndOpen(Slotted):
    def __init__(self, a: Any) -> None:
        super().__init__(a)
        self.c = [a]


class Stateful:
    """Writes down less than it holds, as scikit-learn's and River's compiled classes do."""

    def __init__(self, n: int) -> None:
        self.n = n
        self.cache = object()

    def __getstate__(self) -> dict[str, int]:
        return {"n": self.n}

    def __setstate__(self, state: dict[str, int]) -> None:
        self.n = state["n"]
        self.cache = object()


class Listing(list[Any]):
    pass


class Tagged(set[Any]):
    pass


class Holder:
    def method(self) -> None:
        """Be held as a bound method."""


atoms = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.binary(max_size=5)
    | st.complex_numbers()
)
hashables = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.text(max_size=3) | st.binary(max_size=2),
    lambda inner: st.tuples(inner, inner) | st.frozensets(inner, max_size=3),
    max_leaves=5,
)
values = st.recursive(
    atoms | st.sets(hashables, max_size=4) | st.frozensets(hashables, max_size=4),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner, inner)
        | st.dictionaries(hashables, inner, max_size=4)
        | st.lists(inner, max_size=3).map(deque)
        | st.dictionaries(st.text(max_size=3), inner, max_size=3).map(OrderedDict)
        | st.lists(inner, max_size=3).map(Listing)
        | st.builds(Plain, st.text(max_size=3), st.lists(inner, max_size=3))
        | st.builds(Slotted, inner)
        | st.builds(SlottedAndOpen, inner)
        | st.builds(Point, inner, inner)
    ),
    max_leaves=12,
)


@settings(deadline=None)
@given(values)
def test_copies_and_pickles_have_the_digest_of_the_original(value):
    digest = canonical_digest(value)
    assert canonical_digest(value) == digest
    assert canonical_digest(copy.deepcopy(value)) == digest
    for protocol in (2, 5):
        assert canonical_digest(pickle.loads(pickle.dumps(value, protocol))) == digest
    assert canonical_digest(pickle.loads(dumps(value))) == digest


def spelled(value: Any) -> Any:
    """Spell a value out as nested tuples that are equal only if type and content are."""
    if isinstance(value, float):
        return "float", np.float64(value).tobytes()
    if isinstance(value, (set, frozenset)):
        return type(value).__name__, tuple(sorted(repr(spelled(each)) for each in value))
    if isinstance(value, dict):
        return "dict", tuple((spelled(k), spelled(v)) for k, v in value.items())
    if isinstance(value, (list, tuple)):
        return type(value).__name__, tuple(map(spelled, value))
    return type(value).__name__, value


simple = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-2, 2)
    | st.sampled_from([0.0, -0.0, 1.0, "a", "b", b"a"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(hashables, inner, max_size=3)
        | st.sets(hashables, max_size=3)
        | st.frozensets(hashables, max_size=3)
    ),
    max_leaves=4,
)


@given(simple, simple)
def test_digests_are_equal_just_when_type_and_content_are(one, other):
    one, other = copy.deepcopy(one), copy.deepcopy(other)
    assert (canonical_digest(one) == canonical_digest(other)) == (spelled(one) == spelled(other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1, True),
        (1, 1.0),
        (0.0, -0.0),
        ("a", b"a"),
        ([1, 2], (1, 2)),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        ({"a": 1}, OrderedDict(a=1)),
        ({"a": 1}, defaultdict(int, a=1)),
        (defaultdict(int), defaultdict(float)),
        ({1}, frozenset({1})),
        ({1}, Tagged({1})),
        (deque([1]), deque([1], maxlen=3)),
        (Counter("a"), {"a": 1}),
        ([], Listing()),
        ([[]], [[[]]]),
        (([], 1), ([1],)),
        (Colour.RED, Colour.GREEN),
        (Point(1, 2), (1, 2)),
        (Decimal("1.0"), Decimal("1.00")),
        (datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)),
        (timedelta(1), timedelta(2)),
        (np.float64(1), 1.0),
        (np.float32(1), np.float64(1)),
        (np.zeros(4), np.zeros((2, 2))),
        (np.zeros(2), np.zeros(2, dtype=np.float32)),
        (np.array([1, None], dtype=object), np.array([1, 2], dtype=object)),
        (random.Random(1), random.Random(2)),
        (np.random.RandomState(1), np.random.RandomState(2)),
        (np.random.default_rng(1), np.random.default_rng(2)),
        (len, max),
        (int, float),
        (partial(int, "7"), partial(int, "8")),
        (partial(int, base=2), partial(int, base=3)),
        (Slotted(1), SlottedAndOpen(1)),
        (Stateful(1), Stateful(2)),
        (Ellipsis, None),
    ],
    ids=lambda value: type(value).__name__,  # never an address: workers have to agree on it
)
def test_what_differs_has_another_digest(one, other):
    assert canonical_digest(one) != canonical_digest(other)


def test_only_the_identity_of_what_can_change_counts():
    text, number, pair = "".join(["a", "bc"]), 10**20, (1, "x" * 2)
    assert text is not "".join(["ab", "c"])
    same = [text, text, number, number, pair, pair]
    apart = [text, "".join(["ab", "c"]), number, int("1" + "0" * 20), pair, (1, "".join("xx"))]
    assert canonical_digest(same) == canonical_digest(apart)
    shared: list[int] = []
    assert canonical_digest([shared, shared]) != canonical_digest([[], []])
    assert canonical_digest([shared, shared, []]) != canonical_digest([shared, [], shared])


def test_cycles_end_and_survive():
    ring: list[Any] = [1]
    ring.append({"again": ring, "pair": (ring, 2)})
    digest = canonical_digest(ring)
    assert digest == canonical_digest(pickle.loads(pickle.dumps(ring)))
    other: list[Any] = [1]
    other.append({"again": [1, other], "pair": (other, 2)})
    assert digest != canonical_digest(other)


def test_members_of_sets_may_have_state_of_their_own():
    def make(order: list[int]) -> set[Any]:
        return {(number, Point(number, frozenset({number}))) for number in order}

    assert canonical_digest(make([1, 2, 9])) == canonical_digest(make([9, 2, 1]))
    assert canonical_digest(make([1, 2])) != canonical_digest(make([1, 3]))


def test_depth_is_no_limit():
    deep: list[Any] = []
    for _ in range(200_000):
        deep = [deep, 1.5]
    assert len(canonical_digest(deep)) == 64


def test_each_argument_is_taken_by_itself():
    shared = [1]
    assert canonical_digest(shared, shared) == canonical_digest([1], [1])
    assert canonical_digest([1], [2]) != canonical_digest([1, 2])
    assert canonical_digest([1], [2]) != canonical_digest([2], [1])


def test_state_that_is_not_written_down_does_not_count():
    assert canonical_digest(Stateful(1)) == canonical_digest(Stateful(1))


def test_arrays_count_by_content_not_by_layout():
    array = np.arange(6.0).reshape(2, 3)
    assert canonical_digest(array) == canonical_digest(np.asfortranarray(array))
    assert canonical_digest(array[:, ::2]) == canonical_digest(array[:, ::2].copy())


def test_bound_methods_count_by_owner_and_name():
    owner = Holder()
    assert canonical_digest([owner, owner.method]) != canonical_digest([owner, Holder().method])
    generator = random.Random(1)
    assert canonical_digest(generator.gauss) == canonical_digest(random.Random(1).gauss)
    assert canonical_digest(generator.gauss) != canonical_digest(generator.random)


def test_unused_generators_do_not_count():
    assert canonical_digest(proba.Gaussian()) == canonical_digest(proba.Gaussian())
    assert canonical_digest(proba.Gaussian(seed=1)) != canonical_digest(proba.Gaussian(seed=2))
    used = proba.Gaussian(seed=1)
    used.update(1.0)
    used.update(2.0)
    before = canonical_digest(used)
    used.sample()
    assert canonical_digest(used) != before


@pytest.mark.parametrize("make", [drift.ADWIN, stats.Quantile, stats.IQR])
def test_rivers_compiled_parts_count_by_their_state(make):
    one, other = make(), make()
    for number in range(100):
        one.update(number % 7)
        other.update(number % 7)
    assert canonical_digest(one) == canonical_digest(other)
    other.update(1000)
    assert canonical_digest(one) != canonical_digest(other)


@pytest.mark.parametrize(
    "bad",
    [threading.Lock(), (each for each in "a"), lambda: None, sys.__stdout__],
    ids=["lock", "generator", "lambda", "file"],
)
def test_what_has_no_state_to_write_down_is_refused(bad):
    with pytest.raises(CheckpointError, match="which no checkpoint can bring back"):
        canonical_digest({"deep": [bad]})


def test_a_grown_tree_and_its_copies():
    model = tree.HoeffdingTreeClassifier(grace_period=50)
    for x, y in synth.Agrawal(seed=1).take(2000):
        model.learn_one(x, bool(y))
    digest = canonical_digest(model)
    again = loads(dumps(model), allow_list_of(tree.HoeffdingTreeClassifier()))
    assert canonical_digest(again) == canonical_digest(copy.deepcopy(model)) == digest
    for x, y in synth.Agrawal(seed=2).take(300):
        model.learn_one(x, bool(y))
        again.learn_one(x, bool(y))  # type: ignore[attr-defined]  # it is a tree
    assert canonical_digest(again) == canonical_digest(model) != digest
