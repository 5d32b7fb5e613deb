"""The confusion matrix, and what is read from it.

River's metrics of the confusion matrix do the reading, whatever filled the matrix.
"""

from bisect import insort
from collections.abc import Iterable, Mapping, Sequence
from math import isfinite
from typing import Any

import numpy as np
from river import metrics

from stream.core.accumulators import FadingSums, Ints
from stream.core.metrics import confusion_metric
from stream.core.records import Label

Cell = tuple[Label, Label]
"""A cell of a confusion matrix: the truth and the answer."""
Values = dict[str, float | None]


class _Matrix(metrics.ConfusionMatrix):
    """River's confusion matrix, but with its classes in a fixed order.

    River goes through them as a set gives them, which for texts depends on the hash seed of
    the process, and with it the last bits of every sum over classes.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # River has no annotations there
        self.in_order: list[Label] = []

    @property
    def classes(self) -> list[Label]:
        return self.in_order

    def values(self, names: Iterable[str]) -> Values:
        """Read metrics; None for each while the matrix is empty."""
        if not self.total_weight:
            return dict.fromkeys(names)
        values = {name: finite(confusion_metric(name, self).get()) for name in names}
        self.forget_zeros()
        return values

    def forget_zeros(self) -> None:
        """Undo what reading does to the sums: asking for a class gives it a place among them.

        Some metrics sum in that order, so their last bits would tell when they were read.
        """
        for sums in (self.sum_row, self.sum_col):
            for label in [label for label, count in sums.items() if not count]:
                del sums[label]


class Confusion(_Matrix):
    """How often each answer met each truth.

    Attributes
    ----------
    cells
        The cells that occurred, in order of appearance; the place is the number of a cell.

    Examples
    --------
    >>> confusion = Confusion()
    >>> confusion.add(True, True, 3), confusion.add(False, True, 1)
    (0, 1)
    >>> confusion.values(["Accuracy", "Recall"])
    {'Accuracy': 0.75, 'Recall': 1.0}
    """

    def __init__(self) -> None:
        super().__init__()
        self.cells: list[Cell] = []
        self._numbers: dict[Cell, int] = {}
        self._known: set[Label] = set()

    def add(self, truth: Label, answer: Label, count: int) -> int:
        """Count a pair so many times; gives the number of its cell."""
        number = self._numbers.get((truth, answer))
        if number is None:
            number = self._new_cell(truth, answer)
        self.data[truth][answer] += count
        self.sum_row[truth] += count
        self.sum_col[answer] += count
        self.n_samples += count
        self.total_weight += count
        if truth == answer:
            self._total_true_positives += count
        return number

    def _new_cell(self, truth: Label, answer: Label) -> int:
        number = self._numbers[truth, answer] = len(self.cells)
        self.cells.append((truth, answer))
        for label in (truth, answer):
            if label not in self._known:
                self._known.add(label)
                insort(self.in_order, label, key=_class_order)
        return number

    def accuracy(self) -> float | None:
        """Give the share of answers that were right; None when there were none."""
        return self.values(["Accuracy"])["Accuracy"]

    def per_class(self) -> dict[str, Values]:
        """Give precision, recall, F1 and support of each class; None where undefined."""
        labels = self.in_order
        classes = {
            name: self._of_class(label)
            for name, label in zip(_class_names(labels), labels, strict=True)
        }
        self.forget_zeros()
        return classes

    def _of_class(self, label: Label) -> Values:
        right = self.data[label][label]
        support, answered = self.sum_row[label], self.sum_col[label]
        return {
            "precision": right / answered if answered else None,
            "recall": right / support if support else None,
            "f1": 2 * right / (answered + support),
            "support": int(support),
        }

    def state(self) -> list[list[Any]]:
        """Give each cell as truth, answer and count."""
        return [[truth, answer, int(self.data[truth][answer])] for truth, answer in self.cells]

    def restore(self, state: Sequence[Sequence[Any]]) -> None:
        """Take up a state that `state` gave, in a fresh object."""
        for truth, answer, count in state:
            self.add(truth, answer, count)


class FadedConfusion:
    """The same pairs as in a `Confusion`, older ones with less weight.

    Parameters
    ----------
    confusion
        It numbers the cells.
    fading
        Factor by which the weight of a pair falls with each that follows.
    """

    def __init__(self, confusion: Confusion, fading: float) -> None:
        self._confusion = confusion
        self._sums = FadingSums(fading)
        self._truths: Ints = np.zeros(0, np.intp)
        self._answers: Ints = np.zeros(0, np.intp)
        self._classes: dict[Label, int] = {}

    def add(self, cells: Ints) -> None:
        """Take in pairs by the numbers of their cells."""
        self._sums.add(cells)

    def values(self, names: Iterable[str]) -> Values:
        """Read metrics that are defined for weights; None for each before the first pair.

        These need no more of the matrix than its diagonal and the sums of rows and columns,
        which with many classes saves most of the work.
        """
        self._number_classes()
        weights, size = self._sums.read(), len(self._classes)
        right = self._truths == self._answers
        matrix = _Matrix()
        rows = np.bincount(self._truths, weights, size).tolist()
        columns = np.bincount(self._answers, weights, size).tolist()
        diagonal = np.bincount(self._truths[right], weights[right], size).tolist()
        matrix.sum_row.update(zip(self._classes, rows, strict=True))
        matrix.sum_col.update(zip(self._classes, columns, strict=True))
        for label, weight in zip(self._classes, diagonal, strict=True):
            matrix.data[label][label] = weight
        matrix.total_weight = sum(rows)
        matrix._total_true_positives = sum(diagonal)
        present = (
            label for label in self._classes if matrix.sum_row[label] or matrix.sum_col[label]
        )
        matrix.in_order = sorted(present, key=_class_order)
        return matrix.values(names)

    def _number_classes(self) -> None:
        new = self._confusion.cells[len(self._truths) :]
        numbers = [
            self._classes.setdefault(label, len(self._classes)) for cell in new for label in cell
        ]
        self._truths = np.append(self._truths, np.array(numbers[::2], np.intp))
        self._answers = np.append(self._answers, np.array(numbers[1::2], np.intp))

    def state(self) -> dict[str, Any]:
        """Give the weights as plain values."""
        return self._sums.state()

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up a state that `state` gave, in a fresh object."""
        self._sums.restore(state)


def finite(value: float) -> float | None:
    """Give a value as JSON can write it: None for NaN and infinities."""
    return float(value) if isfinite(value) else None


def _class_order(label: Label) -> tuple[bool, Any]:
    return isinstance(label, str), label


def _class_names(labels: Sequence[Label]) -> list[str]:
    """Name classes as JSON writes them; texts in quotes only if else two would be alike."""
    names = [str(label).lower() if isinstance(label, bool) else str(label) for label in labels]
    if len({*names}) == len(names):
        return names
    return [repr(label) for label in labels]
