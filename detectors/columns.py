"""A table that is too large to keep, as what a comparison needs of each of its columns."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from itertools import chain
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Kind = Literal["number", "text", "bool", "nested", "never there"]

SAMPLE = 20_480
"""Most rows of which the values are kept; from half as many on, evenly spread over the table."""

_MOST_TEXTS = 10_000
"""Different texts of a column that are counted; one with more is open."""

_MOST_COLUMNS = 1000

_KINDS: dict[type, Kind] = {str: "text", float: "number", int: "number", bool: "bool"}

Floats = npt.NDArray[np.float64]


class Column:
    """One column: what was in it, and a sample of its values.

    Attributes
    ----------
    kinds
        In how many rows a value of each kind was.
    texts
        The texts and how often each was there; None when there were more than 10,000.
    sample
        Values of rows that are evenly spread, None where missing.
    """

    def __init__(self, sampled: int) -> None:
        self.kinds: Counter[Kind] = Counter()
        self.texts: Counter[str] | None = Counter()
        self.sample: list[Any] = [None] * sampled

    def add(self, values: list[Any], picked: Sequence[int]) -> None:
        """Take the values of some rows."""
        for type_, count in Counter(map(type, values)).items():
            if type_ is not type(None):
                self.kinds[_KINDS.get(type_, "nested")] += count
        self.sample += [values[place] for place in picked]
        if self.texts is not None:
            self.texts.update(value for value in values if type(value) is str)
            if len(self.texts) > _MOST_TEXTS:
                self.texts = None

    @property
    def there(self) -> int:
        """In how many rows there was a value."""
        return sum(self.kinds.values())

    @property
    def kind(self) -> Kind:
        """The kind of most of its values."""
        return max(self.kinds, key=lambda kind: self.kinds[kind], default="never there")

    def open(self) -> bool:
        """Whether hardly any text comes twice, as of names and ids; then shares say nothing."""
        if self.texts is None:
            return True
        return len(self.texts) > 100 and len(self.texts) > self.kinds["text"] / 2

    def numbers(self) -> Floats:
        """Give the sample as numbers; NaN for what is missing or no number."""
        return np.array([_number(value) for value in self.sample], dtype=float)

    def words(self) -> list[str | None]:
        """Give the sample as texts; None for what is missing or no text."""
        return [value if type(value) is str else None for value in self.sample]


class Columns:
    """A table, taken a few rows at a time.

    Memory: for each of up to 1,000 columns 20,480 values and 10,000 texts.

    Parameters
    ----------
    leave_out
        Columns that are not looked at.

    Attributes
    ----------
    rows
        How many there were.
    """

    def __init__(self, leave_out: Collection[str] = ()) -> None:
        self.rows = 0
        self.columns: dict[str, Column] = {}
        self._leave_out = frozenset(leave_out)
        self._step = 1
        self._sampled = 0

    def take(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Take the next rows."""
        picked = range(-self.rows % self._step, len(rows), self._step)
        names = dict.fromkeys(chain(self.columns, chain.from_iterable(rows)))
        for name in names:
            if name in self._leave_out:
                continue
            if name not in self.columns:
                if len(self.columns) >= _MOST_COLUMNS:
                    continue
                self.columns[name] = Column(self._sampled)
            self.columns[name].add([row.get(name) for row in rows], picked)
        self.rows += len(rows)
        self._sampled += len(picked)
        while self._sampled > SAMPLE:
            self._thin()

    def _thin(self) -> None:
        for column in self.columns.values():
            column.sample = column.sample[::2]
        self._step *= 2
        self._sampled = (self._sampled + 1) // 2

    @property
    def sampled(self) -> int:
        """How many rows the samples are of."""
        return self._sampled

    def missing(self, name: str) -> float:
        """Give the share of rows without a value."""
        return 1 - self.columns[name].there / self.rows if self.rows else 0.0


def _number(value: Any) -> float:
    if type(value) is str or value is None or not isinstance(value, (bool, int, float)):
        return float("nan")
    return float(value) if abs(value) < 1e300 else float("nan")
