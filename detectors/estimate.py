"""How good the model is now, before the labels are there: from its own probabilities.

Confidence-based performance estimation: the expected share of right answers is the mean
probability that the answers are right, and that is what a calibrated confidence is (Garg et al.,
"Leveraging unlabeled data to predict out-of-distribution performance", ICLR 2022, section 3; the
name is NannyML's). Raw probabilities are seldom calibrated, so they are sorted into 20 bins and
each bin is worth the share of right answers among the labels that have come for it (histogram
binning: Zadrozny and Elkan, ICML 2001), newer labels weighing more.

It follows a change of the inputs. It cannot see concept drift: when the same inputs come to mean
something else, probabilities stay as they were.
"""

from bisect import bisect_right
from collections.abc import Sequence
from operator import itemgetter
from typing import Any

import numpy as np

from detectors.arrays import pack, unpack

_BINS = 20
_PERIOD = 1000
"""Predictions that one estimate is for."""

_FLUSH = 512
"""Labels that are taken in together."""

_FADE = 0.98
"""Weight of what is known after each 512 labels: about 25,600 labels count."""

_SPAN = 10
"""Periods that a report is over: the truth of 1,000 predictions is a matter of luck."""

_MOST = 512
"""Periods that are kept until their labels have come."""

_JUDGED = 20
"""Newest judged periods whose mean error is reported."""

_ENOUGH = 1000
"""Labels without which nothing is estimated."""


class Estimate:
    """Estimates the accuracy of predictions whose labels have not come.

    Memory: 512 periods of 1,000 predictions, 20 KiB.

    Examples
    --------
    >>> estimate = Estimate()
    >>> for n in range(6000):
    ...     estimate.predicted(float(n), 0.9)
    ...     estimate.labelled(float(n), 0.9, n % 4 != 0)
    >>> round(estimate.report()["accuracy"], 2)
    0.75
    """

    def __init__(self) -> None:
        self.labels = 0
        self._right = np.linspace(0.5 / _BINS, 1 - 0.5 / _BINS, _BINS) * 2.0
        self._total = np.full(_BINS, 2.0)
        self._waiting: list[float] = []
        self._opened = 0.0
        self._settled: list[list[float]] = [[], [], []]  # moments, confidences, 1 where right
        # of each period: first moment, estimate (NaN: none), labels, right answers among them
        self._periods: list[list[float]] = []

    def predicted(self, moment: float, confidence: float) -> None:
        """Take the probability that an answer is right by the model's own account."""
        self.predicted_all([moment], [confidence])

    def predicted_all(self, moments: Sequence[float], confidences: Sequence[float]) -> None:
        """Take those of several answers, in order."""
        waiting, place = self._waiting, 0
        while place < len(confidences):
            if not waiting:
                self._opened = moments[place]
            room = _PERIOD - len(waiting)
            waiting += confidences[place : place + room]
            place += room
            if len(waiting) == _PERIOD:
                self._periods.append([self._opened, self._expect(waiting), 0.0, 0.0])
                waiting.clear()
                del self._periods[:-_MOST]

    def labelled(self, moment: float, confidence: float, right: bool) -> None:
        """Take the truth about an answer that was given at `moment`."""
        self.labelled_all([moment], [confidence], [float(right)])

    def labelled_all(
        self, moments: Sequence[float], confidences: Sequence[float], right: Sequence[float]
    ) -> None:
        """Take those about several: moment, confidence, and 1 for a right answer."""
        settled = self._settled
        if not settled[0] and len(moments) == _FLUSH:
            return self._learn(moments, confidences, right)
        for column, more in zip(settled, (moments, confidences, right), strict=True):
            column += more
        while len(settled[0]) >= _FLUSH:
            self._learn(*(column[:_FLUSH] for column in settled))
            for column in settled:
                del column[:_FLUSH]
        return None

    def _expect(self, confidences: Sequence[float]) -> float:
        if self.labels < _ENOUGH:
            return -1.0
        counts = np.bincount(_place(np.array(confidences)), minlength=_BINS)
        return float((counts * self._right / self._total).sum() / len(confidences))

    def _learn(
        self, moments: Sequence[float], confidences: Sequence[float], hits: Sequence[float]
    ) -> None:
        places, right = _place(np.array(confidences)), np.array(hits, float)
        self.labels += len(moments)
        heavy = self._total > 50  # bins that are seldom met keep what they know
        self._right[heavy] *= _FADE
        self._total[heavy] *= _FADE
        self._right += np.bincount(places, weights=right, minlength=_BINS)
        self._total += np.bincount(places, minlength=_BINS)
        if not self._periods:
            return
        last = bisect_right(self._periods, max(moments), key=itemgetter(0))
        first = bisect_right(self._periods, min(moments), hi=last, key=itemgetter(0))
        starts = [period[0] for period in self._periods[first:last]]
        where = np.searchsorted(starts, moments, side="right")
        for place in range(first, last + 1):
            chosen = where == place - first
            if place and chosen.any():  # at 0 it is before all of them
                self._periods[place - 1][2] += float(chosen.sum())
                self._periods[place - 1][3] += float(right[chosen].sum())

    def report(self) -> dict[str, Any]:
        """Give the newest estimate, and how far earlier ones were off once labels had come.

        `accuracy` is over the newest 10,000 predictions (`predictions`, fewer at first), and None
        until 1,000 labels have come. `error` is the mean absolute difference from the truth of up
        to 20 earlier such estimates, a new one every 1,000 predictions.
        """
        known = [period for period in self._periods if period[1] >= 0]
        newest = known[-_SPAN:]
        judged = [period for period in known if period[2] >= _PERIOD / 2]
        errors = [
            abs(sum(each[1] - each[3] / each[2] for each in judged[end - _SPAN : end])) / _SPAN
            for end in range(max(_SPAN, len(judged) - _JUDGED + 1), len(judged) + 1)
        ]
        return {
            "accuracy": sum(each[1] for each in newest) / len(newest) if newest else None,
            "predictions": _PERIOD * len(newest),
            "error": sum(errors) / len(errors) if errors else None,
            "judged": len(errors),
        }

    def state(self) -> dict[str, Any]:
        """Give the state as JSON."""
        return {
            "labels": self.labels,
            "right": pack(self._right),
            "total": pack(self._total),
            "waiting": list(self._waiting),
            "opened": self._opened,
            "settled": [list(column) for column in self._settled],
            "periods": self._periods,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take up a state that `state` gave."""
        self.labels = state["labels"]
        self._right, self._total = unpack(state["right"]), unpack(state["total"])
        self._waiting = list(state["waiting"])
        self._opened = state["opened"]
        self._settled = [list(column) for column in state["settled"]]
        self._periods = [list(each) for each in state["periods"]]


def _place(confidences: Any) -> Any:
    return np.fmin(np.fmax(confidences * _BINS, 0), _BINS - 1).astype(int)  # NaN is 0
