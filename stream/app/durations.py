"""Lengths of time as a person writes them: ``30d``, ``500ms``."""

import math
import re
from typing import Any

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0}
_WRITTEN = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(ms|[smhdw])\s*")


class Duration(float):
    """A number of seconds that remembers how it was written.

    Parameters
    ----------
    written
        Text such as ``30d``, ``1.5h`` or ``500ms`` (units ms, s, m, h, d, w), or a number.

    Attributes
    ----------
    written
        What was given: the text, or the number.

    Raises
    ------
    ValueError
        When it is neither, or not greater than 0.

    Examples
    --------
    >>> Duration("12h") == 43_200.0
    True
    >>> Duration("12h").written
    '12h'
    """

    __slots__ = ("written",)
    written: str | float

    def __new__(cls, written: Any) -> "Duration":
        """Read what was written."""
        self = super().__new__(cls, _seconds(written))
        self.written = written.written if isinstance(written, Duration) else written
        return self


def _seconds(written: Any) -> float:
    if isinstance(written, str):
        found = _WRITTEN.fullmatch(written)
        seconds = float(found[1]) * _UNITS[found[2]] if found else math.nan
    elif isinstance(written, (int, float)) and not isinstance(written, bool):
        seconds = float(written)
    else:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise ValueError('must be a length of time above 0, such as "500ms", "90s", "12h", "30d"')
    return seconds
