import copy
import inspect
import json
import pickle
import random
import subprocess
import sys
from collections import Counter
from math import nan
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from river import base, compose, ensemble, forest, linear_model, naive_bayes, preprocessing
from river import tree as trees
from river.feature_extraction import RandomTreesEmbedding

from learners.build import LearnerError, build_learner, import_path, wrap
from learners.paths import river_paths
from learners.refused import REFUSED
from stream.core.canonical import canonical_digest

ROOT = Path(__file__).parent.parent
LOGISTIC = {"class": "river.linear_model.LogisticRegression"}
TREE: dict[str, Any] = {
    "class": "river.tree.HoeffdingTreeClassifier",
    "params": {"grace_period": 20},
}
CLASSES = ["ash", "birch", "cedar", "dogwood"]
TASKS = ("binary", "multiclass", "regression")

SEARCH: dict[str, Any] = {"class": "river.neighbors.SWINN", "params": {"warm_up": 20, "graph_k": 3}}
LEFT_OUT = {
    "river.active.EntropySampler": "wish for a label",
    "river.compat.SKL2RiverClassifier": "the scikit-learn estimator itself",
    "river.compat.SKL2RiverRegressor": "the scikit-learn estimator itself",
    "river.misc.ZstdClassifier": "Python 3.14",
    "river.tree.ISOUPTreeRegressor": "several targets",
}
"""River's classifiers and regressors that cannot be used, and what the refusal says."""

# Arguments for the classes of which River names none, or none with a seed.
_LINEAR = {"class": "river.linear_model.LinearRegression"}
_POLICY: dict[str, Any] = {"class": "river.bandit.EpsilonGreedy", "params": {"epsilon": 0.3}}
_ACCURACY, _MAE = ({"class": f"river.metrics.{name}"} for name in ("Accuracy", "MAE"))
_SAMPLED: dict[str, Any] = {"classifier": TREE, "desired_dist": {"true": 0.4, "false": 0.6}}
ARGUMENTS: dict[str, dict[str, Any]] = {
    "compose.TargetTransformRegressor": {
        "regressor": _LINEAR, "func": {"import": "math.sqrt"},
        "inverse_func": {"import": "builtins.abs"}},
    "imblearn.RandomOverSampler": _SAMPLED,
    "imblearn.RandomUnderSampler": _SAMPLED,
    "imblearn.RandomSampler": _SAMPLED | {"sampling_rate": 0.5},
    "model_selection.BanditClassifier": {
        "models": [LOGISTIC, LOGISTIC], "metric": _ACCURACY, "policy": _POLICY},
    "model_selection.BanditRegressor": {
        "models": [_LINEAR, _LINEAR], "metric": _MAE, "policy": _POLICY},
    "model_selection.SuccessiveHalvingClassifier": {
        "models": [TREE, {"class": "river.naive_bayes.GaussianNB"}], "metric": _ACCURACY,
        "budget": 40},
    "preprocessing.TargetMinMaxScaler": {"regressor": _LINEAR},
    "preprocessing.TargetStandardScaler": {"regressor": _LINEAR},
}  # fmt: skip


def rows(task, count=60, text=False, seed=3):
    draw = random.Random(seed)
    for _ in range(count):
        x: dict[str, Any] = {name: draw.random() for name in ("a", "b", "c")}
        if text:
            x |= {"city": draw.choice(["Oslo", "Rome", "Lima"]), "day": draw.choice(["Mo", "Tu"])}
        total = x["a"] + x["b"] + 0.3 * draw.random()
        if task == "regression":
            yield x, total
        else:
            yield x, total > 1.1 if task == "binary" else CLASSES[min(int(total * 2), 3)]


def run(learner, task, **kwargs):
    answers = []
    for x, y in rows(task, **kwargs):
        answers.append(learner.predict(x))
        learner.learn(x, y)
    return answers


