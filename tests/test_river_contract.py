"""Every learner, metric and detector of River survives a checkpoint, and repeats itself.

After snapshot and restore it goes on as if nothing had been, with equal predictions and equal
digests; built afresh it does the same on the same stream, in this process and in any other.
What River cannot do so is refused, and shown here to be unable to.
"""

import copy
import math
import os
import random
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import orjson
import pytest
from river import (
    active,
    bandit,
    compat,
    feature_extraction,
    linear_model,
    metrics,
    model_selection,
    tree,
)
from river.datasets.synth import Agrawal
from sklearn.linear_model import SGDRegressor
from sklearn.naive_bayes import GaussianNB

from learners.build import LearnerError, build_learner, wrap
from learners.refused import REFUSED
from learners.sizes import size_of
from stream.core.canonical import canonical_digest
from stream.state.pickling import AllowList, allow_list_of, dumps, loads
from tests.river_cases import NOT_HERE, Case, detectors, events, every_case, fold, scores

EVENTS, BREAK = 120, 80
CASES = every_case()
DETECTORS, METRICS = dict(detectors()), dict(scores())
SIZED = (
    "HoeffdingTreeClassifier",
    "HoeffdingAdaptiveTreeClassifier",
    "ExtremelyFastDecisionTreeClassifier",
)
NOTHING_MORE = allow_list_of()

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*:RuntimeWarning:sklearn", "ignore:.*:FutureWarning:sklearn"
)


def reborn(obj: Any, allowed: AllowList) -> Any:
    """Write an object down and read it again; on the way everything has to stay as it was."""
    again = loads(dumps(obj), allowed)
    assert canonical_digest(again) == canonical_digest(obj) == canonical_digest(copy.deepcopy(obj))
    return again


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_restored_learner_goes_on_as_the_original(case):
    straight = case.build()
    answers = fold(straight, case.events(EVENTS))
    stream = list(case.events(EVENTS))

    learner = case.build()
    before = fold(learner, iter(stream[:BREAK]))
    again = wrap(reborn(learner.estimator, allow_list_of(case.build().estimator)), case.task)
    after = fold(learner, iter(stream[BREAK:]))

    assert repr(fold(again, iter(stream[BREAK:]))) == repr(after)
    assert repr(before + after) == repr(answers)
    digests = {canonical_digest(each.estimator) for each in (straight, learner, again)}
    assert len(digests) == 1
    assert any(prediction is not None for prediction, _ in answers)


@pytest.mark.parametrize("name", SIZED)
def test_a_tree_that_bounds_its_size_does_so_after_a_restore_as_before(name):
    params = {"memory_estimate_period": 50, "max_size": 0.2, "grace_period": 40, "delta": 0.01}
    learner = build_learner(task="binary", class_=f"river.tree.{name}", params=params)
    stream = list(Agrawal(seed=1).take(2_000))
    for x, y in stream[:1_220]:
        learner.learn(x, bool(y))
    again = wrap(reborn(learner.estimator, allow_list_of(learner.estimator)), "binary")
    assert size_of(again.estimator) == size_of(learner.estimator)
    for x, y in stream[1_220:]:
        learner.learn(x, bool(y))
        again.learn(x, bool(y))
    assert learner.estimator._active_leaf_size_estimate > 1_000
    assert canonical_digest(learner.estimator) == canonical_digest(again.estimator)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_prediction_is_what_the_estimator_predicts(case):
    learner = case.build()
    for number, (x, y) in enumerate(case.events(60)):
        if number % 6 == 0:
            expected = copy.deepcopy(learner.estimator).predict_one(dict(x))
            if isinstance(expected, float) and not math.isfinite(expected):
                expected = None
            prediction, probability = learner.predict(dict(x))
            assert prediction == expected
            assert (
                type(prediction)
                in {
                    "binary": (bool, type(None)),
                    "multiclass": (str, type(None)),
                    "regression": (float, type(None)),
                }[case.task]
            )
            _check_probability(case, probability)
        learner.learn(dict(x), y)


def _check_probability(case: Case, probability: Any) -> None:
    if case.task == "regression":
        assert probability is None
    elif case.task == "binary":
        assert probability is None or type(probability) is float
    else:
        assert probability is None or set(probability) <= {"high", "mid", "low"}


def test_the_hash_seed_changes_nothing():
    running = [
        subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", "tests.river_cases", "60"],
            env=os.environ | {"PYTHONHASHSEED": seed},
            stdout=subprocess.PIPE,
        )
        for seed in ("0", "1", "2026")
    ]
    first, *others = [orjson.loads(process.communicate()[0]) for process in running]
    assert set(first) == {case.name for case in CASES}
    for other in others:
        assert {name for name in first if first[name] != other[name]} == set()


def test_every_case_has_a_name_of_its_own():
    assert len({case.name for case in CASES}) == len(CASES)


# --- detectors and metrics -------------------------------------------------------------------


@pytest.mark.parametrize("name", DETECTORS)
def test_a_restored_detector_goes_on_as_the_original(name):
    draw = random.Random(1)
    signal = [int(draw.random() < rate) for rate in (0.1, 0.9, 0.1) for _ in range(250)]
    one, straight = copy.deepcopy(DETECTORS[name]), copy.deepcopy(DETECTORS[name])

    def run(detector: Any, values: list[int]) -> list[bool]:
        found = []
        for value in values:
            detector.update(value)
            found.append(bool(detector.drift_detected))
        return found

    before = run(one, signal[:340])
    again = reborn(one, allow_list_of(DETECTORS[name]))
    after = run(one, signal[340:])
    assert run(again, signal[340:]) == after
    assert run(straight, signal) == before + after
    assert len({canonical_digest(each) for each in (one, again, straight)}) == 1
    assert any(before + after) or name.endswith("NoDrift")


