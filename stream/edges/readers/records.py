"""From lines to the records of a CSV file: which lines belong together, and their cells."""

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from stream.core.decode import utf8_fault
from stream.core.records import Fault, Row
from stream.edges.readers.lines import LongLine

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
    open_lines: list[bytes] = []
    for chunk in chunks:
        if isinstance(chunk, LongLine):
            if open_lines:
                yield _Parser(open_lines, separator, limit).run(at_end=True)
                open_lines = []
            row = chunk.row()
            yield Records([row.raw], None, [row])
            continue
        plain = None if open_lines else _plain(chunk)
        if plain is not None:
            yield plain
            continue
        parser = _Parser(open_lines + chunk.split(b"\n"), separator, limit)
        yield parser.run(at_end=False)
        open_lines = parser.rest
    if open_lines:
        yield _Parser(open_lines, separator, limit).run(at_end=True)


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
    """

    def __init__(self, lines: list[bytes], separator: str, limit: int) -> None:
        self.rest: list[bytes] = []
        self._lines = lines
        self._texts = [line.decode("utf-8", "surrogateescape") + "\n" for line in lines]
        self._separator = separator
        self._limit = limit

    def run(self, at_end: bool) -> Records:
        """Parse all lines but those of `rest`; at the end of the file no line is left over."""
        raws: list[bytes] = []
        parsed: list[list[str] | Row] = []
        start = 0
        while start < len(self._lines):
            start, fault = self._run_from(start, raws, parsed)
            if fault is None:
                break
            if fault.reason == "open" and not at_end:
                self.rest = self._lines[start:]
                break
            raw = self._lines[start].removesuffix(b"\r")
            raws.append(raw)
            parsed.append(Row(self._final(fault), raw))
            start += 1
        return Records(raws, None, parsed)

    def _run_from(
        self, start: int, raws: list[bytes], parsed: list[list[str] | Row]
    ) -> tuple[int, Fault | None]:
        """Parse from a line on; gives where the first wrong record begins, and what is wrong."""
        reader = csv.reader(
            islice(self._texts, start, None), delimiter=self._separator, strict=True
        )
        begun = start
        while True:
            try:
                cells = next(reader, None)
            except csv.Error as error:
                open_end = "unexpected end of data" in str(error)
                within = self._size(begun, len(self._lines)) <= self._limit
                return begun, Fault("open" if open_end and within else "bad_csv", str(error))
            if cells is None:
                return len(self._lines), None
            end = start + reader.line_num
            if cells:
                if self._size(begun, end) > self._limit:
                    return begun, Fault("bad_csv", f"a record of more than {self._limit} bytes")
                raw = b"\n".join(self._lines[begun:end]).removesuffix(b"\r")
                raws.append(raw)
                parsed.append(_checked(cells, raw))
            begun = end

    def _size(self, begun: int, end: int) -> int:
        return sum(len(line) + 1 for line in self._lines[begun:end]) - 1

    @staticmethod
    def _final(fault: Fault) -> Fault:
        if fault.reason == "open":
            return Fault("bad_csv", "a quote is opened and never closed")
        return fault


def _checked(cells: list[str], raw: bytes) -> list[str] | Row:
    """Give the cells, or the row that stands for a record with bytes that are not UTF-8."""
    try:
        raw.decode()
    except UnicodeDecodeError as problem:
        return Row(utf8_fault(problem), raw)
    return cells
