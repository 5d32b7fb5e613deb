"""From columns of text cells to numbers, bools and texts."""

import re
from collections.abc import Collection, Sequence
from typing import Any

import orjson

from stream.core.records import Kind

_NEARLY_ALL = 0.99
_BOOLS = {"true": True, "false": False}
_MINUS_ZERO = re.compile(r"-0[ \t\r\n]*[],]")


class Cells:
    """How the cells of a column are read; a missing one becomes None.

    Parameters
    ----------
    missing
        What stands for a missing cell, to the letter.

    Examples
    --------
    >>> cells = Cells(["", "NA"])
    >>> cells.convert("number", ["1", "2.5", "NA", "nan", "x"])
    [1.0, 2.5, None, None, 'x']
    >>> cells.infer(["", "7", "1e3"]), cells.infer(["TRUE", "false"]), cells.infer(["", "NA"])
    ('number', 'bool', 'text')
    """

    def __init__(self, missing: Collection[str]) -> None:
        self.missing = frozenset(missing)
        self._null_is_missing = "null" in self.missing
        # A missing -999 would be taken for a number; NaN would not, it is not JSON.
        self._numeric_missing = any(type(_number(cell)) is float for cell in self.missing)

    def infer(self, cells: Sequence[str]) -> Kind:
        """Tell the kind of a column from its first cells.

        A column of nothing but missing cells is text: to take a text for a number would
        cost records, the other way about only a declaration. So is one with an underscore
        (``2013_01``), although Python reads that as a number. One cell in a hundred may be
        garbage: a single slip of the pen must not turn a column of numbers into texts.
        """
        present = [cell for cell in cells if cell not in self.missing]
        if not present:
            return "text"
        numbers = sum("_" not in cell and _is_number(cell) for cell in present)
        if numbers >= _NEARLY_ALL * len(present):
            return "number"
        return "bool" if all(cell.lower() in _BOOLS for cell in present) else "text"

    def convert(self, kind: Kind, cells: Sequence[str]) -> Sequence[Any]:
        """Read the cells of a column.

        Numbers become floats as `float` reads them, NaN counts as missing, infinity stays.
        A cell that is not of the kind stays a text.
        """
        if kind == "number":
            return self._numbers(cells)
        missing = self.missing
        if kind == "bool":
            return [
                None if cell in missing else _BOOLS.get(cell.lower(), cell) for cell in cells
            ]
        if missing.isdisjoint(cells):
            return cells
        return [None if cell in missing else cell for cell in cells]

    def _numbers(self, cells: Sequence[str]) -> list[Any]:
        if not (self._numeric_missing and not self.missing.isdisjoint(cells)):
            values = _parse(cells, self._null_is_missing)
            if values is not None:
                return values
        missing = self.missing
        if not missing.isdisjoint(cells) and (self._null_is_missing or "null" not in cells):
            values = _parse(["null" if cell in missing else cell for cell in cells], True)
            if values is not None:
                return values
        return [None if cell in missing else _number(cell) for cell in cells]


def _parse(cells: Sequence[str], nulls: bool) -> list[Any] | None:
    """Read all cells as one JSON list, None where that is not what `float` would give.

    This takes half the time of `float` on each, and gives the same bits: a JSON number is
    one for `float` too. Cells that run together make a list, a text or an object, which
    is not taken; an integer -0 would lose its sign.
    """
    text = f"[{','.join(cells)}]"
    try:
        values: list[Any] = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    kinds = set(map(type, values))
    if kinds == {float} and len(values) == len(cells):
        return values
    allowed = {float, int, type(None)} if nulls else {float, int}
    if len(values) != len(cells) or not kinds <= allowed:
        return None
    if type(None) in kinds and values.count(None) != cells.count("null"):
        return None  # JSON takes " null" for null, and that is not a missing cell
    if int not in kinds:
        return values
    if _MINUS_ZERO.search(text):
        return None
    if type(None) in kinds:
        return [None if value is None else float(value) for value in values]
    return list(map(float, values))


def _number(cell: str) -> float | str | None:
    try:
        value = float(cell)
    except ValueError:
        return cell
    return value if value == value else None


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
