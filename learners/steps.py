"""The steps of a pipeline called one after the other, without the pipeline in between."""

from collections.abc import Callable
from typing import Any, NamedTuple

from river import base, compose

from learners.linear import ScaledLinear, is_plain
from learners.scaling import learn_and_scale
from learners.trees import quick_tree

Call = Callable[..., Any]


class Calls(NamedTuple):
    """How an estimator is used.

    Attributes
    ----------
    learn, predict
        What learns from an event and its truth, and what predicts for one.
    write_back
        To be called before anybody looks at the estimator; None where it is always up to date.
    chance
        What gives the probability of true alone, where that is less work than `predict`.
    """

    learn: Call
    predict: Call
    write_back: Callable[[], None] | None = None
    chance: Call | None = None


def calls(estimator: Any, predict: str) -> Calls:
    """Give what learns from an event and what predicts for one.

    River's `Pipeline` asks itself at every call what each of its steps is, and routes extra
    arguments that are never given here: 2 microseconds an event. Where its steps are
    transformers that learn without the label, before one estimator, their methods are bound
    once and called in its order, with the same result to the last bit. A scaler with a linear
    model behind it is kept in objects of our own. All else goes through the estimator itself.

    Parameters
    ----------
    estimator
        A River estimator; it holds all there is of state, after `write_back` if there is one.
    predict
        Name of the method that predicts.

    Examples
    --------
    >>> from river import linear_model, preprocessing
    >>> model = preprocessing.StandardScaler() | linear_model.LinearRegression()
    >>> learn, predict, write_back, _ = calls(model, "predict_one")
    >>> learn({"x": 1.0}, 2.0); learn({"x": 3.0}, 4.0); write_back()
    >>> predict({"x": 5.0}) == model.predict_one({"x": 5.0})
    True
    """
    if type(estimator) is not compose.Pipeline or not estimator.steps:
        return _calls_of(estimator, predict)
    *before, last = estimator.steps.values()
    if not before or not all(map(_plain, before)) or not _final(last):
        return _calls_of(estimator, predict)
    if is_plain(before[-1], last):
        linear = ScaledLinear(before.pop(), last)
        chance = linear.chance if predict == "predict_proba_one" else None
        final = Calls(linear.learn, getattr(linear, predict), linear.write_back, chance)
    else:
        final = _calls_of(last, predict, same=False)
    if not before:
        return final
    passes = [learn_and_scale(step) or _in_two(step) for step in before]
    transforms = [step.transform_one for step in before]
    return Calls(*_in_turn(passes, transforms, final.learn, final.predict), final.write_back)


def _calls_of(estimator: Any, predict: str, *, same: bool = True) -> Calls:
    quick = quick_tree(estimator, same=same)
    if quick is None:
        return Calls(estimator.learn_one, getattr(estimator, predict))
    return Calls(quick.learn_one, quick.predict_proba_one, quick.write_back)


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
