"""River's `StandardScaler`, learning from an event and scaling it in one pass."""

from collections.abc import Callable
from typing import Any

from river import preprocessing

from learners.plain import Features


def is_plain_scaler(step: Any) -> bool:
    """Tell whether it is River's `StandardScaler`, with deviations and without a window."""
    if type(step) is not preprocessing.StandardScaler:
        return False
    return bool(step.with_std) and step.window_size is None


def learn_and_scale(step: Any) -> Callable[[Features], Features] | None:
    """Give a function that does ``learn_one(x)`` and then ``transform_one(x)``, in one pass.

    It works on the scaler's own tables, by its formulas in their order, so that state and
    result are the same to the last bit, in half of the time: each table is looked up once a
    feature. None where the step is no such scaler, or one with a window or without deviations.

    Parameters
    ----------
    step
        A step of a pipeline.

    Examples
    --------
    >>> scaler = preprocessing.StandardScaler()
    >>> step = learn_and_scale(scaler)
    >>> step({"x": 1.0}), step({"x": 3.0}), scaler.means["x"]
    ({'x': 0.0}, {'x': 1.0}, 2.0)
    """
    if not is_plain_scaler(step):
        return None

    def learn_and_transform(x: Features) -> Features:
        counts, means, variances = step.counts, step.means, step.vars
        scaled = {}
        for name, value in x.items():
            count = counts[name] + 1
            counts[name] = count
            old = means[name]
            mean = old + (value - old) / count
            means[name] = mean
            variance = variances[name]
            variance += ((value - old) * (value - mean) - variance) / count
            variances[name] = variance
            scaled[name] = (value - mean) / variance**0.5 if variance else 0.0
        return scaled

    return learn_and_transform
