"""A scaler with a linear model behind it, kept in arrays, is River's to the last bit."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from river import linear_model, optim, preprocessing

from learners.build import wrap
from learners.linear import is_plain
from stream.core.canonical import canonical_digest

MODELS: dict[str, Any] = {
    "binary": lambda: preprocessing.StandardScaler() | linear_model.LogisticRegression(),
    "regression": lambda: preprocessing.StandardScaler() | linear_model.LinearRegression(),
}

numbers = st.one_of(
    st.floats(-5, 5), st.floats(-1e30, 1e30), st.integers(-9, 9), st.booleans(),
    st.just(0.0), st.integers(2**60, 2**64), st.just("a text"),
)  # fmt: skip
events = st.dictionaries(st.sampled_from("abcde"), numbers, max_size=5)
steps = st.lists(
    st.tuples(st.sampled_from(["predict", "learn", "learn", "look"]), events, st.floats(-9, 9)),
    max_size=40,
)


def digests(pipeline: Any) -> list[str]:
    """Give the digests of its steps: the pipeline itself counts its own calls."""
    return list(map(canonical_digest, pipeline.steps.values()))


def same(one: Any, other: Any) -> bool:
    return one == other or (one is None and not math.isfinite(other))


@pytest.mark.parametrize("task", MODELS)
@given(steps=steps)
def test_it_predicts_and_learns_as_river_does(task: str, steps: Any) -> None:
    river, ours = MODELS[task](), wrap(MODELS[task](), task)  # type: ignore[arg-type]
    for what, x, y in steps:
        truth = y > 0 if task == "binary" else y
        if what == "look":
            assert digests(ours.estimator) == digests(river)
            continue
        try:
            if what == "learn":
                river.learn_one(dict(x), truth)
            elif task == "binary":
                expected = river.predict_proba_one(dict(x))[True]
            else:
                expected = river.predict_one(dict(x))
        except Exception as error:
            with pytest.raises(type(error), match="^" + str(error)[:9]):
                ours.learn(dict(x), truth) if what == "learn" else ours.predict(dict(x))
            break  # the state is half changed, and is given up
        if what == "learn":
            ours.learn(dict(x), truth)
        else:
            prediction, chance = ours.predict(dict(x))
            assert same(chance if task == "binary" else prediction, expected)
    else:
        assert digests(ours.estimator) == digests(river)


@pytest.mark.parametrize(
    ("scaler", "model", "plain"),
    [
        ({}, {}, True),
        ({}, {"intercept_lr": 0.2, "intercept_init": 3.0, "clip_gradient": 0.1}, True),
        ({}, {"optimizer": optim.SGD(0.3)}, True),
        ({}, {"intercept_init": 3}, True),
        ({"with_std": False}, {}, False),
        ({"window_size": 5}, {}, False),
        ({}, {"optimizer": optim.Adam()}, False),
        ({}, {"optimizer": optim.SGD(optim.schedulers.InverseScaling(0.1))}, False),
        ({}, {"intercept_lr": optim.schedulers.InverseScaling(0.1)}, False),
        ({}, {"l2": 0.1}, False),
        ({}, {"l1": 0.1}, False),
        ({}, {"initializer": optim.initializers.Normal(seed=1)}, False),
        ({}, {"loss": optim.losses.Log(weight_pos=2)}, False),
        ({}, {"loss": optim.losses.Hinge()}, False),
    ],
)
def test_what_is_not_plain_is_left_to_river(scaler: Any, model: Any, plain: bool) -> None:
    parts = preprocessing.StandardScaler(**scaler), linear_model.LogisticRegression(**model)
    assert is_plain(*parts) is plain
    river = preprocessing.StandardScaler(**scaler) | linear_model.LogisticRegression(**model)
    ours = wrap(river.clone(), "binary")
    for n in range(50):
        x = {"a": float(n % 7), "b": n * 0.3, "c": n % 3 == 0}
        assert ours.predict(dict(x))[1] == river.predict_proba_one(x)[True]
        assert digests(ours.estimator) == digests(river)
        river.learn_one(x, n % 7 > 3)
        ours.learn(dict(x), n % 7 > 3)
    assert digests(ours.estimator) == digests(river)
