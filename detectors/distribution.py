"""Whether values are still distributed as they were: many signals at once, in chunks of 256.

Each signal is counted into fixed bins (deciles of a reference period, or the values of a
discrete one, or the commonest texts; one more bin for what is missing). The newest 1, 2, 4, 8
and 16 chunks are compared with the chunks before them by the Jensen-Shannon divergence, which
for independent values, times ``8 n N / (n + N)``, is chi-square with one degree of freedom
fewer than bins (Lin, "Divergence measures based on the Shannon entropy", IEEE Trans. Inf.
Theory 37, 1991; Menendez et al., "The Jensen-Shannon divergence", J. Franklin Inst. 334, 1997).

Values are seldom independent: the hour of the day, a storm, a batch. So the statistic is held
against its own history. Its mean (the design effect) and its variance give a scaled chi-square
(Rao and Scott, "On chi-squared tests for multiway contingency tables", Annals of Statistics
12, 1984: the first- and second-order correction), the length of that history the denominator
of an F ratio, and Paulson's cube-root transform ("An approximate normalization of the analysis
of variance distribution", Ann. Math. Stat. 13, 1942) a normal deviate. The promised rate of
false alarms is divided by the numbers of signals and of window lengths (Bonferroni).
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from detectors.arrays import pack, unpack
from detectors.bins import BINS, Bins, Tally
from detectors.divergence import (
    Moved,
    differences,
    divergence,
    normal_quantile,
    statistics,
)
from detectors.history import SCALES, TESTS, History

CHUNK = 256
"""Records that are counted together."""

_RAW = 4
"""Chunks whose values are kept, to make bins of: the first bins come from 1,024 records."""

_LEAST = 8
"""Chunks of reference without which nothing is compared: 2,048 records."""

_MOST = 80
"""Chunks of counts that are kept."""

_PROBATION = 8
"""Chunks after a change in which it either goes back or becomes the new reference."""

_LAX = 0.005
"""Probability that a chunk names any signal by chance, by the laxer standard."""

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]


class Distributions:
    """Watches the distributions of any number of signals, numbers and texts.

    Memory: about 30 KiB per signal (4 chunks of values, 80 of counts).

    Attributes
    ----------
    lately
        What moved with the last chunk by a laxer standard, which is of use once something is
        known to have happened: one chunk in 200 names a signal by chance.

    Parameters
    ----------
    per_100k
        False alarms promised per 100,000 records over all signals, while nothing changes.
    fixed
        Compare with the first 64 chunks until something moves, and not with the newest 64; slow
        change adds up then, and seasons are told as drift.
    """

    def __init__(self, per_100k: float = 0.3, *, fixed: bool = False) -> None:
        self.per_100k = per_100k
        self.fixed = fixed
        self.names: list[str] = []
        self.texts: list[bool] = []
        self.chunks = 0
        self.lately: list[Moved] = []
        self._bins: list[Bins | None] = []
        self._values: list[list[Any]] = []  # of each signal: an array or a Counter per chunk
        self._counts: Counts = np.zeros((0, 0, BINS), np.int64)  # chunk, signal, bin
        self._age: Counts = np.zeros(0, np.int64)  # chunks counted since the bins were made
        self._ordeal: Counts = np.zeros(0, np.int64)  # chunks of probation left
        self._paused: npt.NDArray[np.bool_] = np.zeros(0, np.bool_)
        self._history = History()
        self._peak: Floats = np.zeros((len(TESTS), 0))
        self._edges: Floats = np.zeros((0, BINS - 2))

    # --- signals ---------------------------------------------------------------------------

    def know(self, name: str, text: bool) -> int:
        """Give the place of a signal, which is new if it is not known."""
        if name in self.names:
            return self.names.index(name)
        self.names.append(name)
        self.texts.append(text)
        self._bins.append(None)
        self._values.append([])
        self._counts = _widen(self._counts, 1)
        self._age, self._ordeal = _widen(self._age, 0), _widen(self._ordeal, 0)
        self._paused = _widen(self._paused, 0)
        self._peak = _widen(self._peak, 1)
        self._history.widen()
        self._edges = np.vstack([self._edges, np.full((1, BINS - 2), np.inf)])
        return len(self.names) - 1

    def pause(self, place: int, paused: bool) -> None:
        """Leave a signal out of the comparison, or take it in again with a new reference."""
        if self._paused[place] and not paused:
            self._rebin(place)
        self._paused[place] = paused

    # --- one chunk -------------------------------------------------------------------------

    def take(
        self, numbers: Floats, places: Sequence[int], texts: dict[int, list[str | None]]
    ) -> list[Moved]:
        """Take the next chunk; give the signals that have moved, most unusual first.

        Parameters
        ----------
        numbers
            One row for each of `places`, one column for each record; NaN where missing.
        places
            Which signals those are.
        texts
            Values of the text signals, by place; None where missing.
        """
        here = np.zeros((len(self.names), BINS), np.int64)
        rows = np.asarray(places, np.int64)
        if len(rows):
            here[rows] = self._count_numbers(numbers, self._edges[rows])
        for row, place in enumerate(places):
            self._keep(place, numbers[row])
        for place, values in texts.items():
            counter = Counter(values)
            bins = self._bins[place]
            if bins is not None:
                here[place] = bins.count(counter)
            self._keep(place, counter)
        self._push(here)
        self.chunks += 1
        moved = self._compare()
        self._settle()
        for place, kept in enumerate(self._values):
            if self._bins[place] is None and len(kept) == _RAW:
                self._rebin(place)
        return moved

    def _keep(self, place: int, values: Any) -> None:
        kept = self._values[place]
        kept.append(values)
        del kept[:-_RAW]

    def _count_numbers(self, numbers: Floats, edges: Floats) -> Counts:
        size = numbers.shape[1]
        missing = np.isnan(numbers).sum(axis=1)
        above = np.empty((len(numbers), BINS), np.int64)
        above[:, 0] = size - missing
        above[:, -1] = 0
        for edge in range(BINS - 2):
            above[:, edge + 1] = np.count_nonzero(numbers >= edges[:, edge, None], axis=1)
        counts = np.empty((len(numbers), BINS), np.int64)
        counts[:, 0] = missing
        counts[:, 1:] = above[:, :-1] - above[:, 1:]
        return counts

    def _push(self, here: Counts) -> None:
        ready = np.array([bins is not None for bins in self._bins])
        here[~ready] = 0
        self._age += ready
        self._counts = np.concatenate([self._counts, here[None]])
        if len(self._counts) > _MOST:
            drop = _MOST - SCALES[-1] if self.fixed else 0
            self._counts = np.delete(self._counts, drop, axis=0)

    def _statistic(self) -> tuple[Floats, Floats, Floats]:
        """Give the statistic of each test and signal, newest and older counts of each length."""
        newest = np.stack([self._counts[-scale:].sum(axis=0) for scale in SCALES]).astype(float)
        older = self._counts.sum(axis=0)[None] - newest
        return np.concatenate(statistics(newest, older)), newest, older

    def _compare(self) -> list[Moved]:
        self.lately = []
        if not (self._age > _LEAST).any():
            self._begin()
            return []
        value, newest, older = self._statistic()
        scales = np.array(TESTS)[:, None]
        tested = (self._age[None] - scales >= _LEAST) & ~self._paused[None]
        calm = tested & (self._ordeal[None] == 0)
        bar = self.bar()
        deviate = self._history.unusual(value, older[0])
        unusual = np.where(calm, deviate, 0.0)
        fired: npt.NDArray[np.bool_] = np.any(unusual > bar, axis=0)
        lower = 0.75 if fired.any() else 1.0
        also: npt.NDArray[np.bool_] = np.any(unusual > lower * bar, axis=0)
        doubtful = np.where(tested, deviate, 0.0)
        lax = normal_quantile(_LAX / (len(self.names) * len(TESTS)))
        self.lately = self._tell_all(np.any(doubtful > lax, axis=0), doubtful, newest, older)
        self._peak = np.where(self._ordeal > 0, np.maximum(self._peak, value), self._peak)
        closed = self.fixed and len(self._counts) == _MOST
        due = calm & (self.chunks % scales == 0)
        self._history.remember(np.where(due, value, np.nan), also, closed=closed)
        self._begin()
        if not fired.any():
            return []
        self._ordeal[also] = _PROBATION
        self._peak[:, also] = value[:, also]
        return self._tell_all(also, unusual, newest, older)

    def _tell_all(
        self, which: npt.NDArray[np.bool_], unusual: Floats, newest: Floats, older: Floats
    ) -> list[Moved]:
        moved = [
            self._tell(int(place), int(unusual[:, place].argmax()), unusual, newest, older)
            for place in np.flatnonzero(which)
        ]
        return sorted(moved, key=lambda each: (-each.js, each.name))

    def bar(self) -> float:
        """Give the normal deviate that a signal has to pass."""
        tests = max(len(self.names), 1) * len(TESTS)
        return normal_quantile(self.per_100k * CHUNK / 100_000 / tests)

    def _begin(self) -> None:
        """Give signals that just got enough chunks a history: each chunk against the others."""
        for place in np.flatnonzero(self._age == _LEAST):
            kept = self._counts[-_LEAST:, place].astype(float)
            total = kept.sum(axis=0)
            for row, scale in enumerate(SCALES[:3]):
                parts = kept.reshape(-1, scale, BINS).sum(axis=1)
                for shift, values in enumerate(statistics(parts, total - parts)):
                    for value in values:
                        self._history.add(shift * len(SCALES) + row, int(place), float(value))

    # --- after a change --------------------------------------------------------------------

    def _settle(self) -> None:
        """Decide about signals that moved a while ago: back as they were, or different now."""
        ends = np.flatnonzero(self._ordeal == 1)
        self._ordeal = np.maximum(self._ordeal - 1, 0)
        if not len(ends):
            return
        recent = self._counts[-_PROBATION // 2 :].sum(axis=0).astype(float)
        older = self._counts[: -_PROBATION - 1].sum(axis=0).astype(float)
        values = statistics(recent, older)
        value = np.concatenate([np.tile(each, (len(SCALES), 1)) for each in values])
        unusual = self._history.unusual(value, older)[[2, 2 + len(SCALES)]].max(axis=0)
        for place in ends:
            if unusual[place] < 0.6 * self.bar() and older[place].sum() > 0:
                self._history.burst(int(place), self._peak[:, place])  # such things happen here
                self._counts[-_PROBATION - 1 :, place] = 0
                self._age[place] -= min(_PROBATION + 1, self._age[place] - 1)
            else:
                self._rebin(int(place))

    def _rebin(self, place: int) -> None:
        """Make bins of the values at hand, and begin a new reference with them."""
        kept = self._values[place]
        if len(kept) < _RAW:
            self._bins[place] = None
            return
        bins = Bins.of_texts(kept) if self.texts[place] else Bins.of_numbers(np.concatenate(kept))
        self._bins[place] = bins
        self._edges[place] = bins.edges
        self._counts[:, place] = 0
        for back, values in enumerate(reversed(kept[-len(self._counts) :]), 1):
            self._counts[-back, place] = (
                bins.count(values)
                if self.texts[place]
                else self._count_numbers(values[None], bins.edges[None])[0]
            )
        self._age[place] = min(len(kept), len(self._counts))
        self._ordeal[place] = 0
        weight = self._history.weight
        weight[:, place] = np.minimum(weight[:, place], 4.0)

    # --- what is said of it ----------------------------------------------------------------

    def _tell(
        self, place: int, row: int, unusual: Floats, newest: Floats, older: Floats
    ) -> Moved:
        bins = self._bins[place]
        assert bins is not None
        length = row % len(SCALES)
        after, before = newest[length, place], older[length, place]
        js, psi, ks = differences(before, after)
        return Moved(
            self.names[place], js, psi, ks, float(unusual[row, place]), TESTS[row],
            row >= len(SCALES),
            [int(count) for count in before], [int(count) for count in after], bins.labels(),
        )  # fmt: skip

    def values_of(self, name: str) -> Floats:
        """Give the newest 1,024 values of a number, oldest first."""
        kept = self._values[self.names.index(name)]
        return np.concatenate(kept) if kept else np.zeros(0)

    def drifts(self) -> dict[str, float]:
        """Give how far the newest 1,024 records of each signal are from those before (JS, bits)."""
        if len(self._counts) < _LEAST:
            return {}
        newest = self._counts[-_RAW:].sum(axis=0).astype(float)
        _, nats = divergence(newest, self._counts[:-_RAW].sum(axis=0).astype(float))
        bits = np.where(self._paused, 0.0, nats / np.log(2))
        return {name: round(float(js), 6) for name, js in zip(self.names, bits, strict=True)}

    def js_of(self, name: str) -> float:
        """Give how far the newest 512 records are from those before, as JS in bits."""
        if name not in self.names or not len(self._counts):
            return 0.0
        counts = self._counts[:, self.names.index(name)].astype(float)
        _, nats = divergence(counts[-2:].sum(axis=0), counts[:-2].sum(axis=0))
        return float(nats / np.log(2))

    def tally_of(self, name: str) -> Tally:
        """Give the texts of the newest chunk."""
        kept: list[Tally] = self._values[self.names.index(name)]
        return kept[-1] if kept else Counter()

    def is_text(self, name: str) -> bool:
        """Whether a signal is one of texts."""
        return self.texts[self.names.index(name)]

    def reference_of(self, name: str, skip: int = _RAW) -> tuple[Bins, Floats] | None:
        """Give the bins of a signal and its counts but for the newest `skip` chunks.

        None while there are fewer than 8 chunks of them.
        """
        if name not in self.names:
            return None
        place = self.names.index(name)
        bins = self._bins[place]
        if bins is None or self._age[place] - skip < _LEAST // 2:
            return None
        return bins, self._counts[: len(self._counts) - skip, place].sum(axis=0).astype(float)

    def closeness(self, name: str, after: Counts, before: Floats) -> tuple[float, float]:
        """Give how unusual other counts are for this signal, as a deviate, and their JS in bits.

        A deviate below `bar` is what the signal does without having changed.
        """
        place = self.names.index(name)
        value, js = divergence(after[1:].astype(float), before[1:])
        full = np.zeros((len(TESTS), len(self.names)))
        full[:, place] = float(value)
        older = np.ones((len(self.names), BINS))
        older[place] = before
        chunks = after.sum() / CHUNK
        row = sum(scale <= chunks for scale in SCALES[1:])
        return float(self._history.unusual(full, older)[row, place]), float(js / np.log(2))

    # --- state -----------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """Give the state as JSON."""
        return {
            "names": self.names,
            "texts": self.texts,
            "chunks": self.chunks,
            "bins": [None if bins is None else bins.state() for bins in self._bins],
            "values": [
                [sorted(each.items(), key=str) if text else pack(each) for each in kept]
                for kept, text in zip(self._values, self.texts, strict=True)
            ],
            **{name: pack(getattr(self, f"_{name}")) for name in _ARRAYS},
            **{name: pack(getattr(self._history, name)) for name in _HISTORY},
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take up a state that `state` gave."""
        self.names, self.texts = list(state["names"]), list(state["texts"])
        self.chunks = state["chunks"]
        self._bins = [None if kept is None else Bins.restored(kept) for kept in state["bins"]]
        self._values = [
            [Counter(dict(each)) if text else unpack(each) for each in kept]
            for kept, text in zip(state["values"], self.texts, strict=True)
        ]
        for name in _ARRAYS:
            setattr(self, f"_{name}", unpack(state[name]))
        for name in _HISTORY:
            setattr(self._history, name, unpack(state[name]))


_ARRAYS = ("counts", "age", "ordeal", "paused", "peak", "edges")
_HISTORY = ("weight", "mean", "square", "held")


def _widen(array: Any, axis: int) -> Any:
    shape = list(array.shape)
    shape[axis] = 1
    return np.concatenate([array, np.zeros(shape, array.dtype)], axis=axis)
