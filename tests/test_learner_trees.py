"""The quick Hoeffding tree is River's, to the last bit: predictions, state and digest."""

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from river import tree
from river.datasets import synth

from learners.build import build_learner
from learners.repairs import repair_river
from learners.trees import QuickTree, quick_tree
from stream.core.canonical import canonical_digest

NUMBERS = st.one_of(
    st.integers(-3, 3), st.floats(-1e30, 1e30), st.booleans(), st.just(1e-300), st.just(-0.0)
)
ROWS = st.fixed_dictionaries(
    {"a": NUMBERS},
    optional={
        "b": NUMBERS,
        "c": st.sampled_from("rst"),
        "mixed": st.one_of(st.sampled_from("uv"), st.integers(0, 2)),
        "none": st.none(),
    },
)
SETTINGS = st.fixed_dictionaries(
    {},
    optional={
        "grace_period": st.sampled_from([3, 10]),
        "delta": st.just(0.5),
        "tau": st.just(0.9),
        "max_depth": st.integers(1, 3),
        "leaf_prediction": st.sampled_from(["mc", "nb", "nba"]),
        "nb_threshold": st.just(5),
        "binary_split": st.booleans(),
        "remove_poor_attrs": st.booleans(),
        "merit_preprune": st.booleans(),
        "nominal_attributes": st.just(["a"]),
        "memory_estimate_period": st.just(20),
        "max_size": st.just(0.005),
        "stop_mem_management": st.booleans(),
    },
)


def outcome(call: Any, *args: Any) -> Any:
    """Give what a call gives, or the failure; NaN, which equals nothing, by its name."""
    try:
        result = call(*args)
    except Exception as error:
        return type(error)
    return result if result is None else [(key, repr(value)) for key, value in result.items()]


@given(
    params=SETTINGS,
    rows=st.lists(st.tuples(ROWS, st.integers(0, 2), st.integers(0, 3)), max_size=120),
    labels=st.sampled_from([(False, True), ("x", "y", "z"), (0, 1, 2)]),
)
@settings(max_examples=300, deadline=None)
def test_it_does_what_the_tree_does_whenever_labels_come(params, rows, labels):
    repair_river()
    plain, bound = (tree.HoeffdingTreeClassifier(**params) for _ in range(2))
    quick = quick_tree(bound)
    assert quick is not None
    learn, predict = quick.learn_one, quick.predict_proba_one
    waiting: list[Any] = []
    for x, label, delay in rows:
        theirs = outcome(plain.predict_proba_one, x)
        assert outcome(predict, x) == theirs
        waiting.append((x, labels[label % len(labels)]))
        if delay == 1:
            continue  # it waits until the next ones
        if delay == 2:
            waiting.reverse()
        for event, y in waiting:
            failed = outcome(plain.learn_one, event, y)
            assert outcome(learn, event, y) == failed
            if failed:
                return  # a state that River left half done is thrown away
        waiting.clear()
        quick.write_back()
        assert canonical_digest(bound) == canonical_digest(plain)


@given(params=SETTINGS, seed=st.integers(0, 2**32))
@settings(max_examples=100, deadline=None)
def test_it_grows_the_same_tree(params, seed):
    params = {"grace_period": 20, "delta": 0.1} | params
    repair_river()
    plain, bound = (tree.HoeffdingTreeClassifier(**params) for _ in range(2))
    quick = quick_tree(bound)
    assert quick is not None
    learn, predict = quick.learn_one, quick.predict_proba_one
    draw = random.Random(seed)
    waiting: list[Any] = []
    for x, y in synth.Agrawal(classification_function=seed % 3, seed=seed).take(600):
        x |= {"zip": f"z{x['zipcode']}", "young": x["age"] < 30, "town": f"t{draw.randrange(40)}"}
        if draw.random() < 0.05:
            del x["age"]
        assert predict(x) == plain.predict_proba_one(x)
        waiting.append((x, y))
        while waiting and draw.random() < 0.6:
            event, y = waiting.pop(draw.choice([0, -1]))
            plain.learn_one(event, y)
            learn(event, y)
    quick.write_back()
    assert canonical_digest(bound) == canonical_digest(plain)


@pytest.mark.parametrize("seed", range(4))
def test_leaves_may_be_put_out_of_action_and_back_when_another_one_splits(seed):
    bounds: dict[str, Any] = {
        "max_size": 0.1, "memory_estimate_period": 400, "grace_period": 30, "tau": 0.5,
    }  # fmt: skip
    repair_river()
    plain, bound = (tree.HoeffdingTreeClassifier(**bounds) for _ in range(2))
    quick = quick_tree(bound)
    assert quick is not None
    states, draw = set(), random.Random(seed)
    for number in range(6_000):
        x: dict[str, Any] = {name: draw.random() for name in "abcd"} | {"town": draw.choice("rst")}
        y = (x["a"] > 0.5) != (x["b"] > (0.3 if number < 3_000 else 0.8)) != (x["town"] == "r")
        assert quick.predict_proba_one(x) == plain.predict_proba_one(x)
        plain.learn_one(x, y)
        quick.learn_one(x, y)
        states.add((plain._n_active_leaves > 0, plain._n_inactive_leaves > 0))
        if number % 150 == 0:
            quick.write_back()
            assert canonical_digest(bound) == canonical_digest(plain)
    assert (True, True) in states
    quick.write_back()
    assert canonical_digest(bound) == canonical_digest(plain)


@pytest.mark.parametrize("weight", [1.0, 0.1])
def test_a_tree_that_has_learnt_by_other_hands_is_driven_on(weight):
    plain, bound = (tree.HoeffdingTreeClassifier(grace_period=100) for _ in range(2))
    quick, other = quick_tree(bound), quick_tree(bound)
    assert quick is not None
    assert other is not None
    draw = random.Random(3)
    for n in range(3_000):
        size = draw.random()
        x = {"town": f"t{draw.randrange(40)}", "size": size}
        y = (size > 0.5) != (draw.random() < 0.2)
        assert quick.predict_proba_one(x) == plain.predict_proba_one(x)
        if n < 1_000 or n % 7 == 0:
            plain.learn_one(x, y, w=weight)
            bound.learn_one(x, y, w=weight)
        else:
            plain.learn_one(x, y)
            (quick if n % 3 else other).learn_one(x, y)
        quick.write_back()
        other.write_back()
    assert plain.n_nodes > 1
    assert canonical_digest(bound) == canonical_digest(plain)


def test_only_the_tree_itself_is_driven_so():
    for other in (
        tree.HoeffdingAdaptiveTreeClassifier(),
        tree.ExtremelyFastDecisionTreeClassifier(),
        tree.HoeffdingTreeClassifier(splitter=tree.splitter.HistogramSplitter()),
        tree.HoeffdingTreeRegressor(),
    ):
        assert quick_tree(other) is None
    learner = build_learner(task="binary", class_="river.tree.HoeffdingTreeClassifier")
    assert isinstance(getattr(learner.learn, "__self__", None), QuickTree)
