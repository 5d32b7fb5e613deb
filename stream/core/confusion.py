"""The confusion matrix, and what is read from it."""

from collections.abc import Iterable, Sequence
from math import isfinite
from typing import Any

from river import metrics

from stream.core.metrics import confusion_metrics
from stream.core.records import Label

Cell = tuple[Label, Label]
"""A cell of a confusion matrix: the truth and the answer."""
Values = dict[str, float | None]


class Confusion:
    """How often each answer met each truth; only cells that occurred, in order of appearance."""

    def __init__(self) -> None:
        self._numbers: dict[Cell, int] = {}
        self.cells: list[Cell] = []
        self.counts: list[int] = []

    def add(self, truth: Label, answer: Label, count: int) -> int:
        """Count a pair so many times; gives the number of its cell."""
        cell = truth, answer
        number = self._numbers.setdefault(cell, len(self.cells))
        if number == len(self.cells):
            self.cells.append(cell)
            self.counts.append(0)
        self.counts[number] += count
        return number

    def accuracy(self) -> float | None:
        """Give the share of answers that were right; None when there were none."""
        total = sum(self.counts)
        pairs = zip(self.cells, self.counts, strict=True)
        right = sum(count for (truth, answer), count in pairs if truth == answer)
        return right / total if total else None

    def state(self) -> list[list[Any]]:
        """Give each cell as truth, answer and count."""
        return [[*cell, count] for cell, count in zip(self.cells, self.counts, strict=True)]

    def restore(self, state: Sequence[Sequence[Any]]) -> None:
        """Take up a state that `state` gave, in a fresh object."""
        for truth, answer, count in state:
            self.add(truth, answer, count)


class ConfusionReader:
    """Reads metrics from the cells of a confusion matrix, by River's own formulas.

    Parameters
    ----------
    names
        The metrics; each a function of the confusion matrix.

    Examples
    --------
    >>> ConfusionReader(["Accuracy", "F1"]).read([(True, True), (False, True)], [3, 1])
    {'Accuracy': 0.75, 'F1': 0.857...}
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._matrix = _SortedMatrix()  # type: ignore[no-untyped-call]  # River's
        self._metrics = confusion_metrics(names, self._matrix)

    def read(self, cells: Sequence[Cell], weights: Sequence[float]) -> Values:
        """Give the values for cells of these weights; None where there is none."""
        self._matrix.load(cells, weights)
        if not self._matrix.total_weight:
            return dict.fromkeys(self._metrics)
        return {name: finite(metric.get()) for name, metric in self._metrics.items()}


class _SortedMatrix(metrics.ConfusionMatrix):
    """River's confusion matrix, but with its classes in a fixed order.

    River goes through them as a set gives them, which for texts depends on the hash seed of
    the process, and with it the last bits of every sum over classes.
    """

    def load(self, cells: Sequence[Cell], weights: Sequence[float]) -> None:
        """Replace what is in it."""
        for sums in (self.data, self.sum_row, self.sum_col):
            sums.clear()
        self.total_weight = 0
        self._total_true_positives = 0.0
        for (truth, answer), weight in zip(cells, weights, strict=True):
            if weight:
                self.update(truth, answer, w=weight)  # type: ignore[no-untyped-call]  # River's
        self.n_samples = int(self.total_weight)
        self._sorted = sorted({*self.sum_row, *self.sum_col}, key=_class_order)

    @property
    def classes(self) -> list[Label]:
        return self._sorted


def finite(value: float) -> float | None:
    """Give a value as JSON can write it: None for NaN and infinities."""
    return float(value) if isfinite(value) else None


def per_class(cells: Sequence[Cell], counts: Sequence[int]) -> dict[str, Values]:
    """Give precision, recall, F1 and support of each class; None where undefined."""
    support: dict[Label, int] = {}
    answered: dict[Label, int] = {}
    right: dict[Label, int] = {}
    for (truth, answer), count in zip(cells, counts, strict=True):
        support[truth] = support.get(truth, 0) + count
        answered[answer] = answered.get(answer, 0) + count
        if truth == answer:
            right[truth] = count
    labels = sorted({*support, *answered}, key=_class_order)
    return {
        name: _of_class(right.get(label, 0), answered.get(label, 0), support.get(label, 0))
        for name, label in zip(_class_names(labels), labels, strict=True)
    }


def _of_class(right: int, answered: int, support: int) -> Values:
    return {
        "precision": right / answered if answered else None,
        "recall": right / support if support else None,
        "f1": 2 * right / (answered + support),
        "support": support,
    }


def _class_names(labels: Sequence[Label]) -> list[str]:
    """Name classes as JSON writes them; texts in quotes only if else two would be alike."""
    names = [str(label).lower() if isinstance(label, bool) else str(label) for label in labels]
    if len({*names}) == len(names):
        return names
    return [repr(label) for label in labels]


def _class_order(label: Label) -> tuple[bool, Any]:
    return isinstance(label, str), label
