"""Estimators that learn in batches only: refitted on windows, the same after a restore."""

import orjson
import pytest

from learners.batch import BatchClassifier
from stream import ConfigError, parse_config, replay
from stream.app.engine import allowed_of, parts_of
from tests.test_training import flips, run

REFITS = {
    "window": {"policy": "fixed", "size": 200},
    "triggers": [{"every": 250}],
    "challengers": 1,
    "limit": 200,
    "gate": {"labels": 0},
}


def config_of(task, class_, **params):
    return parse_config(
        {
            "task": task,
            "input": {"id": "id", "time": "t", "label": "y"},
            "labels": {"ttl": 1e9},
            "learner": {"class": class_, "params": params},
            "training": REFITS,
        }
    )


LEARNERS = [
    ("binary", "sklearn.tree.DecisionTreeClassifier", {"max_depth": 4}),
    ("binary", "sklearn.ensemble.HistGradientBoostingClassifier", {"max_iter": 5}),
    ("multiclass", "sklearn.ensemble.RandomForestClassifier", {"n_estimators": 3}),
    ("binary", "sklearn.linear_model.LogisticRegression", {"warm_start": True}),
    ("regression", "sklearn.ensemble.HistGradientBoostingRegressor", {"max_iter": 5}),
]


def rows_of(task, count=1200):
    rows = flips(count, 600, noise=0.05)
    for row in rows:
        y = row["y"]
        row["y"] = {"binary": y, "multiclass": f"c{y:d}", "regression": row["a"]}[task]
    return rows


@pytest.mark.parametrize(("task", "class_", "params"), LEARNERS)
@pytest.mark.parametrize("delay", [0, 100])
def test_a_restore_changes_nothing(task, class_, params, delay):
    config = config_of(task, class_, **params)
    rows = rows_of(task)
    whole, parts = run(config, rows, delay), run(config, rows, delay, cuts={100, 700, 1300})
    assert whole.digest() == parts.digest()
    for stream in ("predictions", "models"):
        assert orjson.dumps(getattr(whole.out, stream)) == orjson.dumps(getattr(parts.out, stream))
    events = [record["event"] for record in whole.out.models]
    assert events[:3] == ["trigger", "start", "promotion"]
    assert whole.out.models[1]["how"] == "refit"


def test_it_is_served_between_refits_and_scored():
    config = config_of("binary", "sklearn.tree.DecisionTreeClassifier", max_depth=4)
    found = replay(config, flips(2000, 10**9))
    answers = [each["prediction"] for each in found.predictions]
    assert answers[:249] == [None] * 249
    assert None not in answers[249:]
    assert found.metrics[-1]["abstained"] == 249
    assert (found.metrics[-1]["cumulative"]["Accuracy"] or 0.0) > 0.97


def test_without_a_reason_to_fit_it_is_refused():
    tables = config_of("binary", "sklearn.tree.DecisionTreeClassifier").to_dict()
    tables["training"] = {"window": REFITS["window"]}
    with pytest.raises(ConfigError, match="learns in batches only; say when and on what"):
        parts_of(parse_config(tables)).fresh_learner()


def test_a_window_of_one_class_is_answered_with_it():
    from sklearn.linear_model import LogisticRegression

    model = BatchClassifier(LogisticRegression(), [False, True])
    model.learn_many_rows([({"x": float(n)}, True) for n in range(5)])
    assert model.predict_one({"x": 3.0}) is True
    assert model.predict_proba_one({"x": 3.0}) == {True: 1.0}
    model.learn_many_rows([({"x": float(n)}, n > 2) for n in range(8)])
    assert model.predict_one({"x": 0.0}) is False


def test_what_a_fitted_one_is_made_of_may_be_read_back():
    config = config_of("binary", "sklearn.ensemble.HistGradientBoostingClassifier", max_iter=5)
    names = allowed_of(config)
    assert ("sklearn.ensemble._hist_gradient_boosting.predictor", "TreePredictor") in names.names
