"""What the fold drives: one learner that predicts and learns, whatever the estimator is."""

from collections.abc import Callable, Mapping
from math import isfinite
from typing import Any, Literal, Protocol

from river import base, compose

from learners.steps import calls

Task = Literal["binary", "multiclass", "regression"]
Features = dict[str, Any]
Answer = tuple[Any, Any]
"""A prediction and its probability, as `Learner.predict` gives them."""


class Learner(Protocol):
    """What predicts and learns."""

    @property
    def estimator(self) -> Any:
        """The River object; it holds all there is of state whenever it is asked for."""
        ...

    def predict(self, x: Features) -> Answer:
        """Predict for the features of an event.

        Returns
        -------
        tuple
            The prediction that ``estimator.predict_one`` gives, and its probability. Binary: a
            bool and the probability of true. Multiclass: a label and a mapping of each label to
            its probability. Regression: a finite float and None. None stands for what the
            estimator cannot say (yet).
        """
        ...

    def learn(self, x: Features, y: Any) -> None:
        """Learn from the features and the truth of an event."""
        ...


class _Driven:
    """What three of those that follow share: the calls of the estimator, bound once.

    Parameters
    ----------
    predict
        Name of the method that predicts.
    """

    __slots__ = ("_ask", "_chance", "_estimator", "_write_back", "learn")

    def __init__(self, estimator: Any, predict: str) -> None:
        self._estimator = estimator
        self.learn: Callable[[Features, Any], None]
        self._ask: Callable[[Features], Any]
        self.learn, self._ask, self._write_back, self._chance = calls(estimator, predict)

    @property
    def estimator(self) -> Any:
        """The estimator itself, with all it has learnt."""
        if self._write_back is not None:
            self._write_back()
        return self._estimator


class _Binary(_Driven):
    """Predicts the likelier of true and false, in one call of the estimator."""

    __slots__ = ()

    def predict(self, x: Features) -> Answer:
        if self._chance is not None:
            chance: float = self._chance(x)
            if chance > 0.5 or chance < 0.5:
                return chance > 0.5, chance
            return False, _probability(chance)
        proba = self._ask(x)
        if not proba:
            return None, None
        yes = proba.get(True, 0.0)
        no = proba.get(False, 0.0)
        if yes > no:
            return True, float(yes)
        if yes < no:
            return False, float(yes)
        # Equal, or no numbers: the first, as with River.
        return bool(max(proba, key=proba.__getitem__)), _probability(yes)


class _Multiclass(_Driven):
    """Predicts the likeliest class, in one call of the estimator."""

    __slots__ = ()

    def predict(self, x: Features) -> Answer:
        proba = self._ask(x)
        if not proba:
            return None, None
        if type(proba) is not dict:  # some give a Counter
            proba = dict(proba)
        ranked = iter(proba.items())
        label, highest = next(ranked)
        for other, value in ranked:  # as `max` goes about it, in half of its time
            if value > highest:
                label, highest = other, value
        return label, proba


class _Decider:
    """Asks the estimator for the prediction itself, because it is not just the likeliest class.

    Probabilities are asked for besides, as long as the estimator has any.
    """

    __slots__ = ("_binary", "_decide", "_proba", "estimator", "learn")

    def __init__(self, estimator: Any, binary: bool) -> None:
        self.estimator = estimator
        self.learn: Callable[[Features, Any], None] = estimator.learn_one
        self._decide: Callable[[Features], Any] = estimator.predict_one
        self._proba: Callable[[Features], Mapping[Any, float]] | None = (
            estimator.predict_proba_one if gives_probabilities(estimator) else None
        )
        self._binary = binary

    def predict(self, x: Features) -> Answer:
        prediction = self._decide(x)
        proba = self._probabilities(x)
        if not self._binary:
            return prediction, dict(proba) if proba else None
        if prediction is not None:
            prediction = bool(prediction)
        return prediction, _probability(proba.get(True, 0.0)) if proba else None

    def _probabilities(self, x: Features) -> Mapping[Any, float] | None:
        if self._proba is None:
            return None
        try:
            return self._proba(x)
        except NotImplementedError:
            self._proba = None
            return None


class _Regressor(_Driven):
    """Predicts a number; one that is not finite is none."""

    __slots__ = ()

    def predict(self, x: Features) -> Answer:
        value = self._ask(x)
        if value is None or not isfinite(value):
            return None, None
        return float(value), None


def bind(estimator: Any, task: Task) -> Learner:
    """Give the learner of a River classifier or regressor that fits the task."""
    if task == "regression":
        return _Regressor(estimator, "predict_one")
    if decides(estimator):
        return _Decider(estimator, task == "binary")
    kind = _Binary if task == "binary" else _Multiclass
    return kind(estimator, "predict_proba_one")


def gives_probabilities(estimator: Any) -> bool:
    """Tell whether `predict_proba_one` works; it does not where a wrapped estimator has none."""
    if isinstance(estimator, compose.Pipeline):
        return gives_probabilities(_last(estimator))
    if not getattr(estimator, "gives_probabilities", True):  # the adapter of scikit-learn's
        return False
    if type(estimator).predict_proba_one is base.Classifier.predict_proba_one:
        return False
    return not isinstance(estimator, base.Wrapper) or gives_probabilities(estimator._wrapped_model)


def decides(estimator: Any) -> bool:
    """Tell whether `predict_one` is its own, and not just the likeliest class."""
    if isinstance(estimator, compose.Pipeline):
        return decides(_last(estimator))
    return type(estimator).predict_one is not base.Classifier.predict_one


def _last(pipeline: compose.Pipeline) -> Any:
    return list(pipeline.steps.values())[-1]


def _probability(value: Any) -> float | None:
    return float(value) if isfinite(value) else None
