"""A commented configuration for a data file, with what its first rows show."""

import re
import tomllib
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from stream.app.config import Config, parse_config
from stream.app.console import console
from stream.app.engine import open_events
from stream.app.init_contract import declared_fields
from stream.app.toml_file import written_key, written_text
from stream.core.errors import OutputError, SourceError
from stream.core.labels import LabelReader
from stream.core.records import Fault, Kind
from stream.core.times import parse_time

_HEAD = 10_000
_MOST_CLASSES = 20
_MOST_SHOWN = 5
_LABEL_NAMES = ("label", "target", "class", "y", "outcome", "truth", "late", "fraud", "churn")
_TIME_NAMES = ("time", "timestamp", "ts", "datetime", "date", "event_time", "created_at")


class _Guess(NamedTuple):
    """What the head of a file suggests; None where it suggests nothing."""

    id: str | None
    time: str | None
    label: str
    task: str
    positive: str | None


def write_config(data: Path, output: Path, *, force: bool) -> None:
    """Write a configuration for `data` that `replay` accepts as it is.

    Raises
    ------
    OutputError
        The file is there already, or cannot be written.
    SourceError
        The data cannot be read, or no row of its head can.
    """
    if output.exists() and not force:
        raise OutputError(f"{output}: is there already; --force replaces it, -o names another")
    columns, kinds = _head(data)
    guess = _guess(columns, kinds)
    text = _text(data, guess, kinds, columns)
    try:
        output.write_text(text)
    except OSError as error:
        raise OutputError(f"{output}: cannot be written: {error.strerror}") from error
    screen = console()
    screen.print(
        f"{output}: task {guess.task}, label {guess.label}, id {guess.id or 'the position'}, "
        f"time {guess.time or 'the position'}; look it over, then"
    )
    screen.print(f"  driftline check {output} {data}")
    screen.print(f"  driftline replay {output} {data} --out out/{data.name.split('.')[0]}")


def _head(data: Path) -> tuple[dict[str, list[Any]], Mapping[str, Kind]]:
    reader = open_events(Config(), data)
    try:
        rows = [row.fields for row in reader.read(_HEAD) if not isinstance(row.fields, Fault)]
    finally:
        reader.close()
    if not rows:
        raise SourceError(f"{data}: none of its first rows can be read as a record")
    columns: dict[str, list[Any]] = {name: [] for name in reader.names}
    for row in rows:
        for name, value in row.items():
            columns.setdefault(name, []).append(value)
    kinds = {name: reader.types.get(name, "text") for name in columns}
    return columns, kinds


def _guess(columns: Mapping[str, list[Any]], kinds: Mapping[str, Kind]) -> _Guess:
    label = _label(columns)
    time = next((name for name in columns if name != label and _is_time(name, columns[name])), None)
    rows = max(map(len, columns.values()))
    identity = next(
        (
            name
            for name in columns
            if name not in (label, time)
            and re.search(r"(^|_)(id|uuid|key)$", name.lower())
            and len(set(map(str, columns[name]))) == rows
        ),
        None,
    )
    task, positive = _task(columns[label], kinds[label])
    return _Guess(identity, time, label, task, positive)


def _label(columns: Mapping[str, list[Any]]) -> str:
    lower = {name.lower(): name for name in columns}
    for name in _LABEL_NAMES:
        if name in lower:
            return lower[name]
    return list(columns)[-1]


def _is_time(name: str, values: list[Any]) -> bool:
    if name.lower() not in _TIME_NAMES and not name.lower().endswith(("_at", "_time")):
        return False
    return bool(values) and not any(isinstance(parse_time(value), Fault) for value in values[:50])


def _task(values: list[Any], kind: Kind) -> tuple[str, str | None]:
    different = sorted({str(value) for value in values})
    if values and not any(isinstance(_BINARY.read(value), Fault) for value in values):
        return "binary", None
    if len(different) == 2 and kind == "text":
        return "binary", different[-1]
    whole = all(isinstance(v, str) or float(v).is_integer() for v in values)
    if kind == "text" or (whole and len(different) <= _MOST_CLASSES):
        return "multiclass", None
    return "regression", None


