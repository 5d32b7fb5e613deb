"""What a statistic has been so far, and so how unusual a value of it is."""

import numpy as np
import numpy.typing as npt

from detectors.divergence import f_deviate

SCALES = (1, 2, 4, 8, 16)
TESTS = (*SCALES, *SCALES)
"""Window lengths of the values that are there, and again of the share that is missing."""

_LAG = 16
"""Chunks after which a statistic becomes history, if nothing was found to have changed."""

_PRIOR = 6.0
"""Windows' worth of trust in what the next shorter windows say."""

_HEAVY = 2.2
"""How much heavier than its first two moments say the tail is where values hang together.

A sum of chi-squares of unequal weight falls off like the heaviest of them alone.
"""

_MEMORY = 200.0
"""Windows over which the history of the statistic is averaged."""

_CHANCE = 0.05
"""Share of the mean that may be beyond independence by chance."""

_RARE = 64.0
"""Windows of which a burst is one."""

Floats = npt.NDArray[np.float64]


class History:
    """Mean and variance of the statistic of each test, for each signal.

    Attributes
    ----------
    weight, mean, square
        How many windows, the mean of the statistic, and of its square.
    held
        Statistics of the newest chunks, which are history only when nothing has moved since.
    """

    def __init__(self) -> None:
        self.weight: Floats = np.zeros((len(TESTS), 0))
        self.mean: Floats = np.zeros((len(TESTS), 0))
        self.square: Floats = np.zeros((len(TESTS), 0))
        self.held: Floats = np.full((_LAG, len(TESTS), 0), np.nan)

    def widen(self) -> None:
        """Make room for one more signal."""
        more = np.zeros((len(TESTS), 1))
        self.weight = np.hstack([self.weight, more])
        self.mean = np.hstack([self.mean, more])
        self.square = np.hstack([self.square, more])
        self.held = np.concatenate([self.held, np.full((_LAG, len(TESTS), 1), np.nan)], axis=2)

    def unusual(self, value: Floats, older: Floats) -> Floats:
        """Turn statistics into normal deviates, by their own history."""
        shares = older[:, 1:] / np.maximum(older[:, 1:].sum(axis=-1, keepdims=True), 1)
        values = np.maximum((shares > 0.01).sum(axis=-1) - 1.0, 1.0)
        free = np.stack([values, np.ones_like(values)])
        size = len(SCALES)
        shape = (2, size, value.shape[1])  # of what is there, and of what is missing
        now, weights = value.reshape(shape), self.weight.reshape(shape)
        means, squares = self.mean.reshape(shape), self.square.reshape(shape)
        deviates = np.zeros(shape)
        mean, spread, trust = free, 2 * free, 2.0  # what independence would give
        for place in range(size):
            weight, own = weights[:, place], means[:, place]
            total = weight + trust
            level = np.maximum((weight * own + trust * mean) / total, free)
            expected = spread * (level / mean) ** 2
            variance = np.maximum(squares[:, place] - own**2, 0.0)
            spread = weight * variance + (trust + _PRIOR) * expected
            spread /= total + _PRIOR
            mean, trust = level, _PRIOR
            beyond = np.maximum(1 - free / mean - _CHANCE, 0.0)
            heavy = 1 + _HEAVY * np.sqrt(beyond) * (1 - 1 / free)
            freedom = np.clip(2 * mean**2 / np.maximum(spread, 1e-12) / heavy, 0.5, free)
            deviates[:, place] = f_deviate(now[:, place] / mean, freedom, (total - 1) * freedom)
        return deviates.reshape(value.shape)

    def note(self, value: Floats, mask: npt.NDArray[np.bool_]) -> None:
        """Count one more window of the tests and signals in `mask`."""
        self.weight = np.where(mask, np.minimum(self.weight + 1, _MEMORY), self.weight)
        step = np.where(mask, 1 / np.maximum(self.weight, 1), 0.0)
        self.mean += (value - self.mean) * step
        self.square += (value**2 - self.square) * step

    def remember(
        self, value: Floats, moved: npt.NDArray[np.bool_], *, closed: bool
    ) -> None:
        """Hold statistics back for a while; those of signals that then moved are no history."""
        self.held[:, :, moved] = np.nan
        oldest = self.held[0]
        if not closed:
            self.note(np.nan_to_num(oldest), ~np.isnan(oldest))
        self.held = np.concatenate([self.held[1:], np.where(moved[None], np.nan, value)[None]])

    def burst(self, place: int, peaks: Floats) -> None:
        """Learn what one signal can do: the peaks of a change that went back again.

        One is not the rule, so it counts as one window in 64, however few there were.
        """
        step = 1 / np.maximum(self.weight[:, place] + 1, _RARE)
        self.mean[:, place] += (peaks - self.mean[:, place]) * step
        self.square[:, place] += (peaks**2 - self.square[:, place]) * step

    def add(self, row: int, place: int, value: float) -> None:
        """Count one more window of one test of one signal."""
        weight = self.weight[row, place] = min(self.weight[row, place] + 1, _MEMORY)
        self.mean[row, place] += (value - self.mean[row, place]) / weight
        self.square[row, place] += (value**2 - self.square[row, place]) / weight
