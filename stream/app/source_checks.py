"""Looking at the head of a file before the run: what a newcomer gets wrong first."""

from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path

from stream.app.config import Config
from stream.core.errors import ConfigError, SourceError
from stream.core.labels import LabelReader
from stream.core.records import Fault, Kind, Row
from stream.edges.readers import RowReader

_HEAD = 1000


def check_events(
    config: Config, path: Path, opener: Callable[[], RowReader], *, split: bool
) -> tuple[Mapping[str, Kind], float]:
    """Refuse a file that lacks a configured field or whose labels are of another kind.

    Parameters
    ----------
    split
        Whether labels have to come from this file.

    Returns
    -------
    mapping
        Kinds of the features, for formats that fix them in advance; else the declared ones.
    float
        Mean length in bytes of the first records, 0 when there is none.
    """
    reader, rows = _head(opener)
    size = sum(len(row.raw) + 1 for row in rows) / len(rows) if rows else 0.0
    fields = config.input
    needed = {"id": fields.id, "time": fields.time}
    if split:
        needed |= {"label": fields.label, "label_time": fields.label_time}
    present = set(reader.names) or _keys(rows)
    _require(path, needed, present)
    if split:
        _check_kind(config, path, rows)
    if not reader.names:
        return config.types, size
    known = {fields.id, fields.time, fields.label, fields.label_time, *fields.ignore}
    features = {name: kind for name, kind in reader.types.items() if name not in known}
    if not features:
        raise SourceError(
            f"{path}: no column is left as a feature; its columns: {', '.join(reader.names)}"
        )
    return features, size


def check_labels(config: Config, path: Path, opener: Callable[[], RowReader]) -> None:
    """Refuse a file of labels that lacks the id or the label."""
    fields = config.input
    if fields.id is None:
        raise ConfigError(
            "labels in a file of their own are matched by id; name that field: [input] id = ..."
        )
    reader, rows = _head(opener)
    needed = {"id": fields.id, "label": fields.label or "label"}
    _require(path, needed, set(reader.names) or _keys(rows))
    _check_kind(config, path, rows)


def _head(opener: Callable[[], RowReader]) -> tuple[RowReader, list[Row]]:
    reader = opener()
    try:
        return reader, reader.read(_HEAD)
    finally:
        reader.close()


def _keys(rows: Iterable[Row]) -> set[str]:
    return {key for row in rows if not isinstance(row.fields, Fault) for key in row.fields}


def _require(path: Path, needed: Mapping[str, str | None], present: set[str]) -> None:
    if not present:
        return  # nothing readable in the head: the run says so, record by record
    for role, name in needed.items():
        if name is None or name in present:
            continue
        close = get_close_matches(name, sorted(present), 1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise SourceError(
            f"{path}: no field {name!r} ([input] {role}){hint} Its fields: "
            f"{', '.join(sorted(present))}"
        )


def _check_kind(config: Config, path: Path, rows: Iterable[Row]) -> None:
    """Refuse labels of which not one can be used."""
    name = config.input.label or "label"
    raws = [row.fields.get(name) for row in rows if not isinstance(row.fields, Fault)]
    reader = LabelReader(config.settings())
    read = [(raw, reader.read(raw)) for raw in raws if raw is not None]
    labels = [(raw, label) for raw, label in read if label is not None]
    if not labels or not all(isinstance(label, Fault) for _, label in labels):
        return
    values = list(dict.fromkeys(str(raw) for raw, _ in labels))
    shown = ", ".join(repr(value) for value in values[:4])
    mend = {
        "binary": f"say which one is true: [input] positive = {values[0]!r}, or set "
        f'task = "multiclass"',
        "multiclass": 'set task = "regression" if it is a quantity',
        "regression": 'set task = "multiclass" if these are classes',
    }[config.task]
    raise ConfigError(
        f'{path}: the labels in {name!r} ({shown}) do not fit task = "{config.task}"; {mend}'
    )
