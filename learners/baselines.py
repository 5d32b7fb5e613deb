"""What a model has to beat: predictors that need no features."""

from typing import Any

Label = bool | int | str | float


class NoChange:
    """Predicts the label that came last (persistence).

    Attributes
    ----------
    answer
        What it predicts for the next event; None at the start. The other baselines have it too.

    Examples
    --------
    >>> last = NoChange()
    >>> last.update("a"); last.answer
    'a'
    """

    __slots__ = ("answer",)

    def __init__(self) -> None:
        self.answer: Label | None = None

    def update(self, y: Label) -> None:
        """Take the next label."""
        self.answer = y

    def state(self) -> Any:
        """Give the state as JSON."""
        return self.answer

    def restore(self, state: Any) -> None:
        """Take up a state that `state` gave."""
        self.answer = state


class Majority:
    """Predicts the class that came most often; of equals, the one that was there first.

    Examples
    --------
    >>> majority = Majority()
    >>> for y in "abb": majority.update(y)
    >>> majority.answer
    'b'
    """

    __slots__ = ("_counts", "_most", "answer")

    def __init__(self) -> None:
        self._counts: dict[Label, int] = {}
        self.answer: Label | None = None
        self._most = 0

    def update(self, y: Label) -> None:
        """Take the next label."""
        count = self._counts.get(y, 0) + 1
        self._counts[y] = count
        if count > self._most:
            self.answer, self._most = y, count

    def state(self) -> Any:
        """Give the state as JSON: the best class, and the count of each."""
        return [self.answer, [list(pair) for pair in self._counts.items()]]

    def restore(self, state: Any) -> None:
        """Take up a state that `state` gave."""
        self.answer, pairs = state
        self._counts = dict(pairs)
        self._most = 0 if self.answer is None else self._counts[self.answer]


class Mean:
    """Predicts the mean of all targets so far.

    Examples
    --------
    >>> mean = Mean()
    >>> for y in (1.0, 2.0, 6.0): mean.update(y)
    >>> mean.answer
    3.0
    """

    __slots__ = ("_count", "answer")

    def __init__(self) -> None:
        self._count = 0
        self.answer: float | None = None

    def update(self, y: Label) -> None:
        """Take the next target."""
        mean = self.answer or 0.0
        self._count += 1
        self.answer = mean + (float(y) - mean) / self._count

    def state(self) -> Any:
        """Give the state as JSON."""
        return [self._count, self.answer]

    def restore(self, state: Any) -> None:
        """Take up a state that `state` gave."""
        self._count, self.answer = state
