"""Files as rows: CSV, TSV, JSON Lines and Parquet, plain or compressed."""

import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Protocol

from stream.core.errors import SourceError
from stream.core.records import Kind, Row
from stream.core.tables import Table
from stream.edges.readers.csv_rows import open_csv
from stream.edges.readers.json_rows import open_json_lines
from stream.edges.readers.parquet_rows import open_parquet
from stream.edges.readers.sources import fingerprint

__all__ = ["RowReader", "fingerprint", "open_rows"]

_PACKED = (".gz", ".zst")
_ACCEPTED = ".csv, .tsv, .jsonl, .ndjson, .json and .parquet, each also with .gz or .zst"


class RowReader(Protocol):
    """The rows of a file, in steps of any size.

    Attributes
    ----------
    names
        Columns (CSV, Parquet); empty for JSON Lines.
    types
        Their kinds: declared, or as the head of the file shows them.
    """

    names: tuple[str, ...]
    types: Mapping[str, Kind]

    def read(self, n: int) -> list[Row]:
        """Read up to `n` further rows; [] at the end."""
        ...

    def read_table(self, n: int) -> Table:
        """Read up to `n` further rows at once, as many as is convenient; none at the end."""
        ...

    def skip(self, n: int) -> int:
        """Pass `n` rows by without converting them; returns how many there were."""
        ...

    def close(self) -> None:
        """Close the file."""
        ...


def open_rows(
    path: str | os.PathLike[str],
    *,
    types: Mapping[str, Kind] | None = None,
    missing: Collection[str] = ("", "NA", "NaN", "nan", "null"),
    max_line: int = 1 << 20,
    head_rows: int = 1000,
    text: Collection[str] = (),
) -> RowReader:
    """Open a file by its suffix.

    Numbers in CSV become floats, always; NaN and missing cells have no entry in a row's
    fields. A cell that is no number in a column of numbers stays a text, for the contract
    to judge. What cannot be read at all becomes a row with a `Fault`.

    Parameters
    ----------
    types
        Kinds of columns; the others are inferred (CSV) or as the file says (Parquet).
    missing
        Texts in a CSV cell that stand for a missing value, to the letter.
    max_line
        Most bytes of a record; of a longer one the row keeps only the head.
    head_rows
        Rows that kinds are inferred from, and at most 8 MiB of them.
    text
        Columns that are text whatever they look like and `types` says: ids, times.

    Raises
    ------
    SourceError
        The file cannot be read, or its format is none of these.
    """
    path = Path(path)
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] in _PACKED:
        suffixes.pop()
    suffix = suffixes[-1] if suffixes else ""
    types = types or {}
    if suffix in (".csv", ".tsv"):
        separator = "\t" if suffix == ".tsv" else ","
        return open_csv(
            path, separator, types=types, missing=missing, text=text,
            max_line=max_line, head_rows=head_rows,
        )  # fmt: skip
    if suffix in (".jsonl", ".ndjson", ".json"):
        return open_json_lines(path, max_line=max_line, head_rows=head_rows)
    if suffix == ".parquet":
        return open_parquet(path, types=types, missing=missing, text=text, max_line=max_line)
    raise SourceError(f"{path}: its suffix names no format that can be read: {_ACCEPTED}")
