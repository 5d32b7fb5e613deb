"""The steps of a pipeline called one after the other, without the pipeline in between."""

from collections.abc import Callable
from typing import Any

from river import base, compose

from learners.scaling import learn_and_scale
from learners.trees import tree_calls

Call = Callable[..., Any]


def calls(estimator: Any, predict: str) -> tuple[Call, Call]:
    """Give what learns from an event and what predicts for one.

    River's `Pipeline` asks itself at every call what each of its steps is, and routes extra
    arguments that are never given here: 2 microseconds an event. Where its steps are
    transformers that learn without the label, before one estimator, their methods are bound
    once and called in its order, with the same result to the last bit. All else goes through
    the estimator itself.

    Parameters
    ----------
    estimator
        A River estimator; it goes on to hold all there is of state.
    predict
        Name of the method that predicts.

    Examples
    --------
    >>> from river import linear_model, preprocessing
    >>> model = preprocessing.StandardScaler() | linear_model.LinearRegression()
    >>> learn, predict = calls(model, "predict_one")
    >>> learn({"x": 1.0}, 2.0); learn({"x": 3.0}, 4.0)
    >>> predict({"x": 5.0}) == model.predict_one({"x": 5.0})
    True
    """
    if type(estimator) is not compose.Pipeline or not estimator.steps:
        return _calls_of(estimator, predict)
    *before, last = estimator.steps.values()
    if not before or not all(map(_plain, before)) or not _final(last):
        return _calls_of(estimator, predict)
    passes = [learn_and_scale(step) or _in_two(step) for step in before]
    transforms = [step.transform_one for step in before]
    return _in_turn(passes, transforms, *_calls_of(last, predict, same=False))


def _calls_of(estimator: Any, predict: str, *, same: bool = True) -> tuple[Call, Call]:
    quick = tree_calls(estimator, same=same) if predict == "predict_proba_one" else None
    return quick or (estimator.learn_one, getattr(estimator, predict))


def _plain(step: Any) -> bool:
    """Tell whether a pipeline does no more with a step than learn (without label) and transform."""
    special = base.AnomalyFilter, compose.TransformerUnion, compose.Pipeline
    return (
        isinstance(step, base.Transformer)
        and not isinstance(step, special)
        and not step._supervised
    )


def _final(step: Any) -> bool:
    return isinstance(step, (base.Classifier, base.Regressor)) and step._supervised


def _in_two(step: Any) -> Call:
    learn_step, transform = step.learn_one, step.transform_one

    def learn_and_transform(x: Any) -> Any:
        learn_step(x)
        return transform(x)

    return learn_and_transform


def _in_turn(
    passes: list[Call], transforms: list[Call], learn_last: Call, predict_last: Call
) -> tuple[Call, Call]:
    def learn(x: Any, y: Any) -> None:
        for learn_and_transform in passes:
            x = learn_and_transform(x)
        learn_last(x, y)

    def predict(x: Any) -> Any:
        for transform in transforms:
            x = transform(x)
        return predict_last(x)

    return learn, predict
