"""The canonical digest of object graphs: sharing, cycles, depth, and every kind of member."""

import copy
import datetime
import enum
import functools
import os
import pickle
import random
import subprocess
import sys
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable
from fractions import Fraction
from operator import attrgetter
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from river import drift, linear_model, preprocessing, stats, tree

from stream.core.canonical import canonical_digest

DEPTH = 50_000


class Node:
    def __init__(self, value: Any = None, link: Any = None) -> None:
        self.value = value
        self.link = link


class Slotted:
    __slots__ = ("link", "value")

    def __init__(self, value: Any, link: Any = None) -> None:
        self.value = value
        self.link = link


class SlottedAndMore(Slotted):
    def __init__(self, value: Any) -> None:
        super().__init__(value)
        self.more = value


class Reduced:
    def __init__(self, *args: Any) -> None:
        self.args = args

    def __reduce__(self) -> Any:
        return Reduced, self.args


class MarkedSet(set[Any]):
    def __init__(self, members: Any = (), mark: Any = None) -> None:
        super().__init__(members)
        self.mark = mark

    def __reduce__(self) -> Any:
        return MarkedSet, (list(self), self.mark)


class MarkedList(list[Any]):
    mark: Any = None


class MarkedDict(dict[Any, Any]):
    mark: Any = None


class MarkedText(str):
    __slots__ = ("mark",)


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


class Pair(NamedTuple):
    left: Any
    right: Any


def rebuilt(obj: Any) -> list[Any]:
    """Give equal objects with other histories."""
    return [
        copy.deepcopy(obj),
        *(pickle.loads(pickle.dumps(obj, protocol)) for protocol in (2, pickle.HIGHEST_PROTOCOL)),
    ]


def drawn(generator: Any, times: int) -> Any:
    for _ in range(times):
        generator.random()
    return generator


def grown(learner: Any, events: int) -> Any:
    rng = random.Random(events)
    for _ in range(events):
        a, b, city = rng.random(), rng.random(), rng.choice(["Oslo", "Rome", "Lima"])
        learner.learn_one({"a": a, "b": b, "city": city}, a > b)
    return learner


def marked(obj: Any, mark: Any) -> Any:
    obj.mark = mark
    return obj


PAIRS: dict[str, Callable[[int], Any]] = {
    "instance": lambda n: Node(n, [n]),
    "slots": lambda n: Slotted(n, [n]),
    "slots and attributes": SlottedAndMore,
    "reduce": lambda n: Reduced([n], n),
    "set subclass": lambda n: MarkedSet({"x"}, [n]),
    "list subclass": lambda n: MarkedList([[n]]),
    "list subclass, attribute": lambda n: marked(MarkedList(), [n]),
    "dict subclass": lambda n: MarkedDict(a=[n]),
    "dict subclass, attribute": lambda n: marked(MarkedDict(), [n]),
    "text subclass, attribute": lambda n: marked(MarkedText("x"), n),
    "enum": lambda n: Colour(n + 1),
    "named tuple": lambda n: Pair([n], n),
    "ordered dict": lambda n: OrderedDict(a=[n]),
    "ordered dict, order": lambda n: OrderedDict([("a", 1), ("b", 1)][:: 1 - 2 * n]),
    "defaultdict": lambda n: defaultdict(list, a=[n]),
    "defaultdict, factory": lambda n: defaultdict((list, set)[n]),
    "deque": lambda n: deque([1, [n]], maxlen=3),
    "deque, length": lambda n: deque([1], maxlen=3 + n),
    "counter": lambda n: Counter(a=n),
    "bytearray": lambda n: bytearray([n]),
    "range": lambda n: range(n, 9),
    "slice": lambda n: [slice(n, None)],
    "datetime": lambda n: datetime.datetime(2024, 1, 1 + n, tzinfo=datetime.UTC),
    "timedelta": lambda n: datetime.timedelta(n),
    "fraction": lambda n: Fraction(n, 3),
    "class": lambda n: (Node, Slotted)[n],
    "function": lambda n: (rebuilt, drawn)[n],
    "builtin function": lambda n: (len, abs)[n],
    "method": lambda n: deque([n]).append,
    "own method": lambda n: stats.Mean().update if n else stats.Mean().get,
    "partial": lambda n: functools.partial(pow, n),
    "attrgetter": lambda n: attrgetter("ab"[n]),
    "iterator": lambda n: iter([1, n]),
    "array": lambda n: np.array([1.0, n]),
    "array, type": lambda n: np.array([1], dtype=("i4", "u4")[n]),
    "array, shape": lambda n: np.zeros(((2, 3), (3, 2))[n]),
    "array of objects": lambda n: np.array([[n], "x", None], dtype=object),
    "array of records": lambda n: np.array([(n, 0.5)], dtype=[("a", "i4"), ("b", "f8")]),
    "array of times": lambda n: np.array([n], dtype="M8[s]"),
    "array view": lambda n: np.arange(9)[n::2],
    "numpy scalar": lambda n: np.float64(n),
    "numpy scalar, type": lambda n: (np.float32(1), np.float64(1))[n],
    "dtype": lambda n: np.dtype(("f4", "f8")[n]),
    "random": lambda n: drawn(random.Random(1), n),
    "generator": lambda n: drawn(np.random.default_rng(1), n),
    "random state": lambda n: drawn(np.random.RandomState(1), n),
    "tree": lambda n: grown(tree.HoeffdingTreeClassifier(grace_period=20), 60 + n),
    "pipeline": lambda n: grown(
        preprocessing.OneHotEncoder() | linear_model.LogisticRegression(), 60 + n
    ),
    "compiled statistics": lambda n: stats.EWMean(fading_factor=0.5 + n / 4),
    "compiled detector": lambda n: [drift.ADWIN().update(value) for value in range(n + 1)],
}  # fmt: skip


