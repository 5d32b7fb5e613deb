"""Records as they were read, row by row or by columns, to be taken apart a column at a time."""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import repeat
from math import hypot, inf
from typing import Any

from stream.core.records import Fault, Row, Shape

# Without the call of `Row.__new__`, which takes as long as to read two cells.
_as_row: Callable[[tuple[Any, ...]], Row] = partial(tuple.__new__, Row)

Fields = list[dict[str, Any]]


class Rows:
    """Records that have come one by one.

    Parameters
    ----------
    rows
        Their fields are taken over.

    Attributes
    ----------
    raws
        The records as they were read.

    Examples
    --------
    >>> table = Rows([Row({"id": "a", "x": 1.0}, b"..."), Row({"id": "b"}, b"...")])
    >>> table.take("id"), table.features()[0]
    (['a', 'b'], [{'x': 1.0}, {}])
    """

    def __init__(self, rows: Sequence[Row]) -> None:
        self.raws = [row.raw for row in rows]
        self._rows = list(rows)
        self._fields: Fields = [{} if isinstance(row[0], Fault) else row[0] for row in rows]
        self._gone: set[str | None] = set()

    def __len__(self) -> int:
        """Count the records."""
        return len(self.raws)

    def take(self, name: str) -> Sequence[Any]:
        """Take a field out; gives its values, None where a record has none."""
        self._gone.add(name)
        return [each.pop(name, None) for each in self._fields]

    def features(self) -> tuple[Fields, list[Shape | None]]:
        """Give the fields that are left of each record, and its shape where it is known."""
        shapes = [row.shape for row in self._rows]
        gone = self._gone
        left = {shape: None if shape is None else shape.without(gone) for shape in set(shapes)}
        return self._fields, [left[shape] for shape in shapes]

    def faults(self) -> dict[int, Row]:
        """Give the records that cannot be used, by their place."""
        return {at: row for at, row in enumerate(self._rows) if type(row.fields) is Fault}

    def rows(self) -> list[Row]:
        """Give what is left of each record as a row."""
        return self._rows


class Columns:
    """Records that all have the same fields, or lack some of them.

    Parameters
    ----------
    names, columns
        The fields, each with a value for every record; None where it is missing.
    raws
        The records as they were read.

    Examples
    --------
    >>> table = Columns(["id", "x"], [["a", "b"], [1.0, None]], [b"a,1", b"b,"])
    >>> table.take("id"), table.features()[0]
    (['a', 'b'], [{'x': 1.0}, {}])
    """

    def __init__(
        self, names: Sequence[str], columns: Sequence[Sequence[Any]], raws: list[bytes]
    ) -> None:
        self.raws = raws
        self._columns: dict[str, Sequence[Any]] = dict(zip(names, columns, strict=True))

    def __len__(self) -> int:
        """Count the records."""
        return len(self.raws)

    def take(self, name: str) -> Sequence[Any]:
        """Take a field out; gives its values, None where a record has none."""
        column = self._columns.pop(name, None)
        return [None] * len(self.raws) if column is None else column

    def features(self) -> tuple[Fields, list[Shape | None]]:
        """Give the fields that are left of each record, and its shape where it is known."""
        names, columns = list(self._columns), list(self._columns.values())
        kinds = [set(map(type, column)) for column in columns]
        if columns:
            # Not strict: the widths are known to be equal, and asking again costs 0.1 us a row.
            fields: Fields = [dict(zip(names, row)) for row in zip(*columns)]  # noqa: B905
        else:
            fields = [{} for _ in self.raws]
        shapes = [_shape_of(names, columns, kinds)] * len(fields)
        for name, column, kind in zip(names, columns, kinds, strict=True):
            if type(None) in kind:
                for at, value in enumerate(column):
                    if value is None:
                        del fields[at][name]
                        shapes[at] = None
        return fields, shapes

    def faults(self) -> dict[int, Row]:
        """Give the records that cannot be used, by their place."""
        return {}

    def rows(self) -> list[Row]:
        """Give what is left of each record as a row."""
        fields, shapes = self.features()
        rows = zip(fields, self.raws, repeat(0), repeat(""), shapes, strict=False)
        return list(map(_as_row, rows))


Table = Rows | Columns
"""Records of which a reader takes out, column by column, what is no feature."""


def as_table(records: Table | Sequence[Row]) -> Table:
    """Give records as a table, which they may be already."""
    return records if isinstance(records, (Rows, Columns)) else Rows(records)


def _shape_of(
    names: Sequence[str], columns: Sequence[Sequence[Any]], kinds: Sequence[set[type]]
) -> Shape | None:
    """Give the shape of rows that have a value in every column.

    None where a column has values of more than one type, or none at all.
    """
    shape = []
    for name, column, kind in zip(names, columns, kinds, strict=True):
        types = kind - {type(None)}
        if len(types) != 1:
            return None
        present = column if len(kind) == 1 else [value for value in column if value is not None]
        shape.append((name, types.pop(), bound(present)))
    return Shape(shape)


def bound(column: Sequence[Any]) -> float:
    """Give a bound of the absolute values of numbers, the cheapest there is; 0 for texts."""
    if type(column[0]) is str:
        return 0.0
    try:
        return hypot(*column)
    except (OverflowError, TypeError):  # a huge integer, or what is no feature at all
        return inf
