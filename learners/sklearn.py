"""scikit-learn's incremental estimators, driven by one event at a time.

River's own wrapper needs every feature in every event, and numbers only. Events here may
lack a feature, bring a new one late, or hold text; so each feature is given a column of a
vector of fixed width when it is first learnt from.
"""

from collections.abc import Sequence
from math import isfinite
from typing import Any

import numpy as np
from river import base

from learners.paths import LearnerError

Features = dict[Any, Any]

WIDTH = 64
"""Columns of a vector, unless said otherwise."""


class Columns:
    """A bounded vector layout: features to columns, in the order they are first learnt from.

    A number stands in its own column; a text has a column for each of its values, which is 1.
    What is missing is 0. What finds no column any more is left out and counted.

    Attributes
    ----------
    places
        Column of each feature, or of each ``feature=text``.
    left_out
        How many values, of all that were learnt from, found no column.

    Examples
    --------
    >>> columns = Columns(4)
    >>> columns.learn({"t": 2.5, "city": "Oslo"}).tolist()
    [[2.5, 1.0, 0.0, 0.0]]
    >>> columns.look({"city": "Rome"}).tolist()
    [[0.0, 0.0, 0.0, 0.0]]
    """

    def __init__(self, width: int = WIDTH) -> None:
        self.width = width
        self.places: dict[str, int] = {}
        self.left_out = 0

    def learn(self, x: Features) -> "np.ndarray[Any, Any]":
        """Give the vector of an event, with new columns for what is new; shape (1, width)."""
        places = self.places
        for name, value in x.items():
            key = f"{name}={value}" if isinstance(value, str) else name
            if key not in places:
                if len(places) < self.width:
                    places[key] = len(places)
                else:
                    self.left_out += 1
        return self.look(x)

    def look(self, x: Features) -> "np.ndarray[Any, Any]":
        """Give the vector of an event as far as its features have columns; shape (1, width)."""
        row = [0.0] * self.width
        for name, value in x.items():
            text = isinstance(value, str)
            place = self.places.get(f"{name}={value}" if text else name)
            if place is not None:
                row[place] = 1.0 if text else value
        return np.array([row])


class IncrementalClassifier(base.Classifier):
    """A scikit-learn classifier with ``partial_fit`` as a River classifier.

    Parameters
    ----------
    estimator
        The scikit-learn object, not yet fitted.
    classes
        All labels that will come.
    width
        Columns of the feature vector; the most features and texts that are learnt from.
    """

    def __init__(self, estimator: Any, classes: Sequence[Any], width: int = WIDTH) -> None:
        self.estimator = estimator
        self.classes = list(classes)
        self.width = width
        self.columns = Columns(width)
        self._codes = np.arange(len(self.classes))
        self._learnt = False

    @property
    def gives_probabilities(self) -> bool:
        """Whether the estimator has any."""
        return hasattr(self.estimator, "predict_proba")

    @property
    def _multiclass(self) -> bool:
        return len(self.classes) > 2

    def learn_one(self, x: Features, y: Any) -> None:
        """Learn from one event.

        Raises
        ------
        ValueError
            The label is none of the classes.
        """
        if y not in self.classes:
            raise ValueError(f"{y!r} is none of the declared classes {self.classes}")
        target = np.array([self.classes.index(y)])
        self.estimator.partial_fit(self.columns.learn(x), target, classes=self._codes)
        self._learnt = True

    def predict_one(self, x: Features, **kwargs: Any) -> Any:
        """Give the label, None before anything was learnt."""
        if not self._learnt:
            return None
        return self.classes[int(self.estimator.predict(self.columns.look(x))[0])]

    def predict_proba_one(self, x: Features, **kwargs: Any) -> dict[Any, float]:
        """Give the probability of each label; empty before there are any that are numbers.

        Raises
        ------
        NotImplementedError
            The estimator gives no probabilities.
        """
        if not self.gives_probabilities:
            raise NotImplementedError
        if not self._learnt:
            return {}
        proba = self.estimator.predict_proba(self.columns.look(x))[0].tolist()
        return dict(zip(self.classes, proba, strict=True)) if isfinite(sum(proba)) else {}


class IncrementalRegressor(base.Regressor):
    """A scikit-learn regressor with ``partial_fit`` as a River regressor.

    Parameters
    ----------
    estimator
        The scikit-learn object, not yet fitted.
    width
        Columns of the feature vector; the most features and texts that are learnt from.
    """

    def __init__(self, estimator: Any, width: int = WIDTH) -> None:
        self.estimator = estimator
        self.width = width
        self.columns = Columns(width)
        self._learnt = False

    def learn_one(self, x: Features, y: float) -> None:
        """Learn from one event."""
        self.estimator.partial_fit(self.columns.learn(x), np.array([y]))
        self._learnt = True

    def predict_one(self, x: Features) -> float | None:  # type: ignore[override]  # None, as River's own give at times
        """Give the prediction, None before anything was learnt."""
        if not self._learnt:
            return None
        return float(np.ravel(self.estimator.predict(self.columns.look(x)))[0])


def adapt(
    estimator: Any, task: str, classes: Sequence[Any] | None, name: str, key: str = "class"
) -> IncrementalClassifier | IncrementalRegressor:
    """Give a scikit-learn estimator its adapter.

    Parameters
    ----------
    estimator
        Anything with ``partial_fit``, or with ``fit``: that is refitted on a window.
    task
        ``"binary"``, ``"multiclass"`` or ``"regression"``.
    classes
        All labels, for more than two.
    name, key
        What the estimator is called, and where; for the error.

    Raises
    ------
    LearnerError
        It is of another kind, or its classes are not known.
    """
    from sklearn.base import is_classifier, is_regressor

    from learners.batch import BatchClassifier, BatchRegressor

    steadily = hasattr(estimator, "partial_fit")

    if task == "regression":
        if not is_regressor(estimator):
            raise LearnerError(f'{name} is no regressor, which task = "regression" asks for', key)
        return IncrementalRegressor(estimator) if steadily else BatchRegressor(estimator)
    if not is_classifier(estimator):
        raise LearnerError(f'{name} is no classifier, which task = "{task}" asks for', key)
    if not steadily:
        return BatchClassifier(estimator, [False, True] if task == "binary" else classes)
    if task == "binary":
        return IncrementalClassifier(estimator, [False, True])
    if not classes:
        raise LearnerError(
            f"{name} has to know all classes before the first label comes: "
            f'classes = ["a", "b", "c"] under [learner]',
            key,
        )
    return IncrementalClassifier(estimator, classes)
