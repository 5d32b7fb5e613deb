"""The part of the report that tells of the models."""

from collections.abc import Sequence
from html import escape

from stream.app.lives import Lives, Record
from stream.app.models import COLUMNS, row_of, totals, when

MARKED = ("promotion", "rollback")
"""What is marked on the chart of the scores."""

_MOST = 100


def models_of(records: Sequence[Record]) -> str:
    """Write the lives of the models as a table, and what they cost and gained together."""
    lives = Lives(records)
    if not records:
        return f"<h2>Models</h2><p>One, {lives.champion}, from the start to the end.</p>"
    told = list(lives)
    head = "".join(f"<th>{escape(column)}" for column in COLUMNS)
    rows = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}" for cell in row_of(life)) for life in told[-_MOST:]
    )
    left = f", the last {_MOST}" if len(told) > _MOST else ""
    return (
        f"<h2>{len(told)} models{left}</h2><div class=scroll><table><tr>{head}{rows}</table></div>"
        f"<p class=faint>{escape(totals(lives))}</p>"
    )


def words_of(record: Record) -> str:
    """Write a step in the life of a model in one line."""
    return f"{when(record['time'])} {record['event']} of {record['model']} ({record['how']})"
