"""A chunk of records as columns, for the detectors."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from math import isfinite
from operator import itemgetter
from typing import Any

import numpy as np

from detectors.distribution import Distributions
from detectors.divergence import Moved
from stream.core.records import Features


def columns(events: list[Features], names: list[str]) -> Any:
    """Give the numbers of some events, one row a name; NaN where missing."""
    if not names:
        return np.zeros((0, len(events)))
    blank = dict.fromkeys(names, float("nan"))
    getter: Callable[[Features], Any] = itemgetter(*names)
    size = len(events) * len(names)
    pick = (getter,) if len(names) > 1 else (lambda event: (event[names[0]],),)
    try:
        flat = np.fromiter(chain.from_iterable(map(pick[0], events)), float, size)
    except KeyError:
        whole = [blank | event for event in events]
        flat = np.fromiter(chain.from_iterable(map(pick[0], whole)), float, size)
    return np.ascontiguousarray(flat.reshape(len(events), len(names)).T)


def take(watch: Distributions, name: str, values: Sequence[Any], text: bool) -> list[Moved]:
    """Give one signal its next chunk: classes or numbers."""
    place = watch.know(name, text)
    if not text:
        numbers = np.array([list(map(said, values))], dtype=float)
        return watch.take(numbers, [place], {})
    return watch.take(np.zeros((0, len(values))), [], {place: tally(values)})


def tally(values: Iterable[Any]) -> Counter[str | None]:
    """Count classes by name."""
    words: Counter[str | None] = Counter()
    for value, count in Counter(values).items():
        words[word(said(value))] += count
    return words


def word(value: Any) -> str | None:
    """Name a class; None where there was no answer."""
    if value is None:
        return None
    return str(value).lower() if isinstance(value, bool) else str(value)


def confidences(probabilities: Sequence[Any], *, binary: bool) -> list[float]:
    """Give the probability of the likeliest answer for each of many."""
    if not binary:
        return [confidence(each, binary=False) for each in probabilities]
    try:
        shares = np.fromiter(probabilities, float, len(probabilities))
    except (TypeError, ValueError):  # not all of them are numbers
        return [confidence(each, binary=True) for each in probabilities]
    found: list[float] = np.where(np.isfinite(shares), np.maximum(shares, 1 - shares), 0.0).tolist()
    return found


def confidence(probability: Any, *, binary: bool) -> float:
    """Give the probability of the likeliest answer; 0 where there is none."""
    if type(probability) is dict:
        shares = list(probability.values())
    elif type(probability) is list:
        shares = [share for _, share in probability]
    elif probability is None or not binary:
        shares = [probability]
    else:
        shares = [probability, 1 - probability]
    if None not in shares and isfinite(sum(shares)):
        return float(max(shares, default=0.0))
    return float(max((share for share in shares if finite(share)), default=0.0))


def finite(value: Any) -> bool:
    """Whether it is a number, and neither NaN nor infinite."""
    return value is not None and isfinite(value)


def said(answer: Any) -> Any:
    """Give an answer as JSON keeps it."""
    return None if isinstance(answer, float) and not isfinite(answer) else answer
