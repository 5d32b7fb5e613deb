"""Running totals that do not show how their input was cut into pieces.

Each takes values in chunks and ends in exactly the state that one value at a time would
give, to the last bit. That is what lets a report or a checkpoint fall anywhere.
"""

from collections.abc import Mapping, Sequence
from math import expm1, log
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]
Number = TypeVar("Number", bound=np.generic)

BLOCK = 256


class RunningMean:
    """The mean so far, by the recursion of `river.stats.Mean` and equal to it bit for bit."""

    def __init__(self, n: int = 0, mean: float = 0.0) -> None:
        self.n = n
        self.mean = mean

    def add(self, values: Floats) -> None:
        """Take in values, in their order."""
        end = self.n + len(values)
        shares = 1.0 / np.arange(self.n + 1, end + 1)
        mean = self.mean
        for share, value in zip(shares.tolist(), values.tolist(), strict=True):
            mean += share * (value - mean)
        self.n = end
        self.mean = mean


class FadingSums:
    """Sums in which the weight of a value falls by the factor `fading` with each that follows.

    With n values seen, the sum of a cell is the sum over its values x_i of
    ``fading ** (n - i) * x_i``: the fading sums of Gama, Sebastião and Rodrigues, "On
    evaluating stream learning algorithms", Machine Learning 90 (2013).
    Within a block of 256 values older ones are not scaled down; newer ones get a weight
    above 1, and the end of the block scales all. Hence at most one rounding per value and
    block, and weights within ``fading ** -256``.

    Parameters
    ----------
    fading
        From 0.5 to 1. The weights reach back about ``1 / (1 - fading)`` values.

    Examples
    --------
    >>> sums = FadingSums(0.5)
    >>> sums.add(np.array([0, 1, 0]))
    >>> sums.read().tolist(), sums.mean()
    ([1.25, 0.5], 1.0)
    """

    def __init__(self, fading: float) -> None:
        self.fading = fading
        self.sums: Floats = np.zeros(0)
        self.seen = 0
        self._weights: Floats = np.array([fading ** -(place + 1) for place in range(BLOCK)])

    def add(self, cells: Ints, values: Floats | None = None) -> None:
        """Take in values (1 each if not given) and the numbers of the cells they go to."""
        if len(cells):
            self.sums = grown(self.sums, int(cells.max()) + 1)
        start = 0
        while start < len(cells):
            place = self.seen % BLOCK
            stop = min(start + BLOCK - place, len(cells))
            weights = self._weights[place : place + stop - start]
            if values is not None:
                weights = weights * values[start:stop]
            np.add.at(self.sums, cells[start:stop], weights)
            self.seen += stop - start
            if self.seen % BLOCK == 0:
                self.sums *= self.fading**BLOCK
            start = stop

    def read(self) -> Floats:
        """Give the faded sum of each cell."""
        scaled: Floats = self.sums * self.fading ** (self.seen % BLOCK)
        return scaled

    def mean(self) -> float | None:
        """Give the sum of all cells over the sum of the weights; None before the first value."""
        if not self.seen:
            return None
        if self.fading == 1.0:
            weight = float(self.seen)
        else:
            weight = -expm1(self.seen * log(self.fading)) / (1.0 - self.fading)
        return float(self.read().sum()) / weight

    def state(self) -> dict[str, Any]:
        """Give the sums as plain values."""
        return {"seen": self.seen, "sums": self.sums.tolist()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up a state that `state` gave."""
        self.seen = state["seen"]
        self.sums = np.array(state["sums"], np.float64)


class RSquared:
    """The coefficient of determination so far; unfaded, it is `river.metrics.R2` bit for bit.

    Parameters
    ----------
    fading
        Factor by which the weight of a pair falls with each that follows.
    totals
        Weight, mean of the truths, and their squared deviations and the squared errors,
        as `totals` holds them.
    """

    def __init__(self, fading: float = 1.0, totals: Sequence[float] = (0.0, 0.0, 0.0, 0.0)) -> None:
        self.fading = fading
        self.totals = list(totals)

    def add(self, truths: Sequence[float], predictions: Sequence[float]) -> None:
        """Take in pairs, in their order."""
        fading = self.fading
        weight, mean, deviation, residual = self.totals
        for y, p in zip(truths, predictions, strict=True):
            weight = fading * weight + 1.0
            before = y - mean
            mean += 1.0 / weight * before
            deviation = fading * deviation + before * (y - mean)
            residual = fading * residual + (y - p) * (y - p)
        self.totals = [weight, mean, deviation, residual]

    def value(self) -> float:
        """Give R2; 0.0, as River does, while the truths have not varied."""
        weight, _, deviation, residual = self.totals
        if weight <= 1.0:
            return 0.0
        spread = (weight - 1.0) * (deviation / (weight - 1.0))
        return 1 - residual / spread if spread else 0.0


class Ring:
    """The last so many rows of some columns of numbers."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.columns: dict[str, NDArray[Any]] = {}

    def add(self, columns: Mapping[str, NDArray[Any]]) -> None:
        """Add rows; every time of the same columns."""
        for name, new in columns.items():
            old = self.columns.get(name, new[:0])
            self.columns[name] = np.concatenate((old, new))[-self.size :]

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self.columns.get(name, np.zeros(0))


def grown(array: NDArray[Number], size: int) -> NDArray[Number]:
    """Give an array of at least `size` entries that begins with this one and ends in zeros."""
    if len(array) >= size:
        return array
    return np.concatenate((array, np.zeros(size - len(array), array.dtype)))
