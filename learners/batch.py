"""scikit-learn estimators that learn in batches only: refitted on a window, served in between.

Between two fits they learn nothing; what they were fitted on is chosen by the continuous
training of the fold. Features get columns as with `learners.sklearn`.
"""

from collections.abc import Sequence
from copy import deepcopy
from typing import Any

import numpy as np

from learners.sklearn import WIDTH, Columns, Features, IncrementalClassifier, IncrementalRegressor

Rows = Sequence[tuple[Features, Any]]


class BatchClassifier(IncrementalClassifier):
    """A scikit-learn classifier without ``partial_fit`` as a River classifier.

    Parameters
    ----------
    estimator
        The scikit-learn object, not yet fitted.
    classes
        All labels that will come; None when they are not known beforehand.
    width
        Columns of the feature vector.

    Examples
    --------
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> model = BatchClassifier(DecisionTreeClassifier(random_state=1), [False, True])
    >>> model.learn_one({"x": 1.0}, True)  # learns nothing
    >>> model.predict_one({"x": 1.0}) is None
    True
    >>> model.learn_many_rows([({"x": float(n)}, n > 5) for n in range(10)])
    >>> model.predict_one({"x": 8.0})
    True
    """

    batch = True

    def __init__(self, estimator: Any, classes: Sequence[Any] | None, width: int = WIDTH) -> None:
        super().__init__(estimator, classes or (), width)

    @property
    def fitted(self) -> bool:
        """Whether it has been fitted."""
        return self._learnt

    def learn_one(self, x: Features, y: Any) -> None:
        """Learn nothing: it is fitted on many at once."""

    def learn_many_rows(self, rows: Rows) -> None:
        """Fit it on these features and labels; goes on from the last fit with ``warm_start``."""
        matrix = _prepare(self, rows)
        for _, label in rows:
            if label not in self.classes:
                self.classes.append(label)
        codes = np.array([self.classes.index(label) for _, label in rows])
        if len(set(codes.tolist())) > 1:
            self.estimator.fit(matrix, codes)
            self._only = None
        else:
            self._only = self.classes[int(codes[0])]
        self._learnt = True

    _only: Any = None

    def predict_one(self, x: Features, **kwargs: Any) -> Any:
        """Give the label, None before the first fit."""
        return self._only if self._only is not None else super().predict_one(x)

    def predict_proba_one(self, x: Features, **kwargs: Any) -> dict[Any, float]:
        """Give the probability of each label it was fitted on; empty before the first fit."""
        if not self.gives_probabilities:
            raise NotImplementedError
        if self._only is not None:
            return {self._only: 1.0}
        if not self._learnt:
            return {}
        proba = self.estimator.predict_proba(self.columns.look(x))[0].tolist()
        names = [self.classes[int(code)] for code in self.estimator.classes_]
        return dict(zip(names, proba, strict=True))


class BatchRegressor(IncrementalRegressor):
    """A scikit-learn regressor without ``partial_fit`` as a River regressor.

    Parameters
    ----------
    estimator
        The scikit-learn object, not yet fitted.
    width
        Columns of the feature vector.
    """

    batch = True

    @property
    def fitted(self) -> bool:
        """Whether it has been fitted."""
        return self._learnt

    def learn_one(self, x: Features, y: float) -> None:
        """Learn nothing: it is fitted on many at once."""

    def learn_many_rows(self, rows: Rows) -> None:
        """Fit it on these features and numbers; goes on from the last fit with ``warm_start``."""
        matrix = _prepare(self, rows)
        self.estimator.fit(matrix, np.array([float(label) for _, label in rows]))
        self._learnt = True


def _prepare(model: BatchClassifier | BatchRegressor, rows: Rows) -> "np.ndarray[Any, Any]":
    from sklearn.base import clone

    if not (model.fitted and getattr(model.estimator, "warm_start", False)):
        model.estimator = clone(model.estimator)
        model.columns = Columns(model.width)
    return np.vstack([model.columns.learn(x) for x, _ in rows])


def is_batch(estimator: object) -> bool:
    """Tell whether an estimator learns in batches only."""
    return getattr(estimator, "batch", False) is True


def is_unfitted(estimator: object) -> bool:
    """Tell whether it is one that learns in batches and has not been fitted yet."""
    return isinstance(estimator, BatchClassifier | BatchRegressor) and not estimator.fitted


def rehearsed(estimator: Any) -> Any:
    """Give a copy that was fitted on a few numbers: it shows what a fitted one is made of."""
    copy = deepcopy(estimator)
    classes = getattr(copy, "classes", None) or [0, 1]
    labels = classes if isinstance(copy, BatchClassifier) else [0.0, 1.0]
    rows = [({"x": float(n)}, labels[n % len(labels)]) for n in range(40)]
    copy.learn_many_rows(rows)
    return copy
