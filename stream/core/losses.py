"""The loss of each prediction, for metrics that are a mean of losses.

The arithmetic is that of `river.metrics`, operation by operation, so that a mean of these
losses is River's to the last bit. That is why logarithms and powers are Python's here:
NumPy's differ from them in the last bit. A loss that is not defined (NaN), or beyond any
sense, is left out of the mean.
"""

from collections.abc import Callable, Mapping, Sequence
from math import log, nan
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream.core.records import Label

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

_MOST_LOSS = 1e201
_LEAST = 1e-15
_MOST = 1 - 1e-15


class RegressionLoss(NamedTuple):
    """A metric of regression that is a mean of losses.

    Attributes
    ----------
    losses
        From truths and predictions to one loss each.
    finish
        From the mean loss to the value of the metric.
    """

    losses: Callable[[Sequence[float], Sequence[float]], list[float]]
    finish: Callable[[float], float]


def defined(losses: Floats) -> Floats:
    """Leave out what is not a number, or too large for a sum of many to stay finite."""
    return losses[np.abs(losses) <= _MOST_LOSS]


def _absolute(truths: Sequence[float], predictions: Sequence[float]) -> list[float]:
    return [abs(y - p) for y, p in zip(truths, predictions, strict=True)]


def _squared(truths: Sequence[float], predictions: Sequence[float]) -> list[float]:
    return [(y - p) ** 2 for y, p in zip(truths, predictions, strict=True)]


def _squared_log(truths: Sequence[float], predictions: Sequence[float]) -> list[float]:
    return [
        (log(y + 1) - log(p + 1)) ** 2 if y > -1 and p > -1 else nan
        for y, p in zip(truths, predictions, strict=True)
    ]


def _relative(truths: Sequence[float], predictions: Sequence[float]) -> list[float]:
    return [
        0.0 if y == 0 else abs(y - p) / abs(y) for y, p in zip(truths, predictions, strict=True)
    ]


def _symmetric(truths: Sequence[float], predictions: Sequence[float]) -> list[float]:
    return [
        0.0 if y == p == 0 else 2.0 * abs(y - p) / (abs(y) + abs(p))
        for y, p in zip(truths, predictions, strict=True)
    ]


def _root(mean: float) -> float:
    root: float = mean**0.5
    return root


def _percent(mean: float) -> float:
    return 100 * mean


REGRESSION_LOSSES = {
    "MAE": RegressionLoss(_absolute, float),
    "MSE": RegressionLoss(_squared, float),
    "RMSE": RegressionLoss(_squared, _root),
    "RMSLE": RegressionLoss(_squared_log, _root),
    "MAPE": RegressionLoss(_relative, _percent),
    "SMAPE": RegressionLoss(_symmetric, _percent),
}


def _clamp(probabilities: Floats) -> Floats:
    return np.maximum(np.minimum(probabilities, _MOST), _LEAST)


def _minus_log(probabilities: Floats) -> Floats:
    return -np.fromiter(map(log, probabilities.tolist()), np.float64, len(probabilities))


def _log_loss(truths: Bools, evidence: Floats) -> Floats:
    clamped = _clamp(evidence)
    return _minus_log(np.where(truths, clamped, 1 - clamped))


def _two_class_entropy(truths: Bools, evidence: Floats) -> Floats:
    return _minus_log(_clamp(np.where(truths, evidence, 1 - evidence)))


def _evidence_itself(truths: Bools, evidence: Floats) -> Floats:
    del truths
    return evidence


ClassLoss = Callable[[Bools, Floats], Floats]
"""From truths and evidence (see `binary_evidence`, `multiclass_evidence`) to one loss each."""

BINARY_LOSSES: dict[str, ClassLoss] = {"LogLoss": _log_loss, "CrossEntropy": _two_class_entropy}
MULTICLASS_LOSSES: dict[str, ClassLoss] = {"CrossEntropy": _evidence_itself}


def binary_evidence(truths: Sequence[Label], probabilities: Sequence[float | None]) -> Floats:
    """Give what is kept of each probability of true: itself, NaN where there is none."""
    del truths
    return np.array(probabilities, np.float64)


def multiclass_evidence(
    truths: Sequence[Label], probabilities: Sequence[Mapping[Label, float] | None]
) -> Floats:
    """Give what is kept of the probabilities of many classes: the cross-entropy.

    NaN where there are none. A truth that has no probability costs nothing, as in River.
    """
    return np.array(
        [
            _entropy(served.get(truth)) if served else nan
            for truth, served in zip(truths, probabilities, strict=True)
        ],
        np.float64,
    )


def _entropy(probability: float | None) -> float:
    return 0.0 if probability is None else -log(max(min(probability, _MOST), _LEAST))
