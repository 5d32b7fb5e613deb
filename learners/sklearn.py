"""scikit-learn's incremental estimators, driven by one event at a time.

River's own wrapper needs every feature in every event, and numbers only. Events here may
lack a feature, bring a new one late, or hold text; so each feature is given a column of a
vector of fixed width when it is first seen.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from river import base

Features = dict[str, Any]

_WIDTH = 64


class Columns:
    """A bounded vector layout: features to columns in the order they are first learnt from.

    A number stands in its own column; a text has one column for each of its values. What
    finds no column any more is left out and counted.

    Examples
    --------
    >>> columns = Columns(4)
    >>> columns.learn({"t": 2.5, "city": "Oslo"}).tolist()
    [[2.5, 1.0, 0.0, 0.0]]
    >>> columns.look({"city": "Rome"}).tolist()
    [[0.0, 0.0, 0.0, 0.0]]
    """

    def __init__(self, width: int = _WIDTH) -> None:
        self.width = width
        self.places: dict[str, int] = {}
        self.left_out = 0

    def learn(self, x: Features) -> "np.ndarray[Any, Any]":
        """Give the vector of an event, with new columns for what is new; shape (1, width)."""
        for name, value in x.items():
            key = f"{name}={value}" if isinstance(value, str) else name
            if key not in self.places:
                if len(self.places) < self.width:
                    self.places[key] = len(self.places)
                else:
                    self.left_out += 1
        return self.look(x)

    def look(self, x: Features) -> "np.ndarray[Any, Any]":
        """Give the vector of an event as far as its features have columns; shape (1, width)."""
        row = np.zeros((1, self.width))
        for name, value in x.items():
            text = isinstance(value, str)
            place = self.places.get(f"{name}={value}" if text else name)
            if place is not None:
                row[0, place] = 1.0 if text else value
        return row


class IncrementalClassifier(base.Classifier):  # type: ignore[misc]  # River's is untyped
    """A scikit-learn classifier with ``partial_fit`` as a River classifier.

    Parameters
    ----------
    estimator
        The scikit-learn object.
    classes
        All labels that will come.
    width
        Columns of the feature vector.
    """

    def __init__(self, estimator: Any, classes: Sequence[Any], width: int = _WIDTH) -> None:
        self.estimator = estimator
        self.classes = list(classes)
        self.width = width
        self._columns = Columns(width)
        self._learnt = False

    @property
    def _multiclass(self) -> bool:
        return True

    def learn_one(self, x: Features, y: Any) -> None:
        """Learn from one event."""
        target = np.array([self.classes.index(y)])
        codes = np.arange(len(self.classes))
        self.estimator.partial_fit(self._columns.learn(x), target, classes=codes)
        self._learnt = True

    def predict_one(self, x: Features) -> Any:
        """Give the label, None before anything was learnt."""
        if not self._learnt:
            return None
        return self.classes[int(self.estimator.predict(self._columns.look(x))[0])]

    def predict_proba_one(self, x: Features) -> dict[Any, float]:
        """Give the probability of each label; empty before anything was learnt.

        Raises
        ------
        NotImplementedError
            The estimator gives no probabilities.
        """
        if not hasattr(self.estimator, "predict_proba"):
            raise NotImplementedError
        if not self._learnt:
            return {}
        proba = self.estimator.predict_proba(self._columns.look(x))[0].tolist()
        return dict(zip(self.classes, proba, strict=True))


class IncrementalRegressor(base.Regressor):  # type: ignore[misc]  # River's is untyped
    """A scikit-learn regressor with ``partial_fit`` as a River regressor.

    Parameters
    ----------
    estimator
        The scikit-learn object.
    width
        Columns of the feature vector.
    """

    def __init__(self, estimator: Any, width: int = _WIDTH) -> None:
        self.estimator = estimator
        self.width = width
        self._columns = Columns(width)
        self._learnt = False

    def learn_one(self, x: Features, y: float) -> None:
        """Learn from one event."""
        self.estimator.partial_fit(self._columns.learn(x), np.array([y]))
        self._learnt = True

    def predict_one(self, x: Features) -> float | None:
        """Give the prediction, None before anything was learnt."""
        if not self._learnt:
            return None
        return float(np.ravel(self.estimator.predict(self._columns.look(x)))[0])


def adapt(estimator: Any, task: str, classes: Sequence[Any] | None, path: str) -> Any:
    """Give a scikit-learn estimator its adapter.

    Raises
    ------
    ValueError
        It is of the other kind, or its classes are not known.
    """
    from sklearn.base import is_classifier, is_regressor

    if task == "regression":
        if not is_regressor(estimator):
            raise ValueError(f"{path} is no regressor, and the task is regression")
        return IncrementalRegressor(estimator)
    if not is_classifier(estimator):
        raise ValueError(f"{path} is no classifier, and the task is {task}")
    if task == "binary":
        return IncrementalClassifier(estimator, [False, True])
    if classes is None:
        raise ValueError(
            f"{path} has to know all classes before the first label: [learner] classes = [...]"
        )
    return IncrementalClassifier(estimator, classes)
