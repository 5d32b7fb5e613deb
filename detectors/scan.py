"""A scan over window lengths: its ratios, thresholds, tails that are not normal, what it finds."""

from collections.abc import Mapping, Sequence
from math import exp, log, sqrt
from typing import Any, NamedTuple

BLOCK = 32
"""Labels that are looked at together."""

_SCAN = 0.07
"""Factor of the scan's tail for these window lengths, per block."""

PEAK, _PEAK_RATE, PEAK_EXCESS = 2.5, 0.00621, 0.323
"""A deviate, how often a normal one is beyond it, and how far it then is on average."""

_PEAK_PRIOR = 2000.0
"""Windows' worth of trust in that expectation."""

_PEAK_MEMORY = 6000.0
"""Windows over which the tail is averaged."""

_PRIOR = 24.0
"""Window pairs' worth of trust in the dispersion of the next shorter windows."""

_MEMORY = 512.0
"""Window pairs over which a dispersion is averaged, the newest weighing most."""


class Rise(NamedTuple):
    """An error that rose.

    Attributes
    ----------
    before, after
        Mean error before and since the change.
    labels_before, labels_after
        How many labels these means are over.
    since
        `moment` of the first label of those since the change.
    deviate, threshold
        The normal deviate of the rise, and the one it had to reach.
    dispersion
        How much more window means vary than those of independent errors would (as variance).
    """

    before: float
    after: float
    labels_before: int
    labels_after: int
    since: float
    deviate: float
    threshold: float
    dispersion: float


def threshold_for(per_100k: float) -> float:
    """Give the normal deviate that a scan of pure chance passes so many times in 100,000 labels.

    Examples
    --------
    >>> threshold_for(0.5) > threshold_for(5.0) > 3
    True
    """
    rate = per_100k * BLOCK / 100_000
    low, high = 2.0, 12.0
    for _ in range(60):
        middle = (low + high) / 2
        if _SCAN * middle * middle * exp(-middle * middle / 2) > rate:
            low = middle
        else:
            high = middle
    return high


class Tail:
    """How often, and by how much, windows of one length go beyond `PEAK`."""

    __slots__ = ("excess", "peaks", "windows")

    def __init__(self, windows: float, peaks: float, excess: float) -> None:
        self.windows = windows
        self.peaks = peaks
        self.excess = excess

    @classmethod
    def expecting(cls, excess: float) -> "Tail":
        """Begin with a tail of this mean excess."""
        peaks = _PEAK_PRIOR * _PEAK_RATE
        return cls(_PEAK_PRIOR, peaks, peaks * excess)

    def note(self, deviate: float) -> None:
        """Count one more window."""
        self.windows += 1
        if deviate > PEAK:
            self.peaks += 1
            self.excess += deviate - PEAK
        if self.windows > _PEAK_MEMORY:
            fade = _PEAK_MEMORY / self.windows
            self.windows *= fade
            self.peaks *= fade
            self.excess *= fade

    def limit(self, rate: float) -> float:
        """Give the deviate that is passed at this rate by a tail of this weight."""
        weight = self.excess / self.peaks
        if weight < 1.3 * PEAK_EXCESS:
            return 0.0
        return PEAK + weight * log(max(self.peaks / self.windows / rate, 1.0))