_BINARY = LabelReader(Config().settings())


def _text(
    data: Path, guess: _Guess, kinds: Mapping[str, Kind], columns: Mapping[str, list[Any]]
) -> str:
    name = re.sub(r"[^A-Za-z0-9._-]", "-", data.name.split(".")[0]) or "app"
    roles = {guess.id, guess.time, guess.label}
    features = {field: kind for field, kind in kinds.items() if field not in roles}
    rows = max(map(len, columns.values()))
    lines = [
        f'name = "{name}"',
        f'task = "{guess.task}"                  # binary | multiclass | regression',
        "",
        "[input]",
        _field("id", guess.id, "without it a record's position is its id"),
        _field("time", guess.time, "RFC 3339 or epoch; without it the position"),
        _field("label", guess.label, "null or missing: it comes later, or never"),
        *([f"positive = {written_text(guess.positive)}         # the label that counts as true"]
          if guess.positive else []),
        '# label_time = "known_at"        # when the label of a row became known',
        "ignore = []                      # fields that are no features",
        "",
        f"[input.types]                    # number | text | bool, as the first {rows:,} rows show",
        *(
            _line(written_key(field), kind, _seen(columns[field], kind, rows))
            for field, kind in features.items()
        ),
        "",
        "[learner]                        # any River or scikit-learn class by import path",
        *_learner(guess.task, features),
        "",
        "[labels]",
        'ttl = "30d"                      # how long a prediction waits for its label'
        if guess.time
        else "ttl = 1_000_000                  # records that a prediction waits for its label",
        "",
        "[scoring]",
        "every = 1000                     # labels between reports",
        "",
        "[contract]                       # what to do when the shape of the events changes",
        'unknown_field = "drop-field"     # drop-field | accept | dead-letter | stop',
        'wrong_type = "dead-letter"       # dead-letter | drop-field | stop',
        'missing_field = "accept"         # accept | dead-letter | stop',
        'out_of_range = "accept"          # accept | drop-field | dead-letter | stop',
        'unseen_category = "accept"       # accept: an alarm tells of it, and no more',
        "",
        "# what fields hold; the commented lines are advice: what the first rows show is not all",
        *declared_fields({name: columns[name] for name in features}, features, rows),
        "",
        "[drift]",
        "false_alarms_per_100k = 1.0      # promised at most, while nothing changes",
        "",
        "[response]",
        'concept = "alert"                # alert | checkpoint | reset',
        "",
    ]
    text = "\n".join(lines)
    parse_config(tomllib.loads(text))  # what is written must be what is accepted
    return text


def _seen(values: list[Any], kind: Kind, rows: int) -> str:
    """Say what a field looks like: its range or its values, and how often it is missing."""
    there = [value for value in values if value is not None]
    gone = f", missing in {1 - len(there) / rows:.2g}" if len(there) < rows else ""
    if not there:
        return "never there"
    if kind == "number":
        return f"{min(there):.6g} to {max(there):.6g}{gone}"
    common = [str(value) for value, _ in Counter(map(str, there)).most_common()]
    shown = ", ".join(" ".join(value.split())[:20] for value in common[:_MOST_SHOWN])
    more = f" and {len(common) - _MOST_SHOWN} more" if len(common) > _MOST_SHOWN else ""
    return f"{shown}{more}{gone}"


def _learner(task: str, features: Mapping[str, Kind]) -> list[str]:
    if task != "regression":
        return ['class = "river.tree.HoeffdingTreeClassifier"']
    hasher = '    { class = "river.preprocessing.FeatureHasher", params = { n_features = 256 } },'
    return [
        "steps = [",
        *([hasher] if "text" in features.values() else []),  # regression trees take numbers only
        '    { class = "river.preprocessing.StandardScaler" },',
        '    { class = "river.tree.HoeffdingTreeRegressor" },',
        "]",
    ]


def _field(role: str, name: str | None, comment: str) -> str:
    return _line(role, name, comment) if name else f"{f'# {role} = ...':<32} # {comment}"


def _line(key: str, value: str, comment: str) -> str:
    return f"{f'{key} = {written_text(value)}':<32} # {comment}"

