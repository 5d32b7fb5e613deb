"""What a model has to beat: predictors that need no features."""

from typing import Any

Label = bool | int | str | float


class NoChange:
    """Predicts the label that came last (persistence).

    Examples
    --------
    >>> last = NoChange()
    >>> last.update("a"); last.predict()
    'a'
    """

    __slots__ = ("_last",)

    def __init__(self) -> None:
        self._last: Label | None = None

    def predict(self) -> Label | None:
        """Give the last label, None at the start."""
        return self._last

    def update(self, y: Label) -> None:
        """Take the next label."""
        self._last = y

    def state(self) -> Any:
        """Give the state as JSON."""
        return self._last

    def restore(self, state: Any) -> None:
        """Take up a state that `state` gave."""
        self._last = state


class Majority:
    """Predicts the class that came most often; of equals, the one that was there first.

    Examples
    --------
    >>> majority = Majority()
    >>> for y in "abb": majority.update(y)
    >>> majority.predict()
    'b'
    """

    __slots__ = ("_best", "_counts", "_most")

    def __init__(self) -> None:
        self._counts: dict[Label, int] = {}
        self._best: Label | None = None
        self._most = 0

    def predict(self) -> Label | None:
        """Give the most frequent label, None at the start."""
        return self._best

    def update(self, y: Label) -> None:
        """Take the next label."""
        count = self._counts.get(y, 0) + 1
        self._counts[y] = count
        if count > self._most:
            self._best, self._most = y, count

    def state(self) -> Any:
        """Give the state as JSON: the best class, and the count of each."""
        return [self._best, [list(pair) for pair in self._counts.items()]]

    def restore(self, state: Any) -> None:
        """Take up a state that `state` gave."""
        self._best, pairs = state
        self._counts = dict(pairs)
        self._most = 0 if self._best is None else self._counts[self._best]


class Mean:
    """Predicts the mean of all targets so far.

    Examples
    --------
    >>> mean = Mean()
    >>> for y in (1.0, 2.0, 6.0): mean.update(y)
    >>> mean.predict()
    3.0
    """

    __slots__ = ("_count", "_mean")

    def __init__(self) -> None:
        self._count = 0
        self._mean = 0.0

    def predict(self) -> float | None:
        """Give the mean, None at the start."""
        return self._mean if self._count else None

    def update(self, y: Label) -> None:
        """Take the next target."""
        self._count += 1
        self._mean += (float(y) - self._mean) / self._count

    def state(self) -> Any:
        """Give the state as JSON."""
        return [self._count, self._mean]

    def restore(self, state: Any) -> None:
        """Take up a state that `state` gave."""
        self._count, self._mean = state
