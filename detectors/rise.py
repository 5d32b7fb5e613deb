"""Whether the error of what was served has risen: one-sided, at a promised rate of false alarms.

The errors are taken in blocks of 32. At every block, the newest 1, 2, 4, ... 128 blocks are
each compared with the 32, 128 and 512 blocks before them by the likelihood ratio of two means
(a scan over window lengths: Willsky and Jones, 1976; Lai, "Sequential changepoint detection in
quality control and dynamical systems", JRSS B 57, 1995). For windows of independent right-or-wrong
errors, twice its logarithm is the square of a standard normal, whatever the error rate.

Errors are seldom independent. So the ratio is divided by how much more the means of windows
of that length really vary than independent errors would let them: the mean squared successive
difference of neighbouring windows (von Neumann, "Distribution of the ratio of the mean square
successive difference to the variance", 1941), kept for each length apart. It is learnt from the
stream and goes on being learnt, and a single step or a slow improvement hardly touches it.

Some errors come in bursts: a stormy night, a bad batch. A rise that is gone within 1,024 labels
after its alarm was a burst. How high windows of each length go is kept as well, and where that
tail is heavier than the normal one, the threshold for that length is read off it (peaks over a
threshold with an exponential tail: Davison and Smith, "Models for exceedances over high
thresholds", JRSS B 52, 1990). So the first bursts raise alarms, the following ones do only when
they are higher or last longer, and a change that stays is seen by the longer windows.

The threshold follows from the promised rate by the tail of the maximum of a scan (Siegmund and
Venkatraman, "Using the generalized likelihood ratio statistic for sequential detection of a
change-point", Annals of Statistics 23, 1995: proportional to h^2 exp(-h^2 / 2)); its factor for
these lengths was measured by ``benchmarks/drift.py``.
"""

from bisect import bisect_left
from collections.abc import Sequence
from math import sqrt
from typing import Any, NamedTuple

from detectors.scan import (
    BLOCK,
    PEAK,
    PEAK_EXCESS,
    Blocks,
    Dispersion,
    Rise,
    Tail,
    past_of,
    ratio_of,
    run_share,
    threshold_for,
)

_SCALES = (1, 2, 4, 8, 16, 32, 64, 128)
_SPANS = (32, 128, 512)
"""Blocks before the window that it is compared with: the nearest, and longer pasts."""

_LEAST = 16
"""Blocks without which nothing is compared: the reference period is 512 labels."""

_MOST = 512
"""Blocks that are remembered: 16,384 labels."""

_YOUNG, _DOUBT = 128, 1.5
"""Blocks from the start in which the threshold is higher by this factor.

A young learner errs more for a while when it grows: a Hoeffding tree that first splits, which
it does after 3,300 labels at the latest.
"""

_SETTLE = 32
"""Blocks after an alarm that belong to neither side: the learner is relearning."""

_FALL = 8.0
"""Half the square of the normal deviate at which a fall makes a new reference period."""

_FIRST, _KNOWN = 8, 3.0
"""Blocks since a change after which it is seen what it did to the error, and the deviate that
this has to have: of changes without effect, one in 100 is said to have had one."""

_SUDDEN = 3.5
"""Errors of a part of a block, beyond those to be expected, that no threshold is below."""

_WORTH = PEAK**2 / 2
"""Log likelihood ratio below which nothing depends on its exact value."""

_EXCESSES = (0.55, 0.55, 0.48, *(PEAK_EXCESS,) * 5)
"""What is expected of windows of each length at first.

Short ones are not trusted to be normal: a Hoeffding tree that splits errs more for a while.
"""

_GONE = 0.35
"""Share of a rise that may be left when it counts as gone."""


class _Probation(NamedTuple):
    """A rise that has been told of and is being followed."""

    raised: int
    rest: int
    span: int
    place: int
    peaks: list[float]


_PASTS = [[past_of(span, BLOCK * width) for span in _SPANS] for width in _SCALES]


