"""From lines to the records of a CSV file: which lines belong together, and their cells."""

import csv
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from stream.core.decode import utf8_fault
from stream.core.records import Fault, Row
from stream.edges.readers.lines import LongLine

_OPEN = "unexpected end of data"
"""What the csv module says where its input ends inside quotes."""

_TOO_LONG = "too long"

csv.field_size_limit(1 << 30)  # the limit here is that of a record, and it is ours


@dataclass(slots=True)
class Records:
    """Some records of a CSV file.

    Attributes
    ----------
    raws
        Their bytes without the last line end.
    texts
        The same as text, where no record of the batch has a quote.
    parsed
        Their cells, or the row that stands for one without any; else.
    """

    raws: list[bytes]
    texts: list[str] | None
    parsed: list[list[str] | Row]

    def __len__(self) -> int:
        """Count the records."""
        return len(self.raws)

    def cells(self, separator: str) -> list[list[str] | Row]:
        """Give the cells of each record."""
        if self.texts is None:
            return self.parsed
        return [text.split(separator) for text in self.texts]


def split_records(
    chunks: Iterable[bytes | LongLine], separator: str, limit: int
) -> Iterator[Records]:
    """Put the lines of quoted fields together; blank lines are no records.

    A record with quotes that are wrong by RFC 4180, or that goes on for more than `limit`
    bytes, costs its first line: what follows that line is read anew.
    """
    return iter(_Splitter(chunks, separator, limit))


class _Splitter:
    """Reads chunks, and holds those back that a record goes on through."""

    def __init__(self, chunks: Iterable[bytes | LongLine], separator: str, limit: int) -> None:
        self._chunks = iter(chunks)
        self._separator = separator
        self._limit = limit
        self._held: list[bytes] = []
        self._held_size = 0
        self._anew: deque[bytes | LongLine] = deque()

    def __iter__(self) -> Iterator[Records]:
        while True:
            chunk = self._anew.popleft() if self._anew else next(self._chunks, None)
            if isinstance(chunk, bytes):
                records = self._take(chunk)
                if records is not None:
                    yield records
            elif self._held:
                yield self._give_up(chunk, _TOO_LONG)
            elif chunk is None:
                return
            else:
                row = chunk.row()
                yield Records([row.raw], None, [row])

    def _take(self, chunk: bytes) -> Records | None:
        if not self._held:
            plain = _plain(chunk)
            if plain is not None:
                return plain
        elif b'"' not in chunk:  # nothing in it can close the field
            if self._held_size + len(chunk) > self._limit:
                return self._give_up(chunk, _TOO_LONG)
            self._hold([*self._held, chunk])
            return None
        lines = b"\n".join([*self._held, chunk]).split(b"\n")
        parser = _Parser(lines, self._separator, self._limit)
        records = parser.run(anew=bool(self._held))
        if records is None:
            return self._give_up(chunk, parser.trouble)
        self._hold([b"\n".join(parser.rest)] if parser.rest else [])
        return records

    def _hold(self, pieces: list[bytes]) -> None:
        self._held = pieces
        self._held_size = sum(map(len, pieces)) + len(pieces)

    def _give_up(self, chunk: bytes | LongLine | None, trouble: str) -> Records:
        """Take the first line of the open record for all of it; read the rest anew."""
        line, newline, rest = self._held[0].partition(b"\n")
        pieces: list[bytes | LongLine] = [rest] if newline else []
        pieces += self._held[1:]
        if chunk is not None:
            pieces.append(chunk)
        self._anew.extendleft(reversed(pieces))
        self._hold([])
        row = _wrong(line, trouble, self._limit)
        return Records([row.raw], None, [row])


def _plain(chunk: bytes) -> Records | None:
    """Take lines for records, None where it is not as simple as that."""
    if b'"' in chunk:
        return None
    if b"\r" in chunk:
        chunk = chunk.replace(b"\r\n", b"\n").removesuffix(b"\r")
        if b"\r" in chunk:
            return None
    try:
        texts = chunk.decode().split("\n")
    except UnicodeDecodeError:
        return None
    raws = chunk.split(b"\n")
    if "" in texts:
        texts = list(filter(None, texts))
        raws = list(filter(None, raws))
    return Records(raws, texts, [])


class _Parser:
    """Reads lines with quotes, bad UTF-8 or stray carriage returns.

    Attributes
    ----------
    rest
        The lines of a record that is not at its end yet.
    trouble
        What is wrong with the first record, where `run` gave None.
    """

    def __init__(self, lines: list[bytes], separator: str, limit: int) -> None:
        self.rest: list[bytes] = []
        self.trouble = ""
        self._lines = lines
        self._texts, self._decodable = _decoded(lines)
        self._separator = separator
        self._limit = limit
        self._raws: list[bytes] = []
        self._parsed: list[list[str] | Row] = []

    def run(self, anew: bool) -> Records | None:
        """Parse all lines but those of `rest`; with `anew` None where the first record is wrong."""
        start = 0
        while start < len(self._lines):
            start, trouble = self._follow(start)
            if trouble is None:
                break
            if trouble == _OPEN:
                self.rest = self._lines[start:]
                break
            if anew and start == 0:
                self.trouble = trouble
                return None
            row = _wrong(self._lines[start], trouble, self._limit)
            self._add(row.raw, row)
            start += 1
        return Records(self._raws, None, self._parsed)

    def _follow(self, start: int) -> tuple[int, str | None]:
        """Take records up to one that cannot be read; give its first line and what is wrong."""
        first = start
        texts = map(self._texts.__getitem__, range(first, len(self._texts)))
        reader = csv.reader(texts, delimiter=self._separator, strict=True)
        try:
            for cells in reader:
                end = first + reader.line_num
                if self._too_long(start, end):
                    return start, _TOO_LONG
                if cells:
                    self._add_cells(start, end, cells)
                start = end
        except csv.Error as error:
            if self._too_long(start, first + reader.line_num):
                return start, _TOO_LONG
            return start, str(error)
        return start, None

    def _too_long(self, start: int, end: int) -> bool:
        lines = end - start
        return lines > 1 and sum(map(len, self._lines[start:end])) + lines - 1 > self._limit

    def _add_cells(self, start: int, end: int, cells: list[str]) -> None:
        one = end - start == 1
        raw = self._lines[start] if one else b"\n".join(self._lines[start:end])
        raw = raw.removesuffix(b"\r")
        self._add(raw, cells if self._decodable else _checked(cells, raw))

    def _add(self, raw: bytes, record: list[str] | Row) -> None:
        self._raws.append(raw)
        self._parsed.append(record)


def _decoded(lines: list[bytes]) -> tuple[list[str], bool]:
    """Give the lines as text with their ends, and whether all of it was UTF-8."""
    joined = b"\n".join(lines)
    try:
        text, decodable = joined.decode(), True
    except UnicodeDecodeError:
        text, decodable = joined.decode("utf-8", "surrogateescape"), False
    return [line + "\n" for line in text.split("\n")], decodable


def _wrong(line: bytes, trouble: str, limit: int) -> Row:
    if trouble == _TOO_LONG:
        trouble = f"a quoted field is not closed within {limit} bytes or the file"
    raw = line.removesuffix(b"\r")
    return Row(Fault("bad_csv", trouble), raw)


def _checked(cells: list[str], raw: bytes) -> list[str] | Row:
    """Give the cells, or the row that stands for a record with bytes that are not UTF-8."""
    try:
        raw.decode()
    except UnicodeDecodeError as problem:
        return Row(utf8_fault(problem), raw)
    return cells
