"""Scores of predicted classes, two or many."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from stream.core.accumulators import FadingSums, Floats, Ints, Ring, RunningMean, grown
from stream.core.confusion import Confusion, FadedConfusion, Values, finite
from stream.core.losses import (
    BINARY_LOSSES,
    MULTICLASS_LOSSES,
    Bools,
    ClassLoss,
    binary_evidence,
    defined,
    multiclass_evidence,
)
from stream.core.metrics import Plan, fades, roc_thresholds, rolling_metric
from stream.core.records import Label

_THRESHOLDS = np.array(roc_thresholds())
_STEPS = len(_THRESHOLDS) + 1
_NO_STEP = -1
_ABSTAINED = -1
_ROLLING_WINDOW = 1000


class ClassScores:
    """Scores of a binary or multiclass task.

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
        binary = plan.task == "binary"
        known: Mapping[str, ClassLoss] = BINARY_LOSSES if binary else MULTICLASS_LOSSES
        self._evidence = binary_evidence if binary else multiclass_evidence
        self._losses = {name: known[name] for name in plan.of("loss")}
        self._fading_names = list(filter(fades, plan.of("confusion")))
        self._needs_evidence = bool(plan.of("loss", "roc", "rolling"))

        self._abstained = 0
        self._served = Confusion()
        self._baselines = {"no_change": Confusion(), "majority": Confusion()}
        self._faded = FadedConfusion(self._served, fading)
        self._means = {name: RunningMean() for name in self._losses}
        self._faded_losses = {name: FadingSums(fading) for name in self._losses}
        self._steps: Ints = np.zeros(2 * _STEPS, np.intp)
        self._faded_steps = FadingSums(fading)
        self._ring = Ring(window)
        self._recent = Ring(_ROLLING_WINDOW)

    def add(
        self,
        truths: Sequence[Label],
        predictions: Sequence[Label | None],
        probabilities: Sequence[Any],
        no_change: Sequence[Label | None],
        majority: Sequence[Label | None],
    ) -> None:
        """Take in labels, column by column, with what was served and what a baseline would say."""
        cells = self._count(truths, predictions, no_change, majority)
        scored = cells != _ABSTAINED
        cells = cells[scored]
        self._abstained += len(truths) - len(cells)
        self._faded.add(cells)
        columns = {"cell": cells}
        if self._needs_evidence:
            columns = self._columns(cells, self._evidence(truths, probabilities)[scored])
            self._score_evidence(columns)
        self._ring.add(columns)

    def _count(self, truths: Sequence[Label], *answers: Sequence[Label | None]) -> Ints:
        """Count rows in the confusion matrices of the model and of the two baselines.

        Gives the number of the cell of each row in the model's, -1 where it abstained. Rows
        are told apart in one pass over all columns, and counted once per different row.
        """
        numbers: defaultdict[tuple[Any, ...], int] = defaultdict()
        numbers.default_factory = numbers.__len__
        rows = zip(truths, *answers, strict=True)
        row_numbers = np.fromiter(map(numbers.__getitem__, rows), np.intp, len(truths))
        numbers.default_factory = None  # else it is a cycle, which waits long for its collector
        matrices = (self._served, *self._baselines.values())
        cells = np.full(len(numbers), _ABSTAINED, np.intp)
        for (truth, *given), row, count in zip(
            numbers, range(len(numbers)), np.bincount(row_numbers).tolist(), strict=True
        ):
            for matrix, answer in zip(matrices, given, strict=True):
                if answer is not None:
                    cell = matrix.add(truth, answer, count)
                    if matrix is self._served:
                        cells[row] = cell
        return cells[row_numbers]

    def _columns(self, cells: Ints, evidence: Floats) -> dict[str, Any]:
        """Work out the columns of the ring from the two that the state keeps."""
        columns: dict[str, Any] = {"cell": cells, "evidence": evidence}
        truths = self._truths(cells)
        for name, losses in self._losses.items():
            columns[name] = losses(truths, evidence)
        if self._plan.of("roc", "rolling"):
            columns["truth"] = truths
        if self._plan.of("roc"):
            steps = truths * _STEPS + _THRESHOLDS.searchsorted(evidence)
            columns["step"] = np.where(np.isnan(evidence), _NO_STEP, steps)
        return columns

    def _truths(self, cells: Ints) -> Bools:
        """Tell for which cells the truth is true; the losses of many classes do not ask."""
        if self._plan.task == "multiclass":
            return np.zeros(len(cells), np.bool_)
        return np.array([truth for truth, _ in self._served.cells], np.bool_)[cells]

    def _score_evidence(self, columns: Mapping[str, Any]) -> None:
        for name, mean in self._means.items():
            losses = defined(columns[name])
            mean.add(losses)
            self._faded_losses[name].add(np.zeros(len(losses), np.intp), losses)
        if self._plan.of("roc"):
            steps = columns["step"][columns["step"] != _NO_STEP]
            self._steps += np.bincount(steps, minlength=2 * _STEPS)
            self._faded_steps.add(steps)
        if self._plan.of("rolling"):
            self._recent.add(_with_evidence(columns["truth"], columns["evidence"]))

    def report(self) -> dict[str, Any]:
        """Give the part of a report that depends on the task."""
        names = self._plan.of("confusion")
        accuracy = self._served.accuracy()
        no_change, majority = (baseline.accuracy() for baseline in self._baselines.values())
        return {
            "abstained": self._abstained,
            "cumulative": self._cumulative(),
            "window": self._window(),
            "fading": self._fading(),
            "baselines": {name: each.values(names) for name, each in self._baselines.items()},
            "kappa_temporal": _gain(accuracy, no_change),
            "kappa_m": _gain(accuracy, majority),
            "per_class": self._served.per_class(),
        }

    def _cumulative(self) -> Values:
        values = self._served.values(self._plan.of("confusion"))
        for name, mean in self._means.items():
            values[name] = mean.mean if mean.n else None
        for name in self._plan.of("roc"):
            values[name] = _roc_auc(self._steps)
        for name in self._plan.of("rolling"):
            values[name] = _rolled(name, self._recent["truth"], self._recent["evidence"])
        return self._plan.in_order(values)

    def _window(self) -> Values:
        ring = self._ring
        counted = Confusion()
        for number, count in Counter(ring["cell"].tolist()).items():
            counted.add(*self._served.cells[number], count)
        values = counted.values(self._plan.of("confusion"))
        for name in self._losses:
            mean = RunningMean()
            mean.add(defined(ring[name]))
            values[name] = mean.mean if mean.n else None
        for name in self._plan.of("roc"):
            steps = ring["step"][ring["step"] != _NO_STEP].astype(np.intp)
            values[name] = _roc_auc(np.bincount(steps, minlength=2 * _STEPS))
        for name in self._plan.of("rolling"):
            rows = _with_evidence(ring["truth"], ring["evidence"])
            values[name] = _rolled(name, rows["truth"], rows["evidence"])
        return self._plan.in_order(values)

    def _fading(self) -> Values:
        values = self._faded.values(self._fading_names)
        for name, losses in self._faded_losses.items():
            values[name] = losses.mean()
        for name in self._plan.of("roc"):
            values[name] = _roc_auc(grown(self._faded_steps.read(), 2 * _STEPS))
        return self._plan.in_order(values)

    def state(self) -> dict[str, Any]:
        """Give all that was taken in, as plain values."""
        kept = ("cell", "evidence") if self._needs_evidence else ("cell",)
        return {
            "abstained": self._abstained,
            "served": self._served.state(),
            "baselines": {name: counts.state() for name, counts in self._baselines.items()},
            "faded": self._faded.state(),
            "losses": {
                name: [mean.n, mean.mean, self._faded_losses[name].state()]
                for name, mean in self._means.items()
            },
            "steps": self._steps.tolist(),
            "faded_steps": self._faded_steps.state(),
            "ring": {name: _nullable(self._ring[name]) for name in kept},
            "recent": {name: self._recent[name].tolist() for name in ("truth", "evidence")},
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up a state that `state` gave, in a fresh object."""
        self._abstained = state["abstained"]
        self._served.restore(state["served"])
        for name, baseline in self._baselines.items():
            baseline.restore(state["baselines"][name])
        self._faded.restore(state["faded"])
        for name, (n, mean, faded) in state["losses"].items():
            self._means[name] = RunningMean(n, mean)
            self._faded_losses[name].restore(faded)
        self._steps = np.array(state["steps"], np.intp)
        self._faded_steps.restore(state["faded_steps"])
        recent = state["recent"]
        self._recent.add(
            {"truth": np.array(recent["truth"], np.bool_), "evidence": np.array(recent["evidence"])}
        )
        cells = np.array(state["ring"]["cell"], np.intp)
        if self._needs_evidence:
            evidence = np.array(state["ring"]["evidence"], np.float64)
            self._ring.add(self._columns(cells, evidence))
        else:
            self._ring.add({"cell": cells})


def _gain(own: float | None, baseline: float | None) -> float | None:
    """Give how much of a baseline's errors are avoided; None when it makes none."""
    if own is None or baseline is None or baseline == 1.0:
        return None
    return (own - baseline) / (1.0 - baseline)


def _with_evidence(truths: Any, evidence: Floats) -> dict[str, Any]:
    there = ~np.isnan(evidence)
    return {"truth": truths[there], "evidence": evidence[there]}


def _nullable(values: Any) -> list[Any]:
    return [None if value != value else value for value in values.tolist()]


def _rolled(name: str, truths: Any, evidence: Floats) -> float | None:
    metric = rolling_metric(name)
    for truth, probability in zip(truths.tolist(), evidence.tolist(), strict=True):
        metric.update(truth, probability)
    return finite(metric.get()) if len(evidence) else None


def _roc_auc(steps: Any) -> float | None:
    """Give River's ROC AUC from counts by truth and by how many thresholds were exceeded."""
    above = steps.reshape(2, _STEPS)[:, ::-1].cumsum(axis=1)[:, ::-1]
    total = above[:, 0]
    if not total.any():
        return None
    false_rates, true_rates = above[:, 1:] / np.where(total > 0, total, 1)[:, np.newaxis]
    return float(-np.trapezoid(true_rates, false_rates))
