"""How often the model was wrong before a moment: on the whole, and within each class.

A change is noticed some time after it began. What the errors were before it is asked for then, so
the newest are kept by the moments of the predictions that they are of.
"""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import Any

_BLOCKS, _FEW = 64, 256
"""Blocks of labels that are kept, and labels that are too few to give a level."""

_FADE = 0.72
"""What the counts of each class keep at every chunk of 512 labels: about 1,800 labels count."""

_CHUNKS = 12
"""Chunks of labels before which it is remembered what the classes were."""

Classes = dict[str, list[float]]


class Levels:
    """The newest errors. Memory: 64 blocks, and 12 times two numbers a class.

    Examples
    --------
    >>> levels = Levels()
    >>> for n in range(20):
    ...     levels.block(32.0 * n, [n % 2] * 32)
    >>> levels.before(32.0 * 10), levels.before(32.0 * 2)
    (0.5, None)
    """

    def __init__(self) -> None:
        self._blocks: list[list[float]] = []  # moment, sum of errors, and labels
        self._classes: list[tuple[float, Classes]] = []  # up to a moment: labels, and errors

    def block(self, moment: float, errors: Sequence[float]) -> None:
        """Take the errors of a block of labels, of predictions from `moment` on."""
        self._blocks.append([moment, float(sum(errors)), len(errors)])
        del self._blocks[:-_BLOCKS]

    def chunk(
        self, until: float, counts: Mapping[str | None, int], errors: Mapping[str | None, int]
    ) -> None:
        """Take a chunk of labels, of predictions up to `until`: of each class, and wrong."""
        last = self._classes[-1] if self._classes else (until, {})
        faded = {name: [_FADE * each for each in old] for name, old in last[1].items()}
        for name, count in counts.items():
            each = faded.setdefault(str(name), [0.0, 0.0])
            each[0] += count
            each[1] += errors.get(name, 0)
        self._classes = [*self._classes[1 - _CHUNKS :], (max(until, last[0]), faded)]

    def before(self, since: float) -> float | None:
        """Give the mean error of the newest 2,048 labels, of predictions before a moment."""
        kept = self._blocks[: bisect_left(self._blocks, since, key=itemgetter(0))]
        labels = sum(each[2] for each in kept)
        return sum(each[1] for each in kept) / labels if labels >= _FEW else None

    def classes(self, since: float) -> Classes:
        """Give the labels of each class before a moment, and errors among them, newest most."""
        if not self._classes:
            return {}
        place = bisect_left(self._classes, since, key=itemgetter(0))
        _, classes = self._classes[max(place - 1, 0)]
        return {name: list(each) for name, each in classes.items()}

    def state(self) -> dict[str, Any]:
        """Give the state as JSON."""
        return {"blocks": self._blocks, "classes": [list(each) for each in self._classes]}

    def restore(self, state: dict[str, Any]) -> None:
        """Take up a state that `state` gave."""
        self._blocks = [list(each) for each in state["blocks"]]
        self._classes = [
            (until, {name: list(each) for name, each in classes.items()})
            for until, classes in state["classes"]
        ]
