"""What an answer costs once the truth is known, and how much of a difference counts in full."""

from typing import Any

from stream.core.records import Label


class Loss:
    """Wrong or right, 1 or 0; for a regression the absolute error.

    Parameters
    ----------
    sizes
        Whether it is a regression: then differences count in units of four times the champion's
        mean error so far, so that one wild label decides nothing.
    """

    def __init__(self, sizes: bool) -> None:
        self._sizes = sizes
        self._sum = self._count = 0.0

    def of(self, label: Label, answer: Any) -> float:
        """Give the loss of one answer; none at all is wrong, or as bad as counts."""
        if not self._sizes:
            return float(answer != label)
        return self.scale(1.0, 1.0) if answer is None else abs(float(label) - float(answer))

    def scale(self, champion: float, own: float) -> float:
        """Give the difference of losses that counts in full."""
        if not self._sizes:
            return 1.0
        return 4.0 * self._sum / self._count if self._sum else max(champion, own, 1e-300)

    def note(self, champion: float) -> None:
        """Take the champion's loss, by which the next differences are measured."""
        if self._sizes:
            self._sum += champion
            self._count += 1

    def state(self) -> list[float]:
        """Give the state as JSON."""
        return [self._sum, self._count]

    def restore(self, state: list[float]) -> None:
        """Take up a state that `state` gave."""
        self._sum, self._count = state