class ErrorRise:
    """Watches a stream of errors for a rise.

    Errors may be right or wrong (0 or 1) or sizes of any unit; sizes ``e`` are watched as
    ``e / (e + s)``, where ``s`` is the median of the reference period, which no outlier moves
    far. Memory: 512 blocks, about 20 KiB.

    Parameters
    ----------
    per_100k
        False alarms promised per 100,000 labels while nothing changes.
    sizes
        Whether errors are sizes and not right or wrong.
    doubts_per_100k
        The same for `doubt`.

    Attributes
    ----------
    doubt
        Moment since when the error may have risen, by this laxer standard, or None.

    Examples
    --------
    >>> watch = ErrorRise(0.5)
    >>> errors = [n % 10 == 0 for n in range(3000)] + [n % 2 == 0 for n in range(500)]
    >>> [n for n, error in enumerate(errors) if watch.update(error)]
    [3071]
    """

    def __init__(
        self, per_100k: float = 0.5, *, sizes: bool = False, doubts_per_100k: float = 10.0
    ) -> None:
        self.threshold = threshold_for(per_100k)
        self._rate = per_100k * BLOCK / 100_000
        self.doubt: float | None = None
        self._lax = threshold_for(doubts_per_100k)
        self._lax_rate = doubts_per_100k * BLOCK / 100_000
        self._sizes = sizes
        self._floor = 0.02 if sizes else 1.0
        self._buffer: list[float] = []
        self._opened = 0.0  # moment of the first label in the buffer
        self._age = 0  # blocks since the start
        self._dispersion = Dispersion(_SCALES, self._floor)
        self._tails = [Tail.expecting(excess) for excess in _EXCESSES]
        self._restart()

    def _restart(self) -> None:
        self._probation: _Probation | None = None
        self._scale = 0.0
        self._warm: list[float] = []
        self._blocks = Blocks()

    def update(self, error: float, moment: float = 0.0) -> Rise | None:
        """Take the error of one more label, predicted for at `moment`; a rise if it shows."""
        buffer = self._buffer
        if not buffer:
            self._opened = moment
        buffer.append(error)
        if len(buffer) < BLOCK:
            return None
        block = buffer.copy()
        buffer.clear()
        return self._block(block)

    def take(self, block: list[float], moment: float) -> Rise | None:
        """Take the errors of 32 labels at once, the first predicted for at `moment`."""
        if self._buffer or len(block) != BLOCK:
            raise ValueError(f"a block is {BLOCK} errors, with none before it that wait")
        self._opened = moment
        return self._block(block)

    def _block(self, block: list[float]) -> Rise | None:
        raw = float(sum(block))
        self.doubt = None
        self._age += 1
        self._blocks.since.append(self._opened)
        if not self._sizes:
            self._blocks.add(raw, raw)
        elif self._scale or self._settle_scale(block):
            self._blocks.add(sum(map(self._watched, block)), raw)
        else:
            return None
        blocks = len(self._blocks.sums) - 1
        if self._probation is not None:
            self._observe(self._probation, blocks)
            return None
        if blocks <= _LEAST:
            if blocks == _LEAST:
                for end in range(1, blocks + 1):
                    self._dispersion.note(self._blocks, end)
            return None
        if (rise := self._compare(blocks)) is None:
            self._dispersion.note(self._blocks, len(self._blocks.sums) - 1)
            self._forget()
        return rise

    def _settle_scale(self, block: list[float]) -> bool:
        """Gather the reference period; then take its median for the scale and go through it."""
        self._warm += block
        if len(self._warm) < _LEAST * BLOCK:
            return False
        warm, self._warm = self._warm, []
        middle = sorted(warm)[len(warm) // 2]
        self._scale = middle or max(sum(warm) / len(warm), 1e-300)
        for at in range(0, len(warm) - BLOCK, BLOCK):
            part = warm[at : at + BLOCK]
            self._blocks.add(sum(map(self._watched, part)), float(sum(part)))
        return True

    def _watched(self, error: float) -> float:
        return error / (error + self._scale)

    def _compare(self, blocks: int) -> Rise | None:
        """Hold every window length against its threshold; a fall makes a new reference."""
        spread = self._dispersion.spread()
        doubt = _DOUBT if self._age <= _YOUNG else 1.0
        least = (doubt * min(self.threshold, self._lax)) ** 2 / 2
        best: tuple[float, int, int, float] | None = None
        doubted, fell, count = doubt * self._lax, 0, self._blocks.origin + blocks
        for place, width in enumerate(_SCALES):
            if blocks - width < _LEAST:
                break
            noted, tail = not count % width, self._tails[place]
            worth = _WORTH if noted else least
            deviate, span, fall = self._deviate(blocks, place, spread[place], worth)
            if fall and width >= _LEAST:
                fell = width
            beyond = 0.0
            if deviate > doubt * self.threshold:
                beyond = deviate - doubt * max(self.threshold, tail.limit(self._rate))
            if beyond > 0 and (best is None or beyond > best[0]):
                best = beyond, place, span, deviate
            elif noted:
                tail.note(deviate)
            if deviate > doubted and deviate > doubt * tail.limit(self._lax_rate):
                doubted, self.doubt = deviate, self._blocks.since[blocks - width]
        if best is not None:
            _, place, span, deviate = best
            rest = blocks - _SCALES[place]
            self._probation = _Probation(blocks, rest, span, place, [0.0] * len(_SCALES))
            return self._blocks.rise(blocks, rest, span, deviate, spread[place], self.threshold)
        if fell:
            self._blocks.drop(blocks - fell)
        return None

    def _deviate(
        self, blocks: int, place: int, spread: float, worth: float
    ) -> tuple[float, int, bool]:
        """Give the highest deviate of the newest window, the past it is from, and a fall.

        A log likelihood ratio of less than `worth` counts as none.
        """
        sums, rest = self._blocks.sums, blocks - _SCALES[place]
        total, newer, size = sums[blocks], sums[blocks] - sums[rest], BLOCK * _SCALES[place]
        least = min(worth, _FALL) * spread
        best, best_span, fell = worth, 0, False
        for past in _PASTS[place]:
            span, whole, share = past if past[0] <= rest else past_of(rest, size)
            both = total - sums[rest - span]
            apart = newer * whole - both * size
            # `ratio_of` is at most this: a divergence is at most a chi-square.
            if apart * apart * share > least * both * (whole - both):
                after, before = newer / size, (both - newer) / (whole - size)
                ratio = ratio_of(after, size, before, whole - size) / spread
                if after <= before:
                    fell = fell or ratio > _FALL
                elif ratio > best:
                    ratio *= run_share(after, before, spread)
                    if ratio > best:
                        best, best_span = ratio, span
            if span == rest:
                break
        return sqrt(2 * best) if best_span else 0.0, best_span, fell

    def at(self, moment: float) -> Rise | None:
        """Give the rise that came with a change of about this moment, if there is one.

        The 8, 16 and 32 blocks since then, or since 256 labels before it, are held against those
        before, by a standard that is of use only where something else has shown the change. A
        learner that takes to it errs more for some hundred labels only.
        """
        change = bisect_left(self._blocks.since, moment)
        spread, best = self._dispersion.spread(), (_KNOWN, 0, 0, 0)
        for rest in (change - _FIRST, change):
            for place in range(_SCALES.index(_FIRST), _SCALES.index(_SETTLE) + 1):
                blocks = rest + _SCALES[place]
                if rest >= _LEAST and blocks < len(self._blocks.sums):
                    worth = best[0] ** 2 / 2
                    deviate, span, _ = self._deviate(blocks, place, spread[place], worth)
                    best = max(best, (deviate, rest, place, span))
        deviate, rest, place, span = best
        if not span:
            return None
        return self._blocks.rise(rest + _SCALES[place], rest, span, deviate, spread[place], _KNOWN)

    def sudden(self, errors: Sequence[float]) -> bool:
        """Whether a part of a block, which is still to be completed, is reason to doubt already.

        It has to reach what an alarm asks for. Nothing is kept of it.
        """
        blocks, size = len(self._blocks.sums) - 1, len(errors)
        if blocks < _LEAST or self._probation is not None:
            return False
        span, whole, _ = past_of(min(blocks, _SPANS[1]), size)
        before = (self._blocks.sums[blocks] - self._blocks.sums[blocks - span]) / (whole - size)
        after = (sum(map(self._watched, errors)) if self._sizes else sum(errors)) / size
        if size * (after - before) < _SUDDEN:
            return False
        spread = self._dispersion.spread()[0]
        ratio = ratio_of(after, size, before, whole - size) / spread
        asked = max(self.threshold, self._tails[0].limit(self._rate))
        doubt = _DOUBT if self._age < _YOUNG else 1.0
        return sqrt(2 * ratio * run_share(after, before, spread)) > doubt * asked

    def _observe(self, probation: "_Probation", blocks: int) -> None:
        """Follow a rise after its alarm; then decide whether it was a burst or has stayed."""
        spread = self._dispersion.spread()
        for place, width in enumerate(_SCALES):
            if blocks - width < _LEAST or width > _SETTLE + _SCALES[probation.place]:
                break
            deviate, _, _ = self._deviate(blocks, place, spread[place], _WORTH)
            probation.peaks[place] = max(probation.peaks[place], deviate)
        if blocks < probation.raised + _SETTLE:
            return
        self._probation = None
        sums, rest = self._blocks.sums, probation.rest
        raised = probation.raised
        before = (sums[rest] - sums[rest - probation.span]) / probation.span
        then = (sums[raised + _SETTLE // 4] - sums[raised]) / (_SETTLE // 4)
        now = (sums[blocks] - sums[blocks - _SETTLE // 2]) / (_SETTLE // 2)
        mean = min(before / BLOCK, 0.5)
        noise = BLOCK * sqrt(mean * (1 - mean) * spread[4] / (BLOCK * _SETTLE // 2))
        if now - before > max(_GONE * (then - before), 1.5 * noise):
            self._restart()
            return
        for peak, tail in zip(probation.peaks, self._tails, strict=True):
            if peak > PEAK:
                tail.note(peak)
        for end in range(probation.raised, blocks + 1):
            self._dispersion.note(self._blocks, end)
        self._forget()

    def _forget(self) -> None:
        while len(self._blocks.sums) > _MOST + 2 * _SCALES[-1]:
            self._blocks.drop(_SCALES[-1])

    def state(self) -> dict[str, Any]:
        """Give the state as JSON."""
        return {
            "buffer": list(self._buffer),
            "opened": self._opened,
            "age": self._age,
            "weights": self._dispersion.weights,
            "dispersions": self._dispersion.values,
            "tails": [[tail.windows, tail.peaks, tail.excess] for tail in self._tails],
            "probation": None if self._probation is None else list(self._probation),
            "scale": self._scale,
            "warm": self._warm,
            **self._blocks.state(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take up a state that `state` gave."""
        self._buffer = list(state["buffer"])
        self._opened = state["opened"]
        self._age = state["age"]
        self._dispersion.weights = list(state["weights"])
        self._dispersion.values = list(state["dispersions"])
        self._tails = [Tail(*tail) for tail in state["tails"]]
        kept = state["probation"]
        self._probation = None if kept is None else _Probation(*kept)
        self._scale = state["scale"]
        self._warm = list(state["warm"])
        self._blocks.restore(state)