def river_cases():
    for path in river_paths():
        cls = import_path(path)
        if not issubclass(cls, (base.Classifier, base.Regressor)) or inspect.isabstract(cls):
            continue
        own = ARGUMENTS.get(path.removeprefix("river."))
        for number, params in enumerate([own] if own else cls._unit_test_params()):
            for task in TASKS:
                if issubclass(cls, base.Classifier) != (task == "regression"):
                    yield pytest.param(task, path, params, id=f"{path}-{number}-{task}")


def build_or_none(task, path, params):
    """Build a learner, or see it refused for the reason that it is known to be refused for."""
    reason = LEFT_OUT.get(path)
    if task == "multiclass" and reason is None:
        known = build_learner(task="binary", class_=path, params=copy.deepcopy(params)).estimator
        reason = None if known._multiclass else "two classes"
    if reason is None:
        return build_learner(task=task, class_=path, params=params)
    with pytest.raises(LearnerError, match=reason):
        build_learner(task=task, class_=path, params=params)
    return None


@pytest.mark.parametrize(("task", "path", "params"), list(river_cases()))
@pytest.mark.filterwarnings("ignore::RuntimeWarning", "ignore::DeprecationWarning")
def test_a_learner_predicts_what_its_estimator_does(task, path, params):
    if task == "multiclass" and "desired_dist" in params:
        params = params | {"desired_dist": dict.fromkeys(CLASSES, 0.25)}
    learner, twin = (build_or_none(task, path, copy.deepcopy(params)) for _ in range(2))
    if learner is None or twin is None:
        return
    twin = twin.estimator
    kind = {"binary": bool, "regression": float}.get(task, str)
    for x, y in rows(task):
        prediction, probability = learner.predict(dict(x))
        expected = twin.predict_one(dict(x))
        assert prediction == expected
        assert type(prediction) in (type(None), kind)
        if task == "binary":
            assert type(probability) in (float, type(None))
            assert probability is None or 0 <= probability <= 1
        elif task == "multiclass":
            assert type(probability) in (dict, type(None))
            assert probability is None or prediction in probability
        learner.learn(dict(x), y)
        twin.learn_one(dict(x), y)
    assert canonical_digest(learner.estimator) == canonical_digest(twin)


class Fixed(base.Classifier):
    def __init__(self, proba):
        self.proba = proba

    def learn_one(self, x, y):
        pass

    def predict_proba_one(self, x, **kwargs):
        return self.proba


@given(st.dictionaries(st.booleans(), st.floats(0, 1) | st.just(nan)))
@example({False: 0.5, True: 0.5})
@example({True: 0.5, False: 0.5})
@example({True: 0.0})
@example({True: nan, False: nan})
def test_the_likelier_of_two_is_rivers_choice(proba):
    prediction, probability = wrap(Fixed(proba), "binary").predict({})
    assert prediction is Fixed(proba).predict_one({})
    known = proba.get(True, 0.0) if proba else None
    assert probability == (None if known is None or known != known else known)


@given(st.dictionaries(st.sampled_from(CLASSES), st.floats(0, 1) | st.just(nan)))
def test_the_likeliest_of_many_is_rivers_choice(proba):
    class Many(Fixed):
        _multiclass = True

    prediction, probability = wrap(Many(Counter(proba)), "multiclass").predict({})
    assert prediction == Many(proba).predict_one({})
    assert type(probability) is dict if proba else probability is None


@pytest.mark.parametrize("value", [None, nan, float("inf"), -float("inf")])
def test_a_number_that_is_not_finite_is_no_prediction(value):
    class Stuck(base.Regressor):
        def learn_one(self, x, y):
            pass

        def predict_one(self, x):
            return value

    assert wrap(Stuck(), "regression").predict({}) == (None, None)


def test_a_probability_that_is_not_given_is_none():
    class Oracle(base.Classifier):
        def learn_one(self, x, y):
            pass

        def predict_one(self, x, **kwargs):
            return 1

        def predict_proba_one(self, x, **kwargs):
            raise NotImplementedError

    learner = wrap(Oracle(), "binary")
    assert learner.predict({}) == learner.predict({}) == (True, None)
    assert learner.predict({})[0] is True


