"""Event time: reading it, and not trusting it blindly."""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from math import isfinite
from typing import Any

from stream.core.records import Fault

_LATEST = 253_402_300_800.0
"""The first second of the year 10000; no later time can be written in RFC 3339."""

_MEMORY = 1 << 15
"""Texts whose time is remembered: merging two inputs looks at each twice."""

_CONFIRMATIONS = 10
"""How many records in a row must agree before the watermark jumps further than the slack."""


def parse_time(raw: Any) -> float | Fault:
    """Read a time: RFC 3339 text, or a number since the epoch.

    A number is seconds; from 1e11 on it is milliseconds, from 1e14 microseconds, from
    1e17 nanoseconds (1e11 seconds would be the year 5138). Text without an offset is UTC.

    Returns
    -------
    float or Fault
        Seconds since the epoch.

    Examples
    --------
    >>> parse_time("2013-01-01T10:00:00Z")
    1357034400.0
    >>> parse_time(1357034400000)
    1357034400.0
    >>> parse_time("soon").reason
    'bad_time'
    """
    kind = type(raw)
    if kind is str:
        return _parse_text(raw)
    if kind is int or kind is float:
        return _parse_number(raw)
    if raw is None:
        return Fault("missing_time", "the record has no time")
    return Fault("bad_time", f"a {kind.__name__} is not a time")


def parse_times(raws: Sequence[Any]) -> list[float | Fault]:
    """Read many times as `parse_time` reads one."""
    try:
        if set(map(type, raws)) == {str}:
            numbers = list(map(float, raws))  # what is a number for `float` is no date
            # An infinity or NaN would show in the sum; NaN might hide from `min`.
            if isfinite(sum(numbers)) and min(numbers) > -1e11 and max(numbers) < 1e11:
                return numbers  # type: ignore[return-value]  # no fault among them
    except ValueError:
        pass
    return list(map(parse_time, raws))


@lru_cache(_MEMORY)
def _parse_text(raw: str) -> float | Fault:
    if "-" not in raw[1:]:  # so it is no date, or one like 20130101, which is rather a number
        try:
            return _parse_number(float(raw))
        except ValueError:
            pass
    try:
        moment = datetime.fromisoformat(raw)
    except ValueError:
        try:
            return _parse_number(float(raw))
        except ValueError:
            return Fault("bad_time", f"{raw[:80]!r} is neither RFC 3339 nor a number of seconds")
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _parse_number(value: float) -> float | Fault:
    if -1e11 < value < 1e11:
        return float(value)
    size = abs(value)
    seconds = float(value)
    for limit, unit in ((1e17, 1e9), (1e14, 1e6), (1e11, 1e3)):
        if size >= limit:
            seconds = value / unit
            break
    if not -_LATEST < seconds < _LATEST:  # also refuses NaN
        return Fault("bad_time", f"{value!r} is not a time within the years 1 to 9999")
    return seconds


class Watermark:
    """How far event time has come: it never goes back and never believes one record alone.

    A record at most `slack` ahead moves it at once. A jump further than that is held until
    ten records in a row are that far ahead; then it goes to the least of them. So one record
    from the year 2099 expires nothing, and a stream that paused for a week goes on.
    While the first ten records come in, it is the least time seen, so that a first record
    from the future does no harm either.

    Examples
    --------
    >>> mark = Watermark(slack=3600.0)
    >>> [mark.observe(t) for t in (100.0, 130.0, 9e9, 150.0)]
    [100.0, 100.0, 100.0, 100.0]
    >>> for t in range(200, 300, 10): _ = mark.observe(float(t))
    >>> mark.observe(9e9)
    290.0
    """

    __slots__ = ("ahead", "least", "seen", "slack", "value")

    def __init__(self, slack: float) -> None:
        self.slack = slack
        self.value = float("-inf")
        self.seen = 0
        self.ahead = 0
        self.least = float("inf")

    def observe(self, time: float) -> float:
        """Take the time of one more record, return the watermark after it."""
        if self.seen < _CONFIRMATIONS:
            self.seen += 1
            self.value = time if self.seen == 1 else min(self.value, time)
        elif time <= self.value:
            self.ahead = 0
        elif time - self.value <= self.slack:
            self.ahead = 0
            self.value = time
        else:
            self._hold(time)
        return self.value

    def _hold(self, time: float) -> None:
        self.least = time if self.ahead == 0 else min(self.least, time)
        self.ahead += 1
        if self.ahead == _CONFIRMATIONS:
            self.value = self.least
            self.ahead = 0

    def state(self) -> list[float | int | None]:
        """Give the state as JSON."""
        return [self.value if self.seen else None, self.seen, self.ahead, *self._held()]

    def _held(self) -> list[float]:
        return [self.least] if self.ahead else []

    def restore(self, state: list[Any]) -> None:
        """Take up a state that `state` gave."""
        value, self.seen, self.ahead, *held = state
        self.value = float("-inf") if value is None else value
        self.least = held[0] if held else float("inf")
