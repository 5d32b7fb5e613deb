import json
import pickle
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from river import compose, linear_model, preprocessing
from sklearn.linear_model import SGDClassifier

from learners.build import LearnerError, build_learner, wrap
from learners.sklearn import Columns, IncrementalClassifier
from stream.core.canonical import canonical_digest

ROOT = Path(__file__).parent.parent
SGD = "sklearn.linear_model.SGDClassifier"
LOG_LOSS = {"loss": "log_loss"}


def broken():
    raise KeyError("colour")


def a_transformer():
    return preprocessing.StandardScaler()


def raw_sklearn():
    return preprocessing.StandardScaler() | SGDClassifier(loss="log_loss", random_state=1)


here = __name__


@pytest.mark.parametrize(
    ("description", "key", "said"),
    [
        ({"class_": "river.tree.HoefdingTreeClassifier"}, "class",
         'river.tree has no "HoefdingTreeClassifier"; did you mean '
         '"river.tree.HoeffdingTreeClassifier"?'),
        ({"class_": "river.linear_model.HoeffdingTreeClassifier"}, "class",
         'did you mean "river.tree.HoeffdingTreeClassifier"?'),
        ({"class_": "HoeffdingTreeClassifier"}, "class",
         'is no import path; did you mean "river.tree.HoeffdingTreeClassifier"?'),
        ({"class_": "rivr.tree.HoeffdingTreeClassifier"}, "class", 'there is no module "rivr"; d'),
        ({"class_": "river.tre.HoeffdingTreeClassifier"}, "class",
         'there is no module "river.tre"; did you mean "river.tree.HoeffdingTreeClassifier"?'),
        ({"class_": "nonsense"}, "class", "accepted: a River classifier or regressor"),
        ({"factory": "no_such_models:build"}, "factory", "is its folder on PYTHONPATH?"),
        ({"factory": f"{here}:brokn"}, "factory", f'did you mean "{here}.broken"?'),
        ({"factory": f"{here}:broken"}, "factory", "failed: KeyError: 'colour'"),
        ({"factory": f"{here}:here"}, "factory", "is not a function that returns an estimator"),
        ({"factory": f"{here}:a_transformer"}, "factory", "is no classifier, which task"),
        ({"class_": f"{here}.broken"}, "class", f'factory = "{here}:broken"'),
        ({"class_": "river.tree.HoeffdingTreeRegressor"}, "class",
         'is no classifier, which task = "binary" asks for; accepted: a River classifier'),
        ({"class_": "river.base.Classifier"}, "class", "is abstract"),
        ({"class_": "river.preprocessing.StandardScaler"}, "class", "is no classifier"),
        ({"class_": "sklearn.linear_model.SGDClasifier"}, "class", f'did you mean "{SGD}"?'),
        ({"steps": [{"class": "river.preprocessing.StandardScaler"},
                    {"class": "sklearn.linear_model.LogisticRegression"}]},
         "steps", "has no partial_fit"),
        ({"class_": "sklearn.linear_model.SGDRegressor"}, "class", "is no classifier"),
        ({"class_": "sklearn.naive_bayes.GaussianNB"}, "class", "name river.naive"),
        ({"class_": "river.tree.HoeffdingTreeClassifier", "params": {"grace_perod": 5}}, "params",
         'has no parameter "grace_perod"; did you mean "grace_period"? accepted: grace_period, '),
        ({"class_": "river.linear_model.PAClassifier", "params": {"mode": "one"}}, "params",
         "refuses its parameters"),
        ({"class_": "river.multiclass.OneVsRestClassifier"}, "params", "needs classifier;"),
        ({"class_": "river.ensemble.BaggingClassifier",
          "params": {"model": {"class": "river.tree.HoeffdingTree"}}}, "params.model.class",
         'did you mean "river.tree.HoeffdingTree'),
        ({"class_": "river.ensemble.BaggingClassifier",
          "params": {"model": {"class": "river.naive_bayes.GaussianNB", "param": {}}}},
         "params.model", "stands beside param; accepted: class, params"),
        ({"class_": "river.ensemble.BaggingClassifier",
          "params": {"model": {"class": "river.naive_bayes.GaussianNB", "params": 3}}},
         "params.model.params", "params is 3; it has to be a table"),
        ({"class_": "river.ensemble.BaggingClassifier", "params": {
            "model": {"class": "river.multiclass.OneVsOneClassifier", "params": {
                "classifier": {"class": "river.linear_model.LogisticRegression"}}}}}, "class",
         "needs the probabilities of a classifier inside it that gives none"),
        ({"class_": "river.compose.Select", "params": {"keys": "a"}}, "params", "keys as a list"),
        ({"steps": [{"class": "river.naive_bayes.GaussianNB"},
                    {"class": "river.naive_bayes.GaussianNB"}]}, "steps.0.class",
         "GaussianNB is step 1 of 2 and no River transformer"),
        ({"steps": [{"class": "river.preprocessing.StandardScalr"},
                    {"class": "river.naive_bayes.GaussianNB"}]}, "steps.0.class",
         'did you mean "river.preprocessing.StandardScaler"?'),
        ({"steps": [{"class": "river.preprocessing.StandardScaler"}]}, "steps", "is no classifier"),
        ({}, "class", "nothing to build"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_its_mend(description, key, said):
    with pytest.raises(LearnerError) as caught:
        build_learner(task="binary", **description)
    assert said in str(caught.value)
    assert caught.value.key == key
    assert "\n" not in str(caught.value)


def test_classes_are_asked_for():
    with pytest.raises(LearnerError, match=r'classes = \["a", "b", "c"\] under \[learner\]'):
        build_learner(task="multiclass", class_=SGD)


def test_without_scikit_learn_the_message_says_what_to_install():
    code = (
        "import sys\n"
        "class Absent:\n"
        "    def find_spec(self, name, *rest):\n"
        "        if name.partition('.')[0] == 'sklearn':\n"
        "            raise ModuleNotFoundError(name, name='sklearn')\n"
        "sys.meta_path.insert(0, Absent())\n"
        "from learners.build import build_learner\n"
        "build_learner(task='binary', class_='river.naive_bayes.GaussianNB')\n"
        f"try: build_learner(task='binary', class_={SGD!r})\n"
        "except ValueError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True)
    assert b'pip install "driftline[sklearn]"' in done.stdout


def test_descriptions_nest():
    learner = build_learner(
        task="binary",
        class_="river.ensemble.ADWINBaggingClassifier",
        params={
            "n_models": 2,
            "model": {
                "steps": [
                    {"class": "river.compose.TransformerUnion", "params": {"transformers": [
                        {"class": "river.compose.Select", "params": {"keys": ["a"]}},
                        {"class": "river.compose.SelectType",
                         "params": {"types": [{"import": "builtins.str"}]}},
                    ]}},
                    {"class": "river.preprocessing.OneHotEncoder"},
                    {"class": "river.linear_model.LogisticRegression", "params": {
                        "optimizer": {"class": "river.optim.Adam", "params": {"lr": 0.5}}}},
                ]
            },
        },
    )  # fmt: skip
    model = learner.estimator.models[1]
    assert isinstance(model, compose.Pipeline)
    assert model["LogisticRegression"].optimizer.lr.learning_rate == 0.5
    learner.learn({"a": 1.0, "b": 2.0, "city": "Oslo"}, True)
    assert model["TransformerUnion"].transform_one({"a": 1.0, "b": 2.0, "c": "x"}) == {
        "a": 1.0,
        "c": "x",
    }


def test_a_table_that_only_looks_like_a_description_stays_one():
    steps: list[dict[str, Any]] = [
        {"class": "river.compose.Renamer", "params": {"mapping": {"class": "kind", "a": "b"}}},
        {"class": "river.naive_bayes.GaussianNB"},
    ]
    learner = build_learner(task="binary", steps=steps)
    assert learner.estimator["Renamer"].mapping == {"class": "kind", "a": "b"}


# --- scikit-learn ----------------------------------------------------------------------------


def events(count=200, seed=1):
    """Events that lack features, bring a new one late, and hold text."""
    draw = random.Random(seed)
    for number in range(count):
        value, town = draw.uniform(-1, 1), draw.choice(["Oslo", "Ulm"])
        x: dict[str, Any] = {"a": value, "b": draw.uniform(-1, 1), "town": town}
        y = value + (town == "Ulm") > 0.3
        if draw.random() < 0.1:
            del x["b"]
        if number > 100:
            x["late"] = draw.random()
        yield x, y


@pytest.mark.parametrize(
    ("path", "params"),
    [
        (SGD, LOG_LOSS),
        (SGD, {}),
        ("sklearn.linear_model.Perceptron", {}),
        ("sklearn.naive_bayes.BernoulliNB", {}),
        ("sklearn.neural_network.MLPClassifier", {"hidden_layer_sizes": [4]}),
    ],
)
@pytest.mark.parametrize("encoded", [False, True])
def test_scikit_learn_learns_from_events(path, params, encoded):
    encoder = {"class": "river.preprocessing.OneHotEncoder"}
    steps: list[dict[str, Any]] = [{"class": path, "params": params}]
    if encoded:
        steps.insert(0, encoder)
    learner, twin = (build_learner(task="binary", steps=steps, seed=3) for _ in range(2))
    assert learner.predict({"a": 1.0}) == (None, None)
    right = 0
    for number, (x, y) in enumerate(events()):
        if number == 120:
            twin = wrap(pickle.loads(pickle.dumps(twin.estimator)), "binary")
        prediction, probability = learner.predict(x)
        assert (prediction, probability) == twin.predict(x)
        assert prediction is learner.estimator.predict_one(x)
        if number:
            assert type(prediction) is bool
            assert probability is None or 0 <= probability <= 1
        right += prediction == y
        learner.learn(x, y)
        twin.learn(x, y)
    assert right > 110
    assert canonical_digest(learner.estimator) == canonical_digest(twin.estimator)


def test_scikit_learn_tells_many_classes_apart():
    names = ["low", "middle", "high"]
    learner = build_learner(task="multiclass", class_=SGD, params=LOG_LOSS, classes=names)
    draw = random.Random(5)
    for _ in range(300):
        value = draw.uniform(0, 3)
        learner.learn({"v": value - 1.5, "w": abs(value - 1.5)}, names[int(value)])
    prediction, probability = learner.predict({"v": 1.4, "w": 1.4})
    assert prediction == "high"
    assert list(probability) == names
    assert sum(probability.values()) == pytest.approx(1)
    assert json.dumps([prediction, probability])
    with pytest.raises(ValueError, match="'huge' is none of the declared classes"):
        learner.learn({"v": 1.0}, "huge")


def test_scikit_learn_regresses():
    learner = build_learner(
        task="regression",
        steps=[
            {"class": "river.preprocessing.StandardScaler"},
            {"class": "sklearn.linear_model.SGDRegressor"},
        ],
    )
    assert learner.predict({"a": 1.0}) == (None, None)
    draw = random.Random(5)
    for _ in range(500):
        value = draw.random()
        learner.learn({"a": value}, 3 * value)
    predictions = [learner.predict({"a": value})[0] for value in (0.1, 0.5, 0.9)]
    assert {type(value) for value in predictions} == {float}
    assert predictions == sorted(predictions)
    assert predictions[1] == pytest.approx(1.5, abs=0.6)


def test_a_factory_may_return_a_scikit_learn_estimator():
    learner = build_learner(task="binary", factory=f"{__name__}:raw_sklearn")
    learner.learn({"a": 1.0}, True)
    assert type(learner.predict({"a": 1.0})[1]) is float
    assert isinstance(learner.estimator["SGDClassifier"], IncrementalClassifier)


def test_an_estimator_is_wrapped_as_it_is():
    model = linear_model.LogisticRegression()
    assert wrap(model, "binary").estimator is model
    with pytest.raises(LearnerError, match="LogisticRegression is no regressor"):
        wrap(model, "regression")


VALUES = st.floats(-10, 10) | st.sampled_from(["red", "blue"]) | st.booleans()


@given(st.lists(st.dictionaries(st.sampled_from("abcdef"), VALUES)), st.integers(1, 5))
def test_columns_are_given_once_and_are_bounded(records, width):
    columns = Columns(width)
    given_out: dict[str, int] = {}
    for x in records:
        vector = columns.learn(x)
        assert vector.shape == (1, width)
        assert given_out.items() <= columns.places.items()
        given_out = dict(columns.places)
        assert sorted(given_out.values()) == list(range(len(given_out)))
        expected = np.zeros(width)
        for name, value in x.items():
            text = isinstance(value, str)
            place = given_out.get(f"{name}={value}" if text else name)
            if place is not None:
                expected[place] = 1 if text else value
        assert vector[0].tolist() == expected.tolist() == columns.look(x)[0].tolist()
        assert columns.places == given_out
    keys = [f"{n}={v}" if isinstance(v, str) else n for x in records for n, v in x.items()]
    assert list(given_out) == list(dict.fromkeys(keys))[:width]
    assert columns.left_out == sum(key not in given_out for key in keys)
