"""The steps of a pipeline called in turn do what the pipeline does, to the last bit."""

import random
from typing import Any

import pytest
from river import compose, feature_extraction, linear_model, preprocessing, stats, tree

from learners.build import build_learner, wrap
from learners.steps import calls
from stream.core.canonical import canonical_digest

PIPELINES: dict[str, Any] = {
    "scaler": lambda: preprocessing.StandardScaler() | linear_model.LogisticRegression(),
    "two steps": lambda: (
        preprocessing.MinMaxScaler()
        | preprocessing.AdaptiveStandardScaler()
        | tree.HoeffdingTreeClassifier()
    ),
    "alone": lambda: compose.Pipeline(tree.HoeffdingTreeClassifier(grace_period=20)),
    "supervised step": lambda: (
        feature_extraction.TargetAgg(by="c", how=stats.Mean())
        | preprocessing.StandardScaler()
        | linear_model.LogisticRegression()
    ),
    "union": lambda: (
        compose.Discard("c")
        | (preprocessing.StandardScaler() + preprocessing.MinMaxScaler())
        | linear_model.LogisticRegression()
    ),
}


@pytest.mark.parametrize("name", PIPELINES)
def test_a_learner_does_what_the_pipeline_itself_does(name):
    plain, bound = PIPELINES[name](), wrap(PIPELINES[name](), "binary")
    draw = random.Random(3)
    for _ in range(300):
        x: dict[str, Any] = {"a": draw.gauss(3, 2), "b": draw.random()}
        if name == "supervised step" or name == "union":
            x["c"] = draw.choice("rst")
        if draw.random() < 0.1:
            del x["b"]
        if draw.random() < 0.1:
            x |= {"a": 3, "d": draw.random() < 0.5}
        y = x["a"] > 3.0
        chance = plain.predict_proba_one(dict(x)).get(True)
        prediction, probability = bound.predict(dict(x))
        assert (prediction, probability) == (plain.predict_one(dict(x)), chance) or chance is None
        plain.learn_one(dict(x), y)
        bound.learn(dict(x), y)
    theirs, ours = plain.steps.values(), bound.estimator.steps.values()
    assert list(map(canonical_digest, theirs)) == list(map(canonical_digest, ours))


def reused(x: dict[str, Any], given: dict[str, Any] = {}) -> dict[str, Any]:  # noqa: B006
    """Give the same mapping for every event, with other values in it."""
    given.clear()
    given.update(x)
    return given


def test_a_step_may_give_the_same_mapping_again():
    plain, bound = (
        compose.FuncTransformer(reused) | tree.HoeffdingTreeClassifier(grace_period=20)
        for _ in range(2)
    )
    learner = wrap(bound, "binary")
    draw = random.Random(4)
    waiting: list[tuple[dict[str, Any], bool]] = []
    for _ in range(400):
        a = draw.gauss(0, 1)
        x = {"a": a, "b": draw.choice("rs")}
        waiting.append((x, a > 0))
        assert learner.predict(x)[1] == plain.predict_proba_one(x).get(True)
        if len(waiting) > 1:
            event, y = waiting.pop(0)
            plain.learn_one(event, y)
            learner.learn(event, y)
    last = "HoeffdingTreeClassifier"
    assert learner.estimator is bound
    assert canonical_digest(plain.steps[last]) == canonical_digest(bound.steps[last])


def test_only_plain_pipelines_are_taken_apart():
    for name, make in PIPELINES.items():
        estimator = make()
        learn, _, _, _ = calls(estimator, "predict_proba_one")
        apart = getattr(learn, "__self__", None) is not estimator
        assert apart == (name in ("scaler", "two steps")), name


def test_a_configured_pipeline_is_taken_apart():
    learner = build_learner(
        task="binary",
        steps=[
            {"class": "river.preprocessing.StandardScaler"},
            {"class": "river.linear_model.LogisticRegression"},
        ],
    )
    learner.learn({"x": 1.0}, True)
    assert learner.estimator._plan is None, "the pipeline itself was not asked"
