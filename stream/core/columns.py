"""A chunk of records as columns, for the detectors."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import chain, repeat, starmap
from math import isfinite, nan
from struct import Struct
from typing import Any

import numpy as np

from detectors.distribution import Distributions
from detectors.divergence import Moved
from stream.core.records import Features, Kind, Shape

_NAN = Struct("d").pack(nan)

_FRESH = 16
"""Events that are packed together."""


class Gathered:
    """The features of the events of a chunk, their numbers packed as they come.

    The events themselves can be let go: hundreds that are only kept to be looked at later drive
    out of the processor's cache what is needed for the next one.

    Attributes
    ----------
    names, texts
        The features that are numbers, and those that are texts; each list only gets longer.

    Examples
    --------
    >>> chunk, kinds = Gathered(), {"x": "number", "city": "text"}
    >>> chunk.add({"x": 1.5, "city": "Oslo"}, kinds)
    >>> chunk.add({"city": "Bergen"}, kinds)
    >>> chunk.take(kinds)
    (array([[1.5, nan]]), {'city': Counter({'Oslo': 1, 'Bergen': 1})})
    """

    def __init__(self) -> None:
        self.names: list[str] = []
        self.texts: list[str] = []
        self._met = -1  # fields, when their names were looked at
        self._pack: Callable[..., bytes] = Struct("").pack
        self._shape: Shape | None = None  # the last of which all features are just the numbers
        self._fresh: list[Features] = []  # the newest of that shape, soon to be packed
        self._rows: list[bytes] = []
        self._words: list[list[str | None]] = []
        self._restored: list[Features] = []  # of which the kinds are not known yet

    def add(
        self, features: Features, kinds: dict[str, Kind], shape: Shape | None = None
    ) -> None:
        """Take the features of the next event; numbers, and texts where the kind is text.

        Parameters
        ----------
        shape
            What they had in common with others when they were read; some may be gone since.
        """
        if len(kinds) != self._met:
            self._know(kinds)
        if shape is not None and shape is self._shape and len(features) == len(self.names):
            self._fresh.append(features)
            if len(self._fresh) == _FRESH:
                self._pack_fresh()
            return
        self._pack_fresh()
        if self.texts:
            self._words.append([features.get(name) for name in self.texts])
        elif list(features) == self.names:
            self._shape = shape
        self._rows.append(self._pack(*[features.get(name, nan) for name in self.names]))

    def take(self, kinds: dict[str, Kind]) -> tuple[Any, dict[str, Counter[str | None]]]:
        """Give what has come, and begin anew.

        Returns
        -------
        numbers, tallies
            One row a name, NaN where missing; and how often each text came, None where missing.
        """
        if len(kinds) != self._met:
            self._know(kinds)
        self._pack_fresh()
        width, rows = len(self.names), self._rows
        if set(map(len, rows)) != {8 * width}:  # some came before a field that is new
            rows = [row + _NAN * (width - len(row) // 8) for row in rows]
        flat = np.frombuffer(b"".join(rows), float).reshape(len(rows), width)
        tallies: dict[str, Counter[str | None]] = {}
        for place, name in enumerate(self.texts):
            early = repeat(None, len(rows) - len(self._words))  # events before there were texts
            words = [words[place] if place < len(words) else None for words in self._words]
            tallies[name] = Counter(chain(early, words))
        self._rows, self._words = [], []
        return np.array(flat.T, order="C"), tallies

    def _know(self, kinds: dict[str, Kind]) -> None:
        """See which features there are; their kinds never change."""
        self._pack_fresh()
        self._met, self._shape = len(kinds), None
        self.names = [name for name, kind in kinds.items() if kind != "text"]
        self.texts = [name for name, kind in kinds.items() if kind == "text"]
        self._pack = Struct(f"{len(self.names)}d").pack
        restored, self._restored = self._restored, []
        for features in restored:
            self.add(features, kinds)

    def _pack_fresh(self) -> None:
        self._rows += starmap(self._pack, map(dict.values, self._fresh))
        self._fresh.clear()

    def state(self) -> list[Features]:
        """Give what has come as features: numbers are floats, whatever they were."""
        self._pack_fresh()
        events = list(self._restored)
        late = len(self._rows) - len(self._words)  # events before there were texts
        for at, row in enumerate(self._rows):
            numbers = zip(self.names, Struct(f"{len(row) // 8}d").unpack(row), strict=False)
            words = zip(self.texts, self._words[at - late] if at >= late else (), strict=False)
            kept = {name: number for name, number in numbers if number == number}
            events.append(kept | {name: word for name, word in words if word is not None})
        return events

    def restore(self, state: list[Features]) -> None:
        """Take up a state that `state` gave."""
        self._restored, self._rows, self._words, self._met = list(state), [], [], -1
        self._fresh.clear()


class Settled:
    """Labels of a chunk: moments of the predictions, their errors, truths and probabilities."""

    def __init__(self) -> None:
        self.moments: list[Any] = []
        self.errors: list[Any] = []
        self.labels: list[Any] = []
        self.probabilities: list[Any] = []

    def add(self, moment: Any, error: Any, label: Any, probability: Any) -> None:
        """Take the truth about one more prediction."""
        self.moments.append(moment)
        self.errors.append(error)
        self.labels.append(label)
        self.probabilities.append(probability)


def take(
    watch: Distributions, name: str, values: Sequence[Any] | Counter[str | None]
) -> list[Moved]:
    """Give one signal its next chunk: numbers, or how often there was each class."""
    place = watch.know(name, isinstance(values, Counter))
    if isinstance(values, Counter):
        return watch.take(np.zeros((0, values.total())), [], {place: values})
    numbers = np.array([list(map(said, values))], dtype=float)
    return watch.take(numbers, [place], {})


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