# --- seeds -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("task", "path", "params", "count"),
    [
        ("binary", "river.forest.ARFClassifier", {"n_models": 2}, 60),
        ("binary", "river.tree.HoeffdingAdaptiveTreeClassifier", {}, 60),
        ("binary", "river.ensemble.SRPClassifier", {"n_models": 2}, 60),
        ("binary", "river.ensemble.BaggingClassifier", {"model": LOGISTIC}, 60),
        ("multiclass", "river.forest.AMFClassifier", {"n_estimators": 2}, 60),
        ("multiclass", "river.neighbors.KNNClassifier", {"engine": SEARCH}, 60),
        ("binary", "river.imblearn.RandomUnderSampler", _SAMPLED, 60),
        ("regression", "river.forest.OXTRegressor", {"n_models": 2}, 60),
    ],
)
def test_what_draws_draws_by_the_seed(task, path, params, count):
    first, second, other = (
        build_learner(task=task, class_=path, params=params, seed=seed) for seed in (1, 1, 2)
    )
    assert run(first, task, count=count) == run(second, task, count=count)
    run(other, task, count=count)
    assert canonical_digest(first.estimator) == canonical_digest(second.estimator)
    assert canonical_digest(first.estimator) != canonical_digest(other.estimator)


def test_a_part_that_a_class_makes_for_itself_is_seeded_too():
    learner = build_learner(task="binary", class_="river.neighbors.KNNClassifier", seed=5)
    assert learner.estimator.engine.seed == learner.estimator._nn.seed == 5


def test_a_seed_that_is_given_stays():
    learner = build_learner(
        task="binary",
        class_="river.ensemble.BaggingClassifier",
        params={
            "model": {"class": "river.tree.HoeffdingAdaptiveTreeClassifier", "params": {"seed": 7}}
        },
        seed=9,
    )
    assert learner.estimator.seed == 9
    assert {each.seed for each in learner.estimator.models} == {7}


def unseeded():
    return preprocessing.StandardScaler() | ensemble.BaggingClassifier(
        forest.ARFClassifier(n_models=2), seed=3
    )


def forgetful():
    return RandomTreesEmbedding(seed=3) | linear_model.LogisticRegression()


def seeded():
    return preprocessing.StandardScaler() | trees.HoeffdingAdaptiveTreeClassifier(seed=3)


def grown():
    model = naive_bayes.GaussianNB()
    for x, y in rows("binary"):
        model.learn_one(x, y)
    return model


def test_what_a_factory_makes_has_to_replay():
    with pytest.raises(LearnerError, match="ARFClassifier draws random numbers without a seed"):
        build_learner(task="binary", factory=f"{__name__}:unseeded")
    with pytest.raises(LearnerError, match="RandomTreesEmbedding is refused: it knows leaves by"):
        build_learner(task="binary", factory=f"{__name__}:forgetful")
    learner = build_learner(task="binary", factory=f"{__name__}:seeded")
    assert run(learner, "binary")[-1][0] in (False, True)


def test_a_factory_may_give_a_trained_model():
    learner = build_learner(task="binary", factory=f"{__name__}:grown")
    assert learner.predict({"a": 0.9, "b": 0.9, "c": 0.5}) == (True, pytest.approx(1, abs=0.1))


# --- hash seeds ------------------------------------------------------------------------------

