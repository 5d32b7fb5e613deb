"""The part of a new configuration that says what each field holds."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from stream.app.toml_file import written_key, written_number, written_text
from stream.core.records import Kind

_FEW = 50
"""Different texts up to which they are written out."""

_SURE_ROWS, _SURE_TIMES = 2000, 20
"""Rows, and times that each of the texts was there, to take them for all there are.

A text as frequent as the rarest of them would have been missed with probability exp(-20).
"""


def declared_fields(
    columns: Mapping[str, list[Any]], kinds: Mapping[str, Kind], rows: int
) -> Iterator[str]:
    """Give the lines for each field: what is sure as it is, what is advice as a comment.

    Parameters
    ----------
    columns
        The values of each field in the first rows, None where missing.
    rows
        How many rows those are.
    """
    for name, kind in kinds.items():
        there = [value for value in columns[name] if value is not None]
        sure: list[str] = []
        advice: list[str] = []
        if there and kind == "number":
            advice += [f"min = {written_number(min(there))}", f"max = {written_number(max(there))}"]
        if there and kind == "text":
            counted = Counter(map(str, there))
            if len(counted) <= _FEW:
                closed = len(there) >= _SURE_ROWS and min(counted.values()) >= _SURE_TIMES
                names = ", ".join(written_text(text) for text in sorted(counted))
                (sure if closed else advice).append(f"categories = [{names}]")
        gone = 1 - len(there) / rows
        advice.append(f"missing = {gone:.2g}" if gone else "required = true")
        yield f"{'' if sure else '# '}[contract.fields.{written_key(name)}]"
        yield from sure
        yield from (f"# {line}" for line in advice)
