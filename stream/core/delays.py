"""How long labels take: quantiles of the delay, in bounded memory and to within one percent."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

_LEAST = 2.0**-20
_MOST = 2.0**40
_SHIFT = 52 - 6
_FIRST = int(np.float64(_LEAST).view(np.int64)) >> _SHIFT
_LAST = int(np.float64(_MOST).view(np.int64)) >> _SHIFT
_SIZE = _LAST - _FIRST + 2


class Delays:
    """Counts of delays in bins that are 1/64 of a power of two wide.

    The bin of a delay is its exponent and the first six bits of its fraction, so it is found
    without a logarithm and is the same on every machine. The middle of a bin is within 0.8 %
    of all that is in it. Delays below 2**-20 s (about a microsecond) are counted as 0, above
    2**40 s (35,000 years) as that. At most 3,842 bins.

    Examples
    --------
    >>> delays = Delays()
    >>> delays.add([0.0, 60.0, 3600.0, 86400.0])
    >>> delays.report()
    {'p50': 60.25, 'p95': 86400.0, 'max': 86400.0}
    """

    def __init__(self) -> None:
        self._counts: NDArray[np.int64] = np.zeros(_SIZE, np.int64)
        self._max = 0.0

    def add(self, delays: Sequence[float]) -> None:
        """Count delays, in seconds; what is below 0, or no number, counts as 0."""
        if not delays:
            return
        seconds = np.minimum(np.fmax(np.array(delays, np.float64), 0.0), _MOST)
        self._max = max(self._max, float(seconds.max()))
        bins = np.maximum((seconds.view(np.int64) >> _SHIFT) - _FIRST + 1, 0)
        bins[seconds < _LEAST] = 0
        self._counts += np.bincount(bins, minlength=_SIZE)

    def report(self) -> dict[str, float | None]:
        """Give median, 95th percentile (nearest rank) and maximum in seconds; None without any."""
        ends = self._counts.cumsum()
        total = int(ends[-1])
        if not total:
            return {"p50": None, "p95": None, "max": None}
        return {
            "p50": self._ranked(ends, -(-total * 50 // 100)),
            "p95": self._ranked(ends, -(-total * 95 // 100)),
            "max": self._max,
        }

    def _ranked(self, ends: NDArray[np.int64], rank: int) -> float:
        bin_ = int(ends.searchsorted(rank))
        if bin_ == 0:
            return 0.0
        edges = (np.array([bin_, bin_ + 1]) - 1 + _FIRST << _SHIFT).view(np.float64)
        return min(float(edges.mean()), self._max)

    def state(self) -> dict[str, Any]:
        """Give bins and counts that are not 0, and the maximum, as plain values."""
        bins = self._counts.nonzero()[0]
        return {"max": self._max, "bins": bins.tolist(), "counts": self._counts[bins].tolist()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up a state that `state` gave."""
        self._max = state["max"]
        self._counts = np.zeros(_SIZE, np.int64)
        self._counts[np.array(state["bins"], np.intp)] = state["counts"]