class Blocks:
    """The newest blocks of errors.

    Attributes
    ----------
    sums, raw
        Sums of the errors as they are watched, and as they came, up to the end of each block.
    since
        Moment of the first label of each.
    origin
        How many there were before the first that is remembered.
    """

    __slots__ = ("origin", "raw", "since", "sums")

    def __init__(self) -> None:
        self.sums, self.raw = [0.0], [0.0]
        self.since: list[float] = []
        self.origin = 0

    def add(self, watched: float, raw: float) -> None:
        """Add one."""
        self.sums.append(self.sums[-1] + watched)
        self.raw.append(self.raw[-1] + raw)

    def drop(self, blocks: int) -> None:
        """Forget the oldest."""
        del self.sums[:blocks], self.raw[:blocks], self.since[:blocks]
        self.origin += blocks

    def rise(
        self, blocks: int, rest: int, span: int, deviate: float, dispersion: float,
        threshold: float,
    ) -> Rise:  # fmt: skip
        """Tell of a rise of those from `rest` up to `blocks` over the `span` before them."""
        raw, width = self.raw, blocks - rest
        return Rise(
            before=(raw[rest] - raw[rest - span]) / (BLOCK * span),
            after=(raw[blocks] - raw[rest]) / (BLOCK * width),
            labels_before=BLOCK * span, labels_after=BLOCK * width, since=self.since[rest],
            deviate=deviate, threshold=threshold, dispersion=dispersion,
        )  # fmt: skip

    def state(self) -> dict[str, Any]:
        """Give the state as JSON."""
        return {"origin": self.origin, "raw": self.raw, "since": self.since, "sums": self.sums}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up a state that `state` gave."""
        self.sums, self.raw, self.since = (list(state[name]) for name in ("sums", "raw", "since"))
        self.origin = state["origin"]


class Dispersion:
    """How much more the means of windows of each length vary than independent errors let them.

    Parameters
    ----------
    scales
        Lengths of the windows, in blocks, each at least twice the one before.
    floor
        The least that it may be.
    """

    __slots__ = ("_floor", "_scales", "values", "weights")

    def __init__(self, scales: Sequence[int], floor: float) -> None:
        self._scales, self._floor = scales, floor
        self.weights = [0.0] * len(scales)
        self.values = [0.0] * len(scales)

    def note(self, blocks: Blocks, end: int) -> None:
        """Note how far apart two neighbouring windows are, for each length that ends at a block."""
        sums, count = blocks.sums, blocks.origin + end
        mean = (sums[-1] - sums[0]) / (BLOCK * (len(sums) - 1))
        variance = max(mean * (1 - mean), 1e-6)
        for place, width in enumerate(self._scales):
            if count % width or end < 2 * width:
                break
            newer, older = sums[end] - sums[end - width], sums[end - width] - sums[end - 2 * width]
            value = (newer - older) ** 2 / (2 * BLOCK * width * variance)
            self.weights[place] = weight = min(self.weights[place] + 1, _MEMORY)
            self.values[place] += (value - self.values[place]) / weight

    def spread(self) -> list[float]:
        """Give it for each length; long windows, of which few are, lean on the shorter."""
        spread: list[float] = []
        last = self._floor
        lean, floor = 8.0, self._floor
        for weight, value in zip(self.weights, self.values, strict=True):
            last = (lean * last + weight * value) / (lean + weight)
            last = last if last > floor else floor
            spread.append(last)
            lean = _PRIOR
        return spread


def ratio_of(first: float, first_n: int, second: float, second_n: int) -> float:
    """Log likelihood ratio of two means in 0..1 against one common mean."""
    both = (first * first_n + second * second_n) / (first_n + second_n)
    return first_n * _divergence(first, both) + second_n * _divergence(second, both)


def _divergence(p: float, q: float) -> float:
    """Kullback-Leibler divergence of two coins, in nats."""
    total = 0.0
    if p > 0:
        total += p * log(p / q)
    if p < 1 and q < 1:
        total += (1 - p) * log((1 - p) / (1 - q))
    return total


def past_of(span: int, size: int) -> tuple[int, int, float]:
    """Give so many blocks of the past, the labels of these and of a window, a factor for both."""
    whole = BLOCK * span + size
    return span, whole, whole / (size * (whole - size))


def run_share(after: float, before: float, dispersion: float) -> float:
    """Give the share of the ratio that is left when errors come in runs.

    Dividing by the dispersion is right near the mean only: far from it, a few long runs do what
    many errors would have to. For a Markov chain of that mean and dispersion the exponent of
    such a tail is known (Dembo and Zeitouni, "Large Deviations Techniques", theorem 3.1.2).
    """
    if dispersion <= 1.0 or not 0.0 < before < after < 1.0:
        return 1.0
    again = (dispersion - 1) / (dispersion + 1)
    p00, p11 = 1 - before + again * before, before + again * (1 - before)
    low, high = 0.0, log(after / (1 - after)) - log(before / (1 - before))  # that of no runs
    for _ in range(18):
        middle = (low + high) / 2
        mean, _ = _tilted(middle, p00, p11, again)
        low, high = (middle, high) if mean < after else (low, middle)
    _, growth = _tilted(low, p00, p11, again)
    exponent = low * after - growth
    return min(1.0, exponent * dispersion / _divergence(after, before))


def _tilted(theta: float, p00: float, p11: float, again: float) -> tuple[float, float]:
    """Mean and growth rate of the chain whose errors weigh exp(theta)."""
    z = exp(theta)
    trace = p00 + p11 * z
    root = sqrt(max(trace * trace - 4 * again * z, 1e-300))
    largest = (trace + root) / 2
    slope = (p11 + (trace * p11 - 2 * again) / root) / 2
    return z * slope / largest, log(largest)