_SELECT = {"class": "river.compose.Select", "params": {"keys": ["c", "a", "b"]}}
_SPLIT: dict[str, Any] = {"grace_period": 10, "binary_split": True, "delta": 0.1, "tau": 0.5}
HASHED: dict[str, tuple[str, dict[str, Any]]] = {
    "select": ("binary", {"steps": [_SELECT, LOGISTIC]}),
    "select in clones": ("binary", {"class_": "river.ensemble.ADWINBaggingClassifier",
                                    "params": {"model": {"steps": [_SELECT, LOGISTIC]}}}),
    "one-hot": ("binary", {"steps": [{"class": "river.preprocessing.OneHotEncoder"}, LOGISTIC]}),
    "terms": ("binary", {"steps": [{"class": "river.feature_extraction.TFIDF",
                                    "params": {"on": "words"}}, LOGISTIC]}),
    "nominal": ("binary", {"class_": "river.tree.HoeffdingTreeClassifier", "params": _SPLIT}),
    "pairs": ("multiclass", {"class_": "river.multiclass.OneVsOneClassifier",
                             "params": {"classifier": TREE}}),
    "adaptive": ("multiclass", {"class_": "river.tree.HoeffdingAdaptiveTreeClassifier"}),
    "neighbors": ("multiclass", {"steps": [_SELECT,
                                           {"class": "river.neighbors.KNNClassifier"}]}),
    "mondrian": ("multiclass", {"steps": [_SELECT, {"class": "river.forest.AMFClassifier",
                                                    "params": {"n_estimators": 2}}]}),
    "last": ("multiclass", {"class_": "river.dummy.NoChangeClassifier"}),
    "rules": ("regression", {"steps": [_SELECT, {"class": "river.rules.AMRules",
                                                 "params": {"n_min": 20, "delta": 0.1}}]}),
    "categories": ("binary", {"factory": "tests.test_learners:set_of_categories"}),
}  # fmt: skip


def set_of_categories():
    encoder = preprocessing.OneHotEncoder(categories={"city": {"Oslo", "Rome", "Lima"}})
    return compose.Select("city") | encoder | linear_model.LogisticRegression()


def fingerprint(task, description):
    learner = build_learner(task=task, **description)
    answers = []
    for x, y in rows(task, count=250, text=True):
        x["words"] = f"{x['city']} {x['day']} {x['city']} again"
        answers.append(repr(learner.predict(x)))
        learner.learn(x, y)
    return canonical_digest(answers, learner.estimator)


def test_nothing_depends_on_the_hash_seed():
    code = "from tests import test_learners as t; import json; print(json.dumps({"
    code += "name: t.fingerprint(*case) for name, case in t.HASHED.items()}))"
    found = [
        json.loads(
            subprocess.run(
                [sys.executable, "-W", "ignore", "-c", code],
                cwd=ROOT, env={"PYTHONHASHSEED": seed}, capture_output=True, check=True,
            ).stdout
        )
        for seed in ("1", "2", "3")
    ]  # fmt: skip
    assert found[0] == found[1] == found[2]


def test_rules_are_numbered_wherever_they_lie_in_memory():
    description = HASHED["rules"][1]
    first, second = (build_learner(task="regression", **description) for _ in range(2))
    for learner in (first, second):
        run(learner, "regression", count=600)
    rules = first.estimator["AMRules"]._rules
    assert len(rules) > 1
    assert list(rules) == list(range(len(rules)))
    assert canonical_digest(first.estimator) == canonical_digest(second.estimator)


@given(st.permutations(["c", "a", "b"]))
def test_mended_parts_still_do_what_they_did(keys):
    x = {"z": 0.0, "b": 2.0, "a": 1.0, "c": 3.0}
    assert compose.Select(*keys).transform_one(x) == {"a": 1.0, "b": 2.0, "c": 3.0}
    assert list(compose.Select(*keys).transform_one(x)) == ["a", "b", "c"]
    assert compose.Select(*keys).clone().keys == {"a", "b", "c"}
    with pytest.raises(KeyError):
        compose.Select(*keys).transform_one({"a": 1.0})


def test_every_class_that_is_refused_exists():
    for path, reason in REFUSED.items():
        assert inspect.isclass(import_path(path))
        assert reason


def test_a_restored_pickle_goes_on_the_same():
    learner = build_learner(task="multiclass", **HASHED["pairs"][1])
    run(learner, "multiclass")
    twin = wrap(pickle.loads(pickle.dumps(learner.estimator)), "multiclass")
    assert run(learner, "multiclass", seed=4) == run(twin, "multiclass", seed=4)
