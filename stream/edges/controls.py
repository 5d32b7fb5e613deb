"""Control records beside files: each is taken before a certain event, so that a run repeats it."""

from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from stream.core.decode import decode_json
from stream.core.errors import SourceError
from stream.core.merge import Item
from stream.core.records import Fault, Row
from stream.edges.transports.base import Position, Source

_LONGEST = 1 << 20


class Due(NamedTuple):
    """A control record, and the offset of the event before which it is taken."""

    at: int
    row: Row


def read_controls(path: Path) -> list[Due]:
    """Read a file of control records: JSON Lines, each with ``at``, in order of it.

    What is asked for is judged by the fold, as on the control topic; when it is asked for has
    to be plain before the run begins.

    Raises
    ------
    SourceError
        The file cannot be read, or a line does not say when it is due.
    """
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise SourceError(f"{path}: cannot be read: {error.strerror}") from error
    found: list[Due] = []
    for number, line in enumerate(lines, 1):
        due = _due(f"{path}, line {number}", line)
        if found and due.at < found[-1].at:
            raise SourceError(
                f"{path}, line {number}: at {due.at} comes after {found[-1].at}; sort the lines"
            )
        found.append(due)
    return found


def _due(where: str, line: bytes) -> Due:
    row = decode_json(line, _LONGEST)
    fields = row.fields
    if isinstance(fields, Fault):
        raise SourceError(f"{where}: {fields.detail}; a control record is one JSON object a line")
    at = fields.pop("at", None)
    if type(at) is not int or at < 0:
        raise SourceError(
            f'{where}: "at" has to say before which event it is taken, counted from 0, such as '
            f'{{"at": 10000, "action": "retrain"}}'
        )
    return Due(at, row)


class ControlledSource:
    """A source, with each control record right before its event; those left over at the end.

    Parameters
    ----------
    source
        The events and labels.
    controls
        In order of the events before which they are due; the offset of each is its place here.
    """

    def __init__(self, source: Source, controls: list[Due]) -> None:
        self._source = source
        self._all = controls
        self._left = deque(enumerate(controls))

    def read(self, most: int) -> list[Item]:
        """Give up to `most` further events and labels, and the control records before them."""
        items = self._source.read(most)
        if not self._left:
            return items
        if not items:
            return list(self._until(None))
        ordered: list[Item] = []
        for item in items:
            if item[0] == "events":
                ordered += self._until(item[1])
            ordered.append(item)
        return ordered

    def seek(self, position: Position) -> None:
        """Go on from a position that was reached before, or from the start."""
        self._source.seek({s: n for s, n in position.items() if s != "control"})
        done = position.get("control", 0)
        self._left = deque(list(enumerate(self._all))[done:])

    def close(self) -> None:
        """Close the files."""
        self._source.close()

    def _until(self, event: int | None) -> Iterator[Item]:
        left = self._left
        while left and (event is None or left[0][1].at <= event):
            offset, due = left.popleft()
            yield "control", offset, _copied(due.row)


def _copied(row: Row) -> Row:
    """Give a row that whoever takes it may change."""
    return row if isinstance(row.fields, Fault) else row._replace(fields=dict(row.fields))