@pytest.mark.parametrize("make", PAIRS.values(), ids=PAIRS)
def test_every_kind_of_object(make):
    digest = canonical_digest(make(0))
    assert digest == canonical_digest(make(0))
    assert digest != canonical_digest(make(1))
    assert {canonical_digest(each) for each in rebuilt(make(0))} == {digest}


@pytest.mark.parametrize(
    "make", [lambda n: MarkedSet({"x"}, [n]), lambda n: Reduced([n]), lambda n: Slotted([n], (n,))]
)
def test_parts_made_while_encoding_are_not_taken_for_each_other(make):
    """Freed too early, such a part would leave its address to the next one."""
    digests = set()
    for place in range(20):
        many = [make(int(number == place)) for number in range(20)]
        first = canonical_digest(many)  # it also makes Python lay out the attributes of each
        assert canonical_digest(many) == first
        digests.add(first)
    assert len(digests) == 20


HASHED = """
from collections import Counter
from stream.core.canonical import canonical_digest

class Marked(set):
    pass

words = [f"word {number}" for number in range(50)]
print(canonical_digest(
    set(words), frozenset(words), {"a": set(words)}, {(word, 1) for word in words},
    {frozenset((word, "x", 1.5)) for word in words}, {None, 1, "a", b"b", 2.5, (1, "c"), *words},
    {None, 1, b"b", 2.5, *words}, Marked(words), Counter(words),
))
"""


def test_the_hash_seed_does_not_count():
    digests = set()
    for seed in ("0", "1", "2026"):
        run = subprocess.run(
            [sys.executable, "-c", HASHED],
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        )
        digests.add(run.stdout.strip())
    assert [len(digest) for digest in digests] == [64]


@given(st.sets(st.integers() | st.text(max_size=4), max_size=8), st.randoms())
def test_the_order_of_insertion_into_a_set_does_not_count(members, rng):
    more = [*members, *(f"more {number}" for number in range(200))]
    rng.shuffle(more)
    other = set(more)  # a set that once was large goes over its members in another order
    other.intersection_update(members)
    for kind in (set, frozenset, MarkedSet):
        assert canonical_digest(kind(members)) == canonical_digest(kind(other))


def linked(edges: list[tuple[int, int]], order: list[int]) -> list[Any]:
    """Build a graph of mutable nodes, made in some order, each of one of three kinds."""
    nodes: dict[int, Any] = {}
    for number in order:
        nodes[number] = ([], {}, Node([], {}))[number % 3]
    for position, (start, end) in enumerate(edges):
        node = nodes[start]
        if isinstance(node, list):
            node.append((position, nodes[end]))
        elif isinstance(node, dict):
            node[position] = nodes[end]
        else:
            node.link[position] = nodes[end]
            node.value.append(node)
    return [nodes[number] for number in sorted(nodes)]


edges_between = st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), min_size=1, max_size=20)


@given(edges_between, st.permutations(range(8)))
def test_cycles_and_shared_parts_survive_rebuilding(edges, order):
    graph = linked(edges, list(range(8)))
    digest = canonical_digest(graph)
    assert canonical_digest(linked(edges, order)) == digest
    assert {canonical_digest(each) for each in rebuilt(graph)} == {digest}


@given(edges_between, st.data())
def test_an_edge_that_leads_elsewhere_counts(edges, data):
    place = data.draw(st.integers(0, len(edges) - 1))
    start, end = edges[place]
    moved = [*edges]
    moved[place] = (start, data.draw(st.integers(0, 7).filter(lambda node: node != end)))
    order = list(range(8))
    assert canonical_digest(linked(edges, order)) != canonical_digest(linked(moved, order))


NESTED: dict[str, Callable[[Any], Any]] = {
    "lists": lambda inner: [inner],
    "tuples": lambda inner: (inner, 1),
    "dictionaries": lambda inner: {"k": inner},
    "defaultdicts": lambda inner: defaultdict(list, k=inner),
    "deques": lambda inner: deque([inner]),
    "objects": lambda inner: Node(1, inner),
    "slotted objects": lambda inner: Slotted(1, inner),
    "reduced objects": Reduced,
    "arrays": lambda inner: np.array([inner, None], dtype=object),
}  # fmt: skip


@pytest.mark.parametrize("wrap", NESTED.values(), ids=NESTED)
def test_depth_has_no_bound(wrap):
    digests = []
    for core in ("x", "x", "y"):
        nested: Any = core
        levels = []  # taken apart from outside in: freeing the whole at once would recurse
        for _ in range(DEPTH):
            nested = wrap(nested)
            levels.append(nested)
        digests.append(canonical_digest(nested))
        nested = None
        while levels:
            levels.pop()
    first, again, other = digests
    assert first == again
    assert first != other