@pytest.mark.parametrize("name", METRICS)
def test_a_restored_metric_goes_on_as_the_original(name):
    pairs = list(scored(METRICS[name]))
    one, straight = METRICS[name].clone(), METRICS[name].clone()
    update(one, pairs[:80])
    again = reborn(one, NOTHING_MORE)
    for each, some in ((one, pairs[80:]), (again, pairs[80:]), (straight, pairs)):
        update(each, some)
    assert len({canonical_digest(each) for each in (one, again, straight)}) == 1
    assert repr(one) == repr(again) == repr(straight)


def update(metric: Any, pairs: list[tuple[Any, Any]]) -> None:
    for truth, prediction in pairs:
        metric.update(truth, prediction)


def scored(metric: Any) -> Any:
    """Give truths and predictions of the kind that a metric takes."""
    draw = random.Random(5)
    for _, truth in events(_task_of(metric), "numbers", 120):
        if isinstance(metric, metrics.base.RegressionMetric):
            yield abs(truth), abs(truth + draw.gauss(0, 0.5))
        elif isinstance(metric, metrics.base.BinaryMetric):
            chance = min(max(0.6 * truth + 0.4 * draw.random(), 0.0), 1.0)
            yield truth, chance > 0.5 if metric.requires_labels else chance
        elif isinstance(metric, metrics.CrossEntropy):
            yield truth, {label: 0.6 if label == truth else 0.2 for label in ("high", "low", "mid")}
        else:
            yield truth, draw.choice(["high", "low", truth])


def _task_of(metric: Any) -> Any:
    if isinstance(metric, metrics.base.RegressionMetric):
        return "regression"
    return "binary" if isinstance(metric, metrics.base.BinaryMetric) else "multiclass"


# --- what is refused ---------------------------------------------------------------------------


def samplers_answer_with_two_things() -> bool:
    sampler = active.EntropySampler(linear_model.LogisticRegression(), seed=1)
    return isinstance(sampler.predict_proba_one({"a": 1.0}), tuple)


def thompson_sampling_does_not_take_a_metrics_reward() -> bool:
    model = model_selection.BanditRegressor(
        models=[linear_model.LinearRegression(), linear_model.LinearRegression(l2=0.1)],
        metric=metrics.MAE(),
        policy=bandit.ThompsonSampling(seed=1),
    )
    try:
        for x, y in events("regression", "steady", 20):
            model.learn_one(x, y)
    except (AttributeError, TypeError, ValueError):
        return True
    return False


def several_targets_are_predicted_at_once() -> bool:
    model = (
        tree.iSOUPTreeRegressor()
        if hasattr(tree, "iSOUPTreeRegressor")
        else tree.ISOUPTreeRegressor()
    )
    model.learn_one({"a": 1.0}, {"one": 1.0, "two": 2.0})
    return isinstance(model.predict_one({"a": 1.0}), dict)


def leaves_are_known_by_their_address() -> bool:
    embedding = feature_extraction.RandomTreesEmbedding(n_trees=2, height=2, seed=1)
    x = {"a": 0.2, "b": 0.4}
    embedding.learn_one(x)
    again: Any = loads(dumps(embedding), NOTHING_MORE)
    try:
        return bool(again.transform_one(x) != embedding.transform_one(x))
    except KeyError:
        return True


def the_wrapper_of_scikit_learn_needs_every_feature_every_time() -> bool:
    model = compat.SKL2RiverRegressor(SGDRegressor(random_state=1))
    model.learn_one({"a": 1.0, "b": 2.0}, 1.0)
    try:
        model.predict_one({"a": 1.0})
    except KeyError:
        return True
    return False


def variances_of_one_row_divide_by_zero():
    model = GaussianNB()
    for label in (0, 1):
        model.partial_fit(np.array([[1.0, 2.0 + label]]), np.array([label]), classes=[0, 1])
    with np.errstate(all="ignore"):
        return bool(np.isnan(model.predict_proba(np.array([[1.0, 2.0]]))).all())


PROOFS: dict[str, Callable[[], bool]] = {
    "ActiveLearningClassifier": samplers_answer_with_two_things,
    "ThompsonSampling": thompson_sampling_does_not_take_a_metrics_reward,
    "MultiTargetRegressor": several_targets_are_predicted_at_once,
    "RandomTreesEmbedding": leaves_are_known_by_their_address,
    "GaussianNB": variances_of_one_row_divide_by_zero,
    "SKL2RiverBase": the_wrapper_of_scikit_learn_needs_every_feature_every_time,
}
"""Refused class to what shows that it does not do."""


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_does_fail(name):
    assert PROOFS[name.rpartition(".")[2]]()


@pytest.mark.parametrize("path", sorted(NOT_HERE))
def test_what_this_python_lacks_is_an_error_that_says_so(path):
    with pytest.raises(LearnerError, match=r"requires Python 3\.14"):
        build_learner(task="binary", class_=path)
