"""What a statistic has been so far, and so how unusual a value of it is."""

import numpy as np
import numpy.typing as npt

from detectors.divergence import f_deviate, f_ratio, statistics

SCALES = (1, 2, 4, 8, 16)
TESTS = (*SCALES, *SCALES)
"""Window lengths of the values that are there, and again of the share that is missing."""

PERIOD = 16
"""Chunks after which history is brought up to date: in between, thresholds are fixed numbers."""

_LAG = 16
"""Chunks, and up to a period more, after which a statistic becomes history, if nothing was found
to have changed."""

_PRIOR = 6.0
"""Windows' worth of trust in what the next shorter windows say."""

_TRUST = np.array([[2.0], *[[_PRIOR]] * (len(SCALES) - 1)])
"""The same by length; the shortest lean on independence."""

_DUE = np.array([[[chunk % scale == 0] for scale in TESTS] for chunk in range(SCALES[-1])])
"""By the number of a chunk: windows that do not overlap the last that was history."""

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
    peak
        Highest statistics since a signal moved, until it is known what has become of that.
    held
        Statistics of the newest chunks, which are history only when nothing has moved since.
    """

    def __init__(self) -> None:
        self.weight: Floats = np.zeros((len(TESTS), 0))
        self.mean: Floats = np.zeros((len(TESTS), 0))
        self.square: Floats = np.zeros((len(TESTS), 0))
        self.peak: Floats = np.zeros((len(TESTS), 0))
        self.held: Floats = np.full((_LAG + PERIOD, len(TESTS), 0), np.nan)

    def widen(self) -> None:
        """Make room for one more signal."""
        more = np.zeros((len(TESTS), 1))
        self.weight = np.hstack([self.weight, more])
        self.mean = np.hstack([self.mean, more])
        self.square = np.hstack([self.square, more])
        self.peak = np.hstack([self.peak, more])
        unknown = np.full((len(self.held), len(TESTS), 1), np.nan)
        self.held = np.concatenate([self.held, unknown], axis=2)

    def unusual(self, value: Floats, older: Floats) -> Floats:
        """Turn statistics into normal deviates, by their own history."""
        mean, upper, lower = self._expected(older)
        return f_deviate(value.reshape(mean.shape) / mean, upper, lower).reshape(value.shape)

    def critical(self, deviate: float, older: Floats) -> Floats:
        """Give the statistic of each test and signal that has this normal deviate."""
        mean, upper, lower = self._expected(older)
        return (mean * f_ratio(deviate, upper, lower)).reshape(self.mean.shape)

    def _expected(self, older: Floats) -> tuple[Floats, Floats, Floats]:
        """Give mean and both degrees of freedom of the F ratio, values first, then missing."""
        shares = older[:, 1:] / np.maximum(older[:, 1:].sum(axis=-1, keepdims=True), 1)
        values = np.maximum((shares > 0.01).sum(axis=-1) - 1.0, 1.0)
        free = np.stack([values, np.ones_like(values)])
        shape = (2, len(SCALES), self.mean.shape[1])
        weights, means = self.weight.reshape(shape), self.mean.reshape(shape)
        variances = np.maximum(self.square.reshape(shape) - means**2, 0.0)
        totals = weights + _TRUST
        levels, spreads = np.empty(shape), np.empty(shape)
        mean, spread = free, 2 * free  # what independence would give
        for place in range(len(SCALES)):
            weight, total, trust = weights[:, place], totals[:, place], _TRUST[place]
            level = np.maximum((weight * means[:, place] + trust * mean) / total, free)
            known = weight * variances[:, place] + (trust + _PRIOR) * spread * (level / mean) ** 2
            mean = levels[:, place] = level
            spread = spreads[:, place] = known / (total + _PRIOR)
        free = free[:, None]
        beyond = np.maximum(1 - free / levels - _CHANCE, 0.0)
        heavy = 1 + _HEAVY * np.sqrt(beyond) * (1 - 1 / free)
        freedom = np.clip(2 * levels**2 / np.maximum(spreads, 1e-12) / heavy, 0.5, free)
        return levels, freedom, (totals - 1) * freedom

    def hold(self, chunk: int, value: Floats, calm: npt.NDArray[np.bool_]) -> None:
        """Hold the statistics of a chunk back for a while, where nothing is the matter."""
        due = _DUE[chunk % SCALES[-1]]
        np.copyto(self.held[_LAG + (chunk - 1) % PERIOD], value, where=calm & due)

    def forget(self, moved: npt.NDArray[np.bool_]) -> None:
        """Let go of what is held of signals that have moved: it is no history."""
        self.held[:, :, moved] = np.nan

    def turn(self, *, closed: bool) -> None:
        """Make history of what was held for long enough: a period has ended."""
        if not closed:
            self._learn(self.held[:PERIOD])
        self.held[:-PERIOD] = self.held[PERIOD:].copy()
        self.held[-PERIOD:] = np.nan

    def _learn(self, values: Floats) -> None:
        """Count windows; NaN is none."""
        there = ~np.isnan(values)
        values, count = np.where(there, values, 0.0), there.sum(axis=0)
        self.weight = np.minimum(self.weight + count, _MEMORY)
        step = 1 / np.maximum(self.weight, 1)
        self.mean += (values.sum(axis=0) - count * self.mean) * step
        self.square += ((values**2).sum(axis=0) - count * self.square) * step

    def follow(self, value: Floats, moved: npt.NDArray[np.bool_]) -> None:
        """Follow signals that have moved."""
        self.peak = np.where(moved, np.maximum(self.peak, value), self.peak)

    def burst(self, place: int) -> None:
        """Learn what one signal can do: the peaks of a change that went back again.

        One is not the rule, so it counts as one window in 64, however few there were.
        """
        step = 1 / np.maximum(self.weight[:, place] + 1, _RARE)
        peaks = self.peak[:, place]
        self.mean[:, place] += (peaks - self.mean[:, place]) * step
        self.square[:, place] += (peaks**2 - self.square[:, place]) * step

    def begin(self, place: int, counts: Floats) -> None:
        """Give a signal the history of a few chunks: each part of them against the others."""
        total = counts.sum(axis=0)
        for row, scale in enumerate(SCALES[:3]):
            parts = counts.reshape(-1, scale, counts.shape[1]).sum(axis=1)
            for shift, values in enumerate(statistics(np.stack([parts, total - parts]))):
                for value in values:
                    self._add(shift * len(SCALES) + row, place, float(value))

    def _add(self, row: int, place: int, value: float) -> None:
        """Count one more window of one test of one signal."""
        weight = self.weight[row, place] = min(self.weight[row, place] + 1, _MEMORY)
        self.mean[row, place] += (value - self.mean[row, place]) / weight
        self.square[row, place] += (value**2 - self.square[row, place]) / weight
