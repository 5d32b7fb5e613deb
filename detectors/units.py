"""What a change of values looks like: another unit, a frozen sensor, two columns swapped.

A fit alone proves nothing: a warm spell, too, is an affine change. So the question is asked
the other way round: if the new values are taken back by a *known* conversion, are they again
distributed as this signal always was, by its own history, and was the change abrupt? And does it
fit better than that all values became larger by the same?
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from detectors.bins import Bins, are_whole
from detectors.distribution import Distributions
from detectors.divergence import Moved, apart, divergence

Floats = npt.NDArray[np.float64]

_STEP = 32
"""Values between places where the change may have been."""

_FEWEST = 96
"""New values without which nothing is said of them."""

_BETTER = 0.3
"""Most of the divergence that may be left when the values are taken back."""


class Conversion(NamedTuple):
    """A known change of unit: ``new = factor * old + offset``."""

    old: str
    new: str
    factor: float
    offset: float = 0.0


_PAIRS = (
    Conversion("miles", "kilometres", 1.609344),
    Conversion("miles", "metres", 1609.344),
    Conversion("nautical miles", "kilometres", 1.852),
    Conversion("metres", "feet", 1 / 0.3048),
    Conversion("inches", "centimetres", 2.54),
    Conversion("inches", "millimetres", 25.4),
    Conversion("feet", "inches", 12.0),
    Conversion("kilograms", "pounds", 1 / 0.45359237),
    Conversion("ounces", "grams", 28.349523125),
    Conversion("gallons", "litres", 3.785411784),
    Conversion("knots", "metres per second", 1852 / 3600),
    Conversion("metres per second", "kilometres per hour", 3.6),
    Conversion("metres per second", "miles per hour", 3600 / 1609.344),
    Conversion("seconds or thousands", "milliseconds or units", 1000.0),
    Conversion("minutes or hours", "seconds or minutes", 60.0),
    Conversion("hours", "seconds", 3600.0),
    Conversion("days", "hours", 24.0),
    Conversion("seconds or millions", "microseconds or units", 1e6),
    Conversion("fraction", "percent", 100.0),
    Conversion("a tenth", "the whole", 10.0),
    Conversion("degrees", "radians", float(np.pi / 180)),
    Conversion("kilowatts", "horsepower", 1.34102209),
    Conversion("bar", "pounds per square inch", 14.503773773),
    Conversion("kilocalories", "kilojoules", 4.184),
    Conversion("value", "its negative", -1.0),
)

_AFFINE = (
    Conversion("Celsius", "Fahrenheit", 1.8, 32.0),
    Conversion("Celsius", "kelvin", 1.0, 273.15),
    Conversion("Fahrenheit", "kelvin", 5 / 9, 459.67 * 5 / 9),
)

CONVERSIONS: tuple[Conversion, ...] = (
    *_PAIRS,
    *(Conversion(c.new, c.old, 1 / c.factor) for c in _PAIRS if c.factor != -1.0),
    *_AFFINE,
    *(Conversion(c.new, c.old, 1 / c.factor, -c.offset / c.factor) for c in _AFFINE),
)
"""All that are looked for, both ways."""


class Unit(NamedTuple):
    """A change of unit that was recognised.

    Attributes
    ----------
    conversion
        The known one.
    factor, offset
        The straight line through the deciles of the old and the new values, for comparison.
    left
        Jensen-Shannon divergence in bits that is left when the new values are taken back.
    """

    conversion: Conversion
    factor: float
    offset: float
    left: float


def parts(watch: Distributions, name: str) -> tuple[Floats, Floats] | None:
    """Divide the newest values of a number into those before and since its change."""
    values = watch.values_of(name)
    values = values[~np.isnan(values)]
    known = watch.reference_of(name)
    if known is None or len(values) < 2 * _FEWEST:
        return None
    bins, reference = known
    blocks = len(values) // _STEP
    values = values[len(values) - blocks * _STEP :]
    counts = np.stack([bins.count_numbers(part) for part in values.reshape(blocks, _STEP)])
    after = counts[::-1].cumsum(axis=0)[::-1].astype(float)  # from each block to the end
    before = counts.sum(axis=0)[None] - after + reference[None] / max(reference.sum(), 1) * 256
    value, _ = divergence(after, before)
    split = int(value[: blocks - _FEWEST // _STEP + 1].argmax())
    return values[: split * _STEP], values[split * _STEP :]


def unit_of(watch: Distributions, moved: Moved) -> Unit | None:
    """Recognise a change of unit of a number that has moved."""
    name = moved.name
    known = watch.reference_of(name)
    if known is None or watch.is_text(name):
        return None
    divided = parts(watch, name)
    if divided is None:
        return None
    bins, reference = known
    _, after = divided
    present = reference.copy()
    present[0] = 0.0
    _, as_it_is = apart(bins.count_numbers(after), present)
    _, moved_on = apart(bins.count_numbers(after - _shift(after, bins, reference)), present)
    found: list[tuple[bool, float, Conversion]] = []
    for conversion in CONVERSIONS:
        back = (after - conversion.offset) / conversion.factor
        counts = bins.count_numbers(back)
        _, left = apart(counts, present)
        plainer = conversion.factor != 1.0 and moved_on < left
        if plainer or left >= _BETTER * as_it_is:
            continue
        if watch.closeness(name, counts, present)[0] < watch.bar():
            found.append((not (bins.whole and are_whole(back)), left, conversion))
    if not found:
        return None
    _, left, conversion = min(found)
    return Unit(conversion, *_line(after, bins, reference), left)


def _deciles(after: Floats, bins: Bins, reference: Floats) -> tuple[Floats, Floats]:
    """Give the edges of the bins, and the values below which as many are now as were below each."""
    edges = bins.edges[np.isfinite(bins.edges)]
    shares = reference[1 : len(edges) + 1].cumsum() / max(reference[1:].sum(), 1.0)
    return edges, np.quantile(after, np.clip(shares, 0, 1))


def _shift(after: Floats, bins: Bins, reference: Floats) -> float:
    """Give by how much values are larger than they were, if all by the same."""
    edges, there = _deciles(after, bins, reference)
    by = float(np.mean(there - edges)) if len(edges) else 0.0
    return float(round(by)) if bins.whole and are_whole(after) else by


def _line(after: Floats, bins: Bins, reference: Floats) -> tuple[float, float]:
    """Fit new deciles to old ones by least squares; old ones are the edges of the bins."""
    edges, there = _deciles(after, bins, reference)
    if len(edges) < 3:
        return float("nan"), float("nan")
    factor, offset = np.polyfit(edges, there, 1)
    return float(factor), float(offset)


def frozen_at(watch: Distributions, moved: Moved) -> float | None:
    """Give the value a number has frozen at, if all its newest values are one."""
    if watch.is_text(moved.name):
        return None
    divided = parts(watch, moved.name)
    if divided is None:
        return None
    before, after = divided
    if len(after) >= _FEWEST and np.ptp(after[_STEP:]) == 0:
        spread = len(np.unique(before)) if len(before) else sum(n > 0 for n in moved.before[1:])
        if spread > 1:
            return float(after[-1])
    return None


def swapped(watch: Distributions, moved: Sequence[Moved]) -> tuple[str, str] | None:
    """Give two signals of which each now is as the other was."""
    best: tuple[float, str, str] | None = None
    for place, first in enumerate(moved):
        for second in moved[place + 1 :]:
            if watch.is_text(first.name) != watch.is_text(second.name):
                continue
            one = looks_like(watch, first.name, second.name)
            two = looks_like(watch, second.name, first.name)
            if one is not None and two is not None:
                left = one + two
                enough = left < _BETTER * (first.js + second.js)
                if enough and (best is None or left < best[0]):
                    best = left, first.name, second.name
    return None if best is None else best[1:]


def looks_like(watch: Distributions, name: str, other: str) -> float | None:
    """Give the divergence of a signal's newest values from what another one was, if it fits."""
    known = watch.reference_of(other)
    if known is None:
        return None
    bins, reference = known
    if watch.is_text(name):
        counts = bins.count(watch.tally_of(name))
    else:
        divided = parts(watch, name)
        if divided is None:
            return None
        counts = bins.count_numbers(divided[1])
    counts[0] = 0
    reference = reference.copy()
    reference[0] = 0.0
    deviate, left = watch.closeness(other, counts, reference)
    return left if deviate < watch.bar() else None


def fits(watch: Distributions, name: str, values: Sequence[object]) -> float | None:
    """Give the divergence of foreign values from what a signal was, if they fit."""
    known = watch.reference_of(name)
    if known is None or len(values) < _STEP:
        return None
    bins, reference = known
    if watch.is_text(name):
        if not all(isinstance(value, str) for value in values):
            return None
        counts = np.zeros(len(reference), np.int64)
        for value in values:
            counts += bins.count({str(value): 1})  # type: ignore[arg-type]  # a mapping will do
    else:
        if any(isinstance(value, str) for value in values):
            return None
        counts = bins.count_numbers(np.array(values, dtype=float))
    reference = reference.copy()
    reference[0] = 0.0
    deviate, left = watch.closeness(name, counts, reference)
    return left if deviate < watch.bar() and left < 0.25 else None
