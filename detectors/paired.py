"""Whether one model's losses are lower than another's on the same records, asked at any time.

Each record gives a difference of losses between -1 and 1, positive where the second model did
better. A gambler who stakes a fixed share of her wealth on every positive difference cannot
expect to gain while the differences have no positive mean, whatever came before; so the chance
that her wealth ever reaches ``1 / a`` is at most ``a`` (Ville, "Etude critique de la notion de
collectif", 1939), and a test that looks at it after every record and stops when it likes keeps
its promise (Waudby-Smith and Ramdas, "Estimating means of bounded random variables by betting",
JRSS B 86, 2024). The wealth here is shared out in advance among several stakes, since the right
one is not known, and among several beginnings, since a model that has just begun loses at
first: a sum of fair games is a fair game.
"""

from collections.abc import Sequence
from math import log, sqrt
from typing import Any

import numpy as np

_STAKES = np.array([0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 0.9])
"""Shares of the wealth that are put on the next difference."""

_FIRST = 256
"""Records after which another gambler begins; the next ones after twice as many each time."""

_MOST = 12


class Paired:
    """Evidence that the mean of differences lies above a margin.

    Parameters
    ----------
    margin
        The mean that has to be surpassed, at least 0.

    Attributes
    ----------
    count
        Differences taken.
    total
        Their sum.
    squares
        The sum of their squares.

    Examples
    --------
    Better on nine of ten records where the two differ, which are a fifth of all:

    >>> test = Paired()
    >>> test.take([1, 0, 0, 0, 0] * 9 + [-1, 0, 0, 0, 0])
    >>> 1 < test.log_evidence() < 3
    True
    >>> test.take([1, 0, 0, 0, 0] * 9 + [-1, 0, 0, 0, 0])
    >>> test.surpasses(0.05)
    True
    """

    def __init__(self, margin: float = 0.0) -> None:
        self.margin = margin
        self.count = 0
        self.total = 0.0
        self.squares = 0.0
        self._wealth = np.zeros((1, len(_STAKES)))  # logarithms, a row for each beginning

    def take(self, differences: Sequence[float]) -> None:
        """Take the differences of records, in order; all of them between -1 and 1."""
        gains = (np.asarray(differences, dtype=float) - self.margin) / (1.0 + self.margin)
        self._wealth += np.log1p(np.multiply.outer(_STAKES, gains)).sum(axis=1)
        self.count += len(differences)
        self.total += float(np.sum(differences))
        self.squares += float(np.dot(differences, differences))
        rows = len(self._wealth)
        if rows < _MOST and self.count >= _FIRST << (rows - 1):
            self._wealth = np.vstack([self._wealth, np.zeros(len(_STAKES))])

    def log_evidence(self) -> float:
        """Give the logarithm of the wealth that was made of 1."""
        shares = self._wealth + _SHARES[: len(self._wealth), None]
        top = float(shares.max())
        return top + log(float(np.exp(shares - top).sum()))

    def surpasses(self, level: float) -> bool:
        """Whether the mean lies above the margin, at this chance of being wrong."""
        return self.log_evidence() >= -log(level)

    def growth_against(self, luck: float) -> float:
        """Give what the best stake on the opposite would win a record, in logarithms.

        Parameters
        ----------
        luck
            By how many standard errors the mean may come out lower than it was so far.
        """
        hope, spread = luck * sqrt(self.squares) - self.total, 2.0 * self.count * self.squares
        return hope * hope / spread if hope > 0.0 and spread > 0.0 else 0.0

    def state(self) -> dict[str, Any]:
        """Give the state as JSON."""
        plain = {"count": self.count, "total": self.total, "squares": self.squares}
        return {**plain, "wealth": self._wealth.tolist()}

    def restore(self, state: dict[str, Any]) -> None:
        """Take up a state that `state` gave."""
        self.count, self.total = state["count"], state["total"]
        self.squares = state.get("squares", float(self.count))
        self._wealth = np.array(state["wealth"])


def _shares() -> np.ndarray:
    """Give the logarithms of what each beginning gets: half for the first, the rest falls off."""
    later = [0.5 / (j * (j + 1)) for j in range(1, _MOST)]
    shares: np.ndarray = np.log(np.array([0.5, *later])) - log(len(_STAKES))
    return shares


_SHARES = _shares()
