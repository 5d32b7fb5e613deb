"""Whether values are still distributed as they were: many signals at once, in chunks of 256.

Each signal is counted into fixed bins (deciles of a reference period, or the values of a
discrete one, or the commonest texts; one more bin for what is missing). After every second chunk
the newest 1, 2, 4, 8 and 16 are compared with those before them by the Jensen-Shannon
divergence, which for independent values, times ``8 n N / (n + N)``, is chi-square with one
degree of freedom fewer than bins (Lin, "Divergence measures based on the Shannon entropy", IEEE
Trans. Inf. Theory 37, 1991; Menendez et al., "The Jensen-Shannon divergence", J. Franklin Inst.
334, 1997).

Values are seldom independent: the hour of the day, a storm, a batch. So the statistic is held
against its own history. Its mean (the design effect) and its variance give a scaled chi-square
(Rao and Scott, "On chi-squared tests for multiway contingency tables", Annals of Statistics
12, 1984: the first- and second-order correction), the length of that history the denominator
of an F ratio, and Paulson's cube-root transform ("An approximate normalization of the analysis
of variance distribution", Ann. Math. Stat. 13, 1942) a normal deviate. The promised rate of
false alarms is divided by the numbers of signals and of window lengths (Bonferroni).

All this is worked out every 16 chunks, which gives each statistic a value that is worth a closer
look; until then no more is done than to hold it against that.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from detectors.arrays import pack, unpack
from detectors.bins import BINS, Bins, Tally, bounds_of, count_chunk
from detectors.counted import Counted
from detectors.divergence import Moved, apart, normal_quantile, statistics
from detectors.history import PERIOD, SCALES, TESTS, History

CHUNK = 256
"""Records that are counted together, if nothing else is said."""

_RAW = 4
"""Chunks whose values are kept, to make bins of: the first bins come from 1,024 records."""

_LEAST = 8
"""Chunks of reference without which nothing is compared: 2,048 records."""

_PROBATION = 8
"""Chunks after a change in which it either goes back or becomes the new reference."""

_LOOK = 512
"""Records after which chunks are compared: counting is cheap, comparing is not."""

_LAX = 0.005
"""Probability that a look names any signal by chance, by the laxer standard."""

_KNOWN, _FAR = 0.05, 0.2
"""The same where a change is known, and when, and how far (bits) a signal must have moved."""

_LENGTHS = np.array(TESTS)[:, None]

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]


class Distributions:
    """Watches the distributions of any number of signals, numbers and texts.

    Memory: about 30 KiB per signal (4 chunks of values, 80 of counts).

    Attributes
    ----------
    lately
        What moved with the last chunk by a laxer standard, which is of use once something is
        known to have happened: one look in 200 names a signal by chance.

    Parameters
    ----------
    per_100k
        False alarms promised per 100,000 records over all signals, while nothing changes.
    fixed
        Compare with the first 64 chunks until something moves, and not with the newest 64; slow
        change adds up then, and seasons are told as drift.
    chunk
        Records of a chunk.
    """

    def __init__(
        self, per_100k: float = 0.3, *, fixed: bool = False, chunk: int = CHUNK
    ) -> None:
        self.per_100k = per_100k
        self.chunk = chunk
        self._look_every = max(_LOOK // chunk, 1)
        self.names: list[str] = []
        self.texts: list[bool] = []
        self.chunks = 0
        self.lately: list[Moved] = []
        self._bins: list[Bins | None] = []
        self._values: list[list[Any]] = []  # of each signal: an array or a Counter per chunk
        self._places: dict[str, int] = {}
        self._counted = Counted(fixed=fixed)
        self._age: Counts = np.zeros(0, np.int64)  # chunks counted since the bins were made
        self._ordeal: Counts = np.zeros(0, np.int64)  # chunks of probation left
        self._paused: npt.NDArray[np.bool_] = np.zeros(0, np.bool_)
        self._history = History()
        self._critical: Floats = np.zeros((len(TESTS), 0))  # statistics worth a closer look
        self._edges: Floats = np.zeros((0, BINS - 1))
        self._unsettled = False  # whether thresholds have to be found anew
        self._steady: npt.NDArray[np.bool_] | None = None  # signals with all tests, if all have

    # --- signals ---------------------------------------------------------------------------

    def know(self, name: str, text: bool) -> int:
        """Give the place of a signal, which is new if it is not known."""
        place = self._places.get(name)
        if place is not None:
            return place
        self._places[name] = len(self.names)
        self.names.append(name)
        self.texts.append(text)
        self._bins.append(None)
        self._values.append([])
        self._counted.widen()
        self._age, self._ordeal = np.append(self._age, 0), np.append(self._ordeal, 0)
        self._paused = np.append(self._paused, False)
        self._critical = np.hstack([self._critical, np.zeros((len(TESTS), 1))])
        self._history.widen()
        self._edges = np.vstack([self._edges, bounds_of(None)])
        self._unsettled, self._steady = True, None
        return len(self.names) - 1

    def pause(self, places: Sequence[int], paused: Sequence[bool]) -> None:
        """Leave signals out of the comparison, or take them in again with a new reference."""
        rows, now = np.asarray(places, np.int64), np.asarray(paused, np.bool_)
        before = self._paused[rows]
        if (before != now).any():
            self._paused[rows] = now
            self._unsettled, self._steady = True, None
            for place in rows[before & ~now]:
                self._rebin(int(place))

    # --- one chunk -------------------------------------------------------------------------

    def take(
        self, numbers: Floats, places: Sequence[int], texts: dict[int, Tally]
    ) -> list[Moved]:
        """Take the next chunk; give the signals that have moved, most unusual first.

        Parameters
        ----------
        numbers
            One row for each of `places`, one column for each record; NaN where missing.
        places
            Which signals those are.
        texts
            How often each text was there, by place of the signal; None where missing.
        """
        self._counted.push(count_chunk(self._bins, self._edges, numbers, places, texts))
        self._age += [bins is not None for bins in self._bins]
        for place, values in (*zip(places, numbers, strict=True), *texts.items()):
            kept = self._values[place]
            kept.append(values)
            del kept[:-_RAW]
        self.chunks += 1
        if self._steady is None:
            self._begin()
        self.lately = []
        moved = [] if self.chunks % self._look_every else self._compare()
        if self._steady is None:
            self._settle()
            for place, bins in enumerate(self._bins):
                if bins is None and len(self._values[place]) == _RAW:
                    self._rebin(place)
        if self._unsettled or not self.chunks % PERIOD:
            self._find_thresholds()
        return moved

    def _compare(self) -> list[Moved]:
        sums = self._counted.windows()
        value = statistics(sums).reshape(len(TESTS), -1)
        calm = self._steady
        if calm is None:
            calm = self._tested() & (self._ordeal == 0)
            self._history.follow(value, self._ordeal > 0)
        self._history.hold(self.chunks, value, calm)
        if not (value > self._critical).any():
            return []
        return self._look_closer(value, calm, *sums)

    def _tested(self) -> npt.NDArray[np.bool_]:
        """Give the tests that each signal has chunks enough for."""
        tested: npt.NDArray[np.bool_] = self._age - _LENGTHS >= _LEAST
        return tested & ~self._paused

    def _look_closer(
        self, value: Floats, calm: npt.NDArray[np.bool_], newest: Floats, older: Floats
    ) -> list[Moved]:
        """Give what has moved; something has by one of the standards, or is not to be tested."""
        bar = self.bar()
        deviate = self._history.unusual(value, older[0])
        unusual = np.where(calm, deviate, 0.0)
        doubtful = np.where(self._tested(), deviate, 0.0)
        lately = np.any(doubtful > self._lax(), axis=0)
        self.lately = self._tell_all(lately, doubtful, newest, older)
        if not (unusual > bar).any():
            return []
        also: npt.NDArray[np.bool_] = np.any(unusual > 0.75 * bar, axis=0)
        self._history.forget(also)
        self._history.peak[:, also] = value[:, also]
        self._ordeal[also] = _PROBATION
        self._steady = None
        return self._tell_all(also, unusual, newest, older)

    def _find_thresholds(self) -> None:
        """Find the statistics that are worth a closer look, by a history that is up to date."""
        if not self.chunks % PERIOD:
            self._history.turn(closed=self._counted.closed())
        older = self._counted.kept[:-1].sum(axis=0)
        critical = self._history.critical(min(self._lax(), self.bar()), older)
        self._critical = np.where(self._paused, np.inf, critical)
        grown = self._age >= _LEAST + SCALES[-1]
        self._steady = ~self._paused if (grown & (self._ordeal == 0)).all() else None
        self._unsettled = False

    def _tell_all(
        self, which: npt.NDArray[np.bool_], unusual: Floats, newest: Floats, older: Floats
    ) -> list[Moved]:
        moved = []
        for place in np.flatnonzero(which).tolist():
            bins, row = self._bins[place], int(unusual[:, place].argmax())
            assert bins is not None
            length, missing = row % len(SCALES), row >= len(SCALES)
            moved.append(Moved.between(
                older[length, place], newest[length, place], self.names[place],
                float(unusual[row, place]), TESTS[row] * self.chunk // CHUNK, missing,
                bins.labels(),
            ))  # fmt: skip
        return sorted(moved, key=lambda each: (-each.js, each.name))

    def bar(self) -> float:
        """Give the normal deviate that a signal has to pass."""
        tests = max(len(self.names), 1) * len(TESTS)
        return normal_quantile(self.per_100k * self._look_every * self.chunk / 100_000 / tests)

    def _lax(self) -> float:
        return normal_quantile(_LAX / (len(self.names) * len(TESTS)))

    def _begin(self) -> None:
        """Give signals that just got enough chunks a history."""
        for place in np.flatnonzero(self._age == _LEAST):
            self._history.begin(int(place), self._counted.kept[-_LEAST:, place])
            self._unsettled = True

    # --- after a change --------------------------------------------------------------------

    def _settle(self) -> None:
        """Decide about signals that moved a while ago: back as they were, or different now."""
        ends = np.flatnonzero(self._ordeal == 1)
        self._ordeal = np.maximum(self._ordeal - 1, 0)
        if not len(ends):
            return
        self._unsettled = True
        recent = self._counted.kept[-_PROBATION // 2 :].sum(axis=0)
        older = self._counted.kept[: -_PROBATION - 1].sum(axis=0)
        value = np.repeat(statistics(np.stack([recent, older])), len(SCALES), axis=0)
        unusual = self._history.unusual(value, older)[[2, 2 + len(SCALES)]].max(axis=0)
        for place in ends:
            if unusual[place] < 0.6 * self.bar() and older[place].sum() > 0:
                self._history.burst(int(place))  # such things happen here
                self._counted.kept[-_PROBATION - 1 :, place] = 0
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
        self._edges[place] = bounds_of(bins)
        self._counted.kept[:, place] = 0
        for back, values in enumerate(reversed(kept[-len(self._counted) :]), 1):
            self._counted.kept[-back, place] = (
                bins.count(values) if self.texts[place] else bins.count_numbers(values)
            )
        self._age[place] = min(len(kept), len(self._counted))
        self._ordeal[place] = 0
        weight = self._history.weight
        weight[:, place] = np.minimum(weight[:, place], 4.0)
        self._unsettled = True

    # --- what is said of it ----------------------------------------------------------------

    def values_of(self, name: str) -> Floats:
        """Give the newest 1,024 values of a number, oldest first."""
        kept = self._values[self._places[name]]
        return np.concatenate(kept) if kept else np.zeros(0)

    def drifts(self) -> dict[str, float]:
        """Give how far the newest 1,024 records of each signal are from those before (JS, bits)."""
        if len(self._counted) < _LEAST:
            return {}
        bits = np.where(self._paused, 0.0, self._counted.apart(_RAW))
        return {name: round(float(js), 6) for name, js in zip(self.names, bits, strict=True)}

    def js_of(self, name: str) -> float:
        """Give how far the newest 512 records are from those before, as JS in bits."""
        return float(self._counted.apart(_LOOK // self.chunk)[self._places[name]])

    def moved_since(self, chunks: int) -> list[Moved]:
        """Give what the newest `chunks` chunks say of a change that is known to have begun then.

        One window of each signal is looked at, by a lax standard: of use only where something
        else, such as the error, has shown that there was a change.
        """
        lengths = sum(scale <= chunks for scale in SCALES)
        if not lengths or not self.names:
            return []
        newest, older = sums = self._counted.windows()
        value = statistics(sums).reshape(len(TESTS), -1)
        known = self._tested() & (SCALES[lengths - 1] == _LENGTHS)
        deviate = np.where(known, self._history.unusual(value, older[0]), 0.0)
        which = np.any(deviate > normal_quantile(_KNOWN / len(self.names)), axis=0)
        return [each for each in self._tell_all(which, deviate, newest, older) if each.js > _FAR]

    def tally_of(self, name: str) -> Tally:
        """Give the texts of the newest chunk."""
        kept: list[Tally] = self._values[self._places[name]]
        return kept[-1] if kept else Counter()

    def is_text(self, name: str) -> bool:
        """Whether a signal is one of texts."""
        return self.texts[self._places[name]]

    def reference_of(self, name: str, skip: int = _RAW) -> tuple[Bins, Floats] | None:
        """Give the bins of a signal and its counts but for the newest `skip` chunks.

        None while there are fewer than 8 chunks of them.
        """
        place = self._places.get(name)
        if place is None:
            return None
        bins = self._bins[place]
        if bins is None or self._age[place] - skip < _LEAST // 2:
            return None
        return bins, self._counted.kept[: len(self._counted) - skip, place].sum(axis=0)

    def closeness(self, name: str, after: Counts, before: Floats) -> tuple[float, float]:
        """Give how unusual other counts are for this signal, as a deviate, and their JS in bits.

        A deviate below `bar` is what the signal does without having changed.
        """
        place = self._places[name]
        value, js = apart(after, before)
        full = np.zeros((len(TESTS), len(self.names)))
        full[:, place] = value
        older = np.ones((len(self.names), BINS))
        older[place] = before
        chunks = after.sum() / self.chunk
        row = sum(scale <= chunks for scale in SCALES[1:])
        return float(self._history.unusual(full, older)[row, place]), js

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
            "counts": pack(self._counted.kept.astype(np.uint16)),
            **{name: pack(getattr(self, f"_{name}")) for name in _ARRAYS},
            **{name: pack(getattr(self._history, name)) for name in _HISTORY},
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take up a state that `state` gave."""
        self.names, self.texts = list(state["names"]), list(state["texts"])
        self._places = {name: place for place, name in enumerate(self.names)}
        self.chunks = state["chunks"]
        self._bins = [None if kept is None else Bins.restored(kept) for kept in state["bins"]]
        self._values = [
            [Counter(dict(each)) if text else unpack(each) for each in kept]
            for kept, text in zip(state["values"], self.texts, strict=True)
        ]
        self._counted.restore(unpack(state["counts"]))
        self._edges = np.vstack([np.zeros((0, BINS - 1)), *map(bounds_of, self._bins)])
        for name in _ARRAYS:
            setattr(self, f"_{name}", unpack(state[name]))
        for name in _HISTORY:
            setattr(self._history, name, unpack(state[name]))


_ARRAYS = ("age", "ordeal", "paused", "critical")
_HISTORY = ("weight", "mean", "square", "peak", "held")
