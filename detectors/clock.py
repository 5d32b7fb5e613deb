"""Features that follow the clock: a month, a weekday, a running number. They move by nature.

A new month is no news, though its distribution is one no chunk had before. So a number that has
always been the calendar's own (year, quarter, month, week, day, weekday of the event's time, in
some time zone) is not compared with the past, nor is one that only ever grows.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_REACH = 14 * 3600
"""Seconds that local time may be away from UTC."""

_AGREES = 0.98


class Clock:
    """Knows which numbers follow the clock, chunk by chunk."""

    def __init__(self) -> None:
        self.possible: dict[str, list[str]] = {}
        self.last: dict[str, float] = {}

    def take(self, names: list[str], numbers: Floats, moments: Floats | None) -> list[bool]:
        """Take a chunk of numbers, one row a name; give for each whether it follows the clock."""
        calendar = None
        paused = []
        for name, row in zip(names, numbers, strict=True):
            left = self.possible.get(name)
            if left is None:
                left = self.possible[name] = [*_PARTS, "growing"]
            if left:
                if calendar is None:
                    calendar = {} if moments is None else _calendar(moments)
                left[:] = [part for part in left if self._holds(part, name, row, calendar)]
                self.last[name] = float(row[-1])
            paused.append(bool(left))
        return paused

    def _holds(self, part: str, name: str, row: Floats, calendar: dict[str, Any]) -> bool:
        if part == "growing":
            start = self.last.get(name, -np.inf)
            rises = np.diff(row, prepend=start) > 0
            return bool(rises.mean() > _AGREES)
        if part not in calendar:
            return False
        agrees = (calendar[part] == row).any(axis=0)
        return bool(agrees.mean() > _AGREES)

    def state(self) -> dict[str, Any]:
        """Give the state as JSON."""
        last = {name: value for name, value in self.last.items() if np.isfinite(value)}
        return {"possible": self.possible, "last": last}

    def restore(self, state: dict[str, Any]) -> None:
        """Take up a state that `state` gave."""
        self.possible = {name: list(left) for name, left in state["possible"].items()}
        self.last = dict(state["last"])


_PARTS = ("year", "quarter", "month", "day", "weekday0", "weekday1", "sunday0", "yearday", "week")


def _calendar(moments: Floats) -> dict[str, Any]:
    """Give each part of the calendar for some moments in seconds, in the time zones there are."""
    if not np.all(np.abs(moments) < 1e11):
        return {}
    times = np.stack([moments - _REACH, moments, moments + _REACH]).astype("datetime64[s]")
    years = times.astype("datetime64[Y]")
    months = times.astype("datetime64[M]")
    days = times.astype("datetime64[D]")
    month = months.astype(int) % 12 + 1
    weekday = (days.astype(int) + 3) % 7  # 1970-01-01 was a Thursday
    yearday = (days - years.astype("datetime64[D]")).astype(int) + 1
    return {
        "year": years.astype(int) + 1970,
        "quarter": (month + 2) // 3,
        "month": month,
        "day": (days - months.astype("datetime64[D]")).astype(int) + 1,
        "weekday0": weekday,
        "weekday1": weekday + 1,
        "sunday0": (weekday + 1) % 7,
        "yearday": yearday,
        "week": (yearday - weekday + 9) // 7,
    }
