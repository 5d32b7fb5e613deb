"""Scores of predicted numbers."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from stream.core.accumulators import FadingSums, Floats, Ring, RSquared, RunningMean
from stream.core.confusion import Values, finite
from stream.core.losses import REGRESSION_LOSSES, defined
from stream.core.metrics import Plan

MOST = 1e100
"""A prediction beyond this, or none at all, of a model that has diverged counts as abstained:
its square would make every later mean infinite."""


class RegressionScores:
    """Scores of a regression task.

    Parameters
    ----------
    plan
        The metrics.
    window
        How many scored labels the values of `window` are over.
    fading
        Factor of the values of `fading` per scored label.
    """

    def __init__(self, plan: Plan, window: int, fading: float) -> None:
        self._plan = plan
        self._abstained = 0
        self._served = _Totals(plan)
        self._baselines = {"no_change": _Totals(plan), "majority": _Totals(plan)}
        self._faded_losses = {name: FadingSums(fading) for name in plan.of("loss")}
        self._faded_r2 = RSquared(fading)
        self._ring = Ring(window)

    def add(
        self,
        truths: Sequence[float],
        predictions: Sequence[float | None],
        probabilities: Sequence[object],
        no_change: Sequence[float | None],
        majority: Sequence[float | None],
    ) -> None:
        """Take in labels, column by column, with what was served and what a baseline would say."""
        del probabilities
        for totals, answers in zip(self._baselines.values(), (no_change, majority), strict=True):
            totals.add(self._columns(*_usable(truths, answers)))
        columns = self._columns(*_usable(truths, predictions))
        self._abstained += len(truths) - len(columns["truth"])
        self._served.add(columns)
        for name, sums in self._faded_losses.items():
            losses = defined(columns[name])
            sums.add(np.zeros(len(losses), np.intp), losses)
        if self._plan.of("r2"):
            self._faded_r2.add(columns["truth"].tolist(), columns["prediction"].tolist())
        self._ring.add(columns)

    def _columns(self, truths: Floats, predictions: Floats) -> dict[str, Floats]:
        """Work out the columns of the ring from the two that the state keeps."""
        columns = {"truth": truths, "prediction": predictions}
        y, p = truths.tolist(), predictions.tolist()
        for name in self._plan.of("loss"):
            columns[name] = np.array(REGRESSION_LOSSES[name].losses(y, p), np.float64)
        return columns

    def report(self) -> dict[str, Any]:
        """Give the part of a report that depends on the task."""
        window = _Totals(self._plan)
        names = ("truth", "prediction", *self._faded_losses)
        window.add({name: self._ring[name] for name in names})
        return {
            "abstained": self._abstained,
            "cumulative": self._served.read(),
            "window": window.read(),
            "fading": self._fading(),
            "baselines": {name: totals.read() for name, totals in self._baselines.items()},
            "kappa_temporal": None,
            "kappa_m": None,
        }

    def _fading(self) -> Values:
        values: Values = {"R2": _r2(self._faded_r2)}
        for name, sums in self._faded_losses.items():
            values[name] = _finished(name, sums.mean())
        return self._plan.in_order(values)

    def state(self) -> dict[str, Any]:
        """Give all that was taken in, as plain values."""
        return {
            "abstained": self._abstained,
            "served": self._served.state(),
            "baselines": {name: totals.state() for name, totals in self._baselines.items()},
            "faded_losses": {name: sums.state() for name, sums in self._faded_losses.items()},
            "faded_r2": self._faded_r2.totals,
            "ring": {name: self._ring[name].tolist() for name in ("truth", "prediction")},
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up a state that `state` gave, in a fresh object."""
        self._abstained = state["abstained"]
        self._served.restore(state["served"])
        for name, totals in self._baselines.items():
            totals.restore(state["baselines"][name])
        for name, sums in self._faded_losses.items():
            sums.restore(state["faded_losses"][name])
        self._faded_r2.totals = list(state["faded_r2"])
        ring = state["ring"]
        truths, predictions = (np.array(ring[name], np.float64) for name in ("truth", "prediction"))
        self._ring.add(self._columns(truths, predictions))


class _Totals:
    """The totals of one source of predictions, none of them faded."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._means = {name: RunningMean() for name in plan.of("loss")}
        self._r2 = RSquared()

    def add(self, columns: Mapping[str, Floats]) -> None:
        for name, mean in self._means.items():
            mean.add(defined(columns[name]))
        if self._plan.of("r2"):
            self._r2.add(columns["truth"].tolist(), columns["prediction"].tolist())

    def read(self) -> Values:
        values: Values = {"R2": _r2(self._r2)}
        for name, mean in self._means.items():
            values[name] = _finished(name, mean.mean if mean.n else None)
        return self._plan.in_order(values)

    def state(self) -> dict[str, Any]:
        return {
            "losses": {name: [mean.n, mean.mean] for name, mean in self._means.items()},
            "r2": self._r2.totals,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        self._means = {name: RunningMean(*pair) for name, pair in state["losses"].items()}
        self._r2 = RSquared(totals=state["r2"])


def _usable(truths: Sequence[float], predictions: Sequence[float | None]) -> tuple[Floats, Floats]:
    """Leave out pairs without a prediction, or with one that is no usable number."""
    y, p = np.array(truths, np.float64), np.array(predictions, np.float64)
    there = (np.abs(y) <= MOST) & (np.abs(p) <= MOST)
    return y[there], p[there]


def _r2(totals: RSquared) -> float | None:
    return finite(totals.value()) if totals.totals[0] else None


def _finished(name: str, mean: float | None) -> float | None:
    return None if mean is None else finite(REGRESSION_LOSSES[name].finish(mean))
