"""What one field was declared to hold, as plain values."""

from math import inf, isinf
from typing import Any, Literal, NamedTuple

import numpy as np

RulePolicy = Literal["accept", "drop-field", "dead-letter", "stop"]


class FieldRule(NamedTuple):
    """What one field was declared to hold.

    Attributes
    ----------
    low, high
        Least and largest value of a number.
    categories
        All values there are; None where they are not known. Without a range then.
    required
        Whether every event has it: always, not always, or as `missing_field` says (None).
    missing
        Share of the events in which it usually is missing; None where that is not known.
    """

    low: float = -inf
    high: float = inf
    categories: frozenset[bool | int | float | str] | None = None
    required: bool | None = None
    missing: float | None = None

    def bounds_values(self) -> bool:
        """Whether there is a value that it forbids."""
        return self.categories is not None or not (isinf(self.low) and isinf(self.high))

    def allows(self, value: Any) -> bool:
        """Whether an event may hold this value, which is of the right kind."""
        if self.categories is not None:
            return value in self.categories
        return bool(self.low <= value <= self.high)

    def broken_by(self, numbers: Any) -> Any:
        """Give those of these numbers that it forbids; NaN is none."""
        if self.categories is None:
            return numbers[(numbers < self.low) | (numbers > self.high)]
        known = np.isin(numbers, list(self.categories))
        return numbers[~known & ~np.isnan(numbers)]
