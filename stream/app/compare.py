"""Two files side by side: which fields differ, how far, and what was done to them."""

from pathlib import Path
from typing import Any

import orjson
from rich.table import Table

from detectors.columns import Columns
from detectors.comparison import CHANCE, Comparison, Difference, compare
from stream.app.config import Config, load_config
from stream.app.console import console
from stream.app.engine import open_events
from stream.core.records import Fault

_CHUNK = 4096
_MOST_UNSEEN = 5

_WORDS = {
    "": "", "gone": "only in A", "new": "only in B", "type": "another type", "moved": "moved",
    "missing": "missing more or less often", "unseen": "values never seen before",
}  # fmt: skip


class Side:
    """One of the files, read to its end.

    Attributes
    ----------
    unread
        Rows that could not be read.
    """

    def __init__(self, path: Path, config: Config) -> None:
        self.path = path
        fields = config.input
        roles = (fields.id, fields.time, fields.label_time)
        self.columns = Columns([*filter(None, roles), *fields.ignore])
        self.unread = 0
        reader = open_events(config, path)
        try:
            while rows := reader.read(_CHUNK):
                good = [row.fields for row in rows if not isinstance(row.fields, Fault)]
                self.unread += len(rows) - len(good)
                self.columns.take(good)
        finally:
            reader.close()

    def about(self) -> str:
        """Say what it is in a few words."""
        unread = f" and {self.unread:,} that cannot be read" if self.unread else ""
        return f"{self.path} ({self.columns.rows:,} records{unread})"


def run_compare(first: Path, second: Path, config: Path | None, bar: float, *, json: bool) -> bool:
    """Compare two files and print what came of it; gives whether they differ.

    Parameters
    ----------
    config
        Names the fields that are no values (id, time, ignored ones), and the kinds of others.
    bar
        Population stability index from which on a field differs.
    json
        Whether to print one JSON object in place of the table.

    Raises
    ------
    SourceError
        One of them cannot be read.
    """
    settings = Config() if config is None else load_config(config)
    sides = Side(first, settings), Side(second, settings)
    found = compare(sides[0].columns, sides[1].columns, bar)
    if json:
        print(orjson.dumps(_document(sides, found, bar), option=orjson.OPT_INDENT_2).decode())
    else:
        _show(sides, found, bar)
    return bool(found.differ)


def _show(sides: tuple[Side, Side], found: Comparison, bar: float) -> None:
    screen = console()
    screen.print(f"A: {sides[0].about()}\nB: {sides[1].about()}")
    table = Table(box=None, pad_edge=False)
    for name in ("field", "type", "missing", "JS", "PSI", "KS", ""):
        table.add_column(name, justify="right" if name in ("JS", "PSI", "KS") else "left",
                         overflow="fold")  # fmt: skip
    for each in found.fields:
        table.add_row(
            each.name, _both(*each.kinds), _both(*(f"{share:.3g}" for share in each.missing)),
            _figure(each.js), _figure(each.psi), _figure(each.ks), _said(each),
        )  # fmt: skip
    screen.print(table)
    for cause in found.causes:
        screen.print(cause["text"])
    few = min(side.columns.rows for side in sides)
    if found.differ and few < 1024:
        screen.print(f"{few:,} records are too few to say what was done; from 1,024 on it is")
    screen.print(_verdict(found, bar))


def _both(old: str, new: str) -> str:
    return old if old == new else f"{old} -> {new}"


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _said(each: Difference) -> str:
    parts = [_WORDS[each.why]]
    if each.note:
        parts.append(f"not compared: {each.note}")
    if each.unseen:
        shown = ", ".join(text for text, _ in each.unseen[:_MOST_UNSEEN])
        more = len(each.unseen) - _MOST_UNSEEN
        tail = f" and {more} more" if more > 0 else ""
        parts.append(f"{each.unseen_share:.2g} new: {shown}{tail}")
    return "; ".join(filter(None, parts))


def _verdict(found: Comparison, bar: float) -> str:
    meaning = (
        f"a field differs from PSI {bar:g} on, where chance alone would say so of one pair of "
        f"alike files in {1 / CHANCE:,.0f}, and when it is only in one, of another type, or 1 % "
        f"of its texts are new"
    )
    if not found.differ:
        return f"alike ({meaning})"
    names = ", ".join(each.name for each in found.differ[:_MOST_UNSEEN])
    more = len(found.differ) - _MOST_UNSEEN
    tail = f" and {more} more" if more > 0 else ""
    return f"they differ in {len(found.differ)} of {len(found.fields)} fields: {names}{tail} " \
           f"({meaning})"  # fmt: skip


def _document(sides: tuple[Side, Side], found: Comparison, bar: float) -> dict[str, Any]:
    return {
        "verdict": "differ" if found.differ else "alike",
        "bar": {"psi": bar, "chance": CHANCE},
        "files": [
            {"path": str(side.path), "records": side.columns.rows, "unread": side.unread}
            for side in sides
        ],
        "fields": [each._asdict() | {"unseen": dict(each.unseen[:100])} for each in found.fields],
        "causes": found.causes,
    }
