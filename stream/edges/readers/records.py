"""From lines to the records of a CSV file: which lines belong together, and their cells."""

import csv
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass

from stream.core.decode import utf8_fault
from stream.core.records import Fault, Row
from stream.edges.readers.lines import LongLine

_OPEN = "unexpected end of data"
"""What the csv module says where its input ends inside quotes."""

_CLOSED = ""
"""Within quotes: the line ends them, and the record."""

_MOST_RECORDS = 1024
"""An unclosed quote holds back any number of lines; their records are not all given at once."""

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
    parser = _Parser(separator, limit)
    for chunk in chunks:
        if isinstance(chunk, LongLine):
            yield from parser.parse([], at_end=True)
            row = chunk.row()
            yield Records([row.raw], None, [row])
            continue
        simple = None if parser.waits else _plain(chunk)
        if simple is None:
            yield from parser.parse(chunk.split(b"\n"), at_end=False)
        else:
            yield simple
    yield from parser.parse([], at_end=True)


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
    """Reads lines of any kind, and holds those back whose record is not at its end yet.

    What a line does within quotes does not depend on where they were opened. So each line
    is asked once, however many records were tried that would go on through it, and the
    time stays in proportion to the input.
    """

    def __init__(self, separator: str, limit: int) -> None:
        self._separator = separator
        self._limit = limit
        self._lines: list[bytes] = []
        self._first = 0  # line of the record to read next
        self._after = 0  # all lines between these two leave quotes open
        self._size = 0  # in bytes, from the first line to before the one after
        self._verdict = _OPEN  # what the line after does within quotes, where that is known
        self._found = Records([], None, [])

    @property
    def waits(self) -> bool:
        """Whether lines are held back."""
        return bool(self._lines)

    def parse(self, lines: list[bytes], *, at_end: bool) -> Iterator[Records]:
        """Take further lines, give the records that are complete; all of them at the end."""
        self._lines += lines
        while self._first < len(self._lines):
            if self._after <= self._first:
                self._stream()
            if self._first < len(self._lines) and not self._step(at_end):
                break
            if len(self._found) >= _MOST_RECORDS:
                yield self._take()
        del self._lines[: self._first]
        self._after -= self._first
        self._first = 0
        yield self._take()

    def _take(self) -> Records:
        found, self._found = self._found, Records([], None, [])
        return found

    def _stream(self) -> None:
        """Read records up to one that is wrong, too long or not at its end in these lines."""
        lines = self._lines
        start = self._first
        ahead = range(start, min(len(lines), start + _MOST_RECORDS))
        reader = csv.reader(
            map(_text, map(lines.__getitem__, ahead)), delimiter=self._separator, strict=True
        )
        with suppress(csv.Error):
            for cells in reader:
                end = start + reader.line_num
                line_ends = end - self._first - 1
                if line_ends and sum(map(len, lines[self._first : end])) + line_ends > self._limit:
                    return
                self._add(cells, end)

    def _step(self, at_end: bool) -> bool:
        """Read the next record; False where that takes more lines."""
        end = self._first + 1
        cells = self._read(self._lines[self._first])
        if cells == _OPEN:
            size = self._follow()
            if size > self._limit or (at_end and self._verdict == _OPEN):
                cells = f"a quoted field is not closed within {self._limit} bytes or the file"
            elif self._verdict == _OPEN:
                return False
            elif self._verdict == _CLOSED:
                end = self._after + 1
                cells = self._read(*self._lines[self._first : end])
            else:
                cells = self._verdict
        self._add(cells, end)
        return True

    def _follow(self) -> int:
        """Go on to the line that closes the quotes; gives the size of all up to its end."""
        lines = self._lines
        if self._after <= self._first:
            self._after = self._first + 1
            self._size = len(lines[self._first]) + 1
            self._verdict = _OPEN
        while self._verdict == _OPEN and self._size <= self._limit and self._after < len(lines):
            line = lines[self._after]
            if b'"' in line:
                cells = self._read(b'"', line)
                self._verdict = cells if isinstance(cells, str) else _CLOSED
            if self._verdict == _OPEN:
                self._after += 1
                self._size += len(line) + 1
        return self._size + (0 if self._verdict == _OPEN else len(lines[self._after]))

    def _read(self, *lines: bytes) -> list[str] | str:
        """Give the cells of a record, or what is wrong with it."""
        try:
            return next(csv.reader(map(_text, lines), delimiter=self._separator, strict=True))
        except csv.Error as error:
            return str(error)

    def _add(self, cells: list[str] | str, end: int) -> None:
        first = self._first
        raw = self._lines[first] if end - first == 1 else b"\n".join(self._lines[first:end])
        if cells:
            raw = raw.removesuffix(b"\r")
            self._found.raws.append(raw)
            self._found.parsed.append(_checked(cells, raw))
        self._size -= len(self._lines[first]) + 1
        self._first = end


def _text(line: bytes) -> str:
    return line.decode("utf-8", "surrogateescape") + "\n"


def _checked(cells: list[str] | str, raw: bytes) -> list[str] | Row:
    """Give the cells, or the row that stands for a record without usable ones."""
    if isinstance(cells, str):
        return Row(Fault("bad_csv", cells), raw)
    if not raw.isascii():
        try:
            raw.decode()
        except UnicodeDecodeError as problem:
            return Row(utf8_fault(problem), raw)
    return cells
