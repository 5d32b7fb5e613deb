"""Trying a learner out: the same in every process, and over a restore.

Run as a module it reads a configuration and records from its input, folds them, and prints
the digest of the state; `try_learner` does that twice with different hash seeds, once with
the state written down and taken up again half way.
"""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any

import orjson

from stream.app.config import Config, parse_config
from stream.app.engine import allowed_of, open_events, parts_of
from stream.core.errors import ConfigError, DriftlineError, LearnError
from stream.core.partition import Partition
from stream.core.records import Fault, Row
from stream.core.whole import objects_of, pieces_of, plain_state, recast, restore
from stream.state.pickling import dumps, loads

_RECORDS = 400
_TIMEOUT = 120.0
_CANNOT = 3
"""Exit status for: the learner failed on these records."""


def try_learner(config: Config, source: Path | None) -> str:
    """Fold a few hundred records under two hash seeds, once over a restore.

    Parameters
    ----------
    source
        Where the records come from; without it they are made up.

    Returns
    -------
    str
        What was found, in words.

    Raises
    ------
    ConfigError
        The results differ, or the learner fails on the records of `source`.
    """
    records = _made_up(config) if source is None else _head(config, source)
    given = orjson.dumps({"config": config.to_dict(), "records": records})
    processes = [_start(seed, half_way) for seed, half_way in ((0, False), (1, True))]
    answers = [process.communicate(given, _TIMEOUT) for process in processes]
    for process, (_, errors) in zip(processes, answers, strict=True):
        if process.returncode == _CANNOT and source is None:
            return "not tried: the learner needs your own fields; give a SOURCE"
        if process.returncode:
            raise ConfigError(f"the learner was tried out and failed: {errors.decode().strip()}")
    if answers[0][0] != answers[1][0]:
        raise ConfigError(
            "the learner gives other results in another process or after a restore, so nothing "
            "it does could be replayed; use another one, or give all of its parts a seed"
        )
    return f"the same under two hash seeds and over a restore, on {len(records)} records"


def _start(seed: int, half_way: bool) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-m", "stream.app.trial", "half-way" if half_way else "straight"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | {"PYTHONHASHSEED": str(seed)},
    )


def _head(config: Config, source: Path) -> list[dict[str, Any]]:
    reader = open_events(config, source)
    try:
        rows = [row.fields for row in reader.read(_RECORDS)]
    finally:
        reader.close()
    return [fields for fields in rows if not isinstance(fields, Fault)]


def _made_up(config: Config) -> list[dict[str, Any]]:
    kinds = config.types or {"a": "number", "b": "number", "c": "text"}
    label = config.input.label or "label"
    draw = Random(1)
    records: list[dict[str, Any]] = []
    for number in range(_RECORDS):
        values: Mapping[str, Any] = {
            "number": draw.gauss(0, 1), "text": draw.choice("uvwxyz"), "bool": draw.random() < 0.5,
        }  # fmt: skip
        record = {name: _fitting(config, name, values[kind], draw) for name, kind in kinds.items()}
        record[label] = _label(config, draw)
        if config.input.id:
            record[config.input.id] = f"e{number}"
        if config.input.time:
            record[config.input.time] = number
        records.append(record)
    return records


def _fitting(config: Config, name: str, value: Any, draw: Random) -> Any:
    """Give a value that the contract allows."""
    declared = config.contract.fields.get(name)
    if declared is None:
        return value
    if declared.categories is not None:
        return draw.choice(declared.categories)
    low, high = declared.rule().low, declared.rule().high
    return max(low, min(high, value)) if declared.kind() == "number" else value


def _label(config: Config, draw: Random) -> Any:
    if config.task == "regression":
        return draw.gauss(0, 1)
    if config.task == "binary":
        positive = config.input.positive
        return draw.random() < 0.4 if positive is None else draw.choice([positive, "other"])
    return draw.choice(list(config.learner.classes or ("p", "q", "r")))


def _fold(config: Config, records: Sequence[dict[str, Any]], half_way: bool) -> str:
    with_labels = config.model_copy(
        update={"input": config.input.model_copy(update={"label": config.input.label or "label"})}
    )
    partition = Partition(with_labels.settings(), parts_of(config))
    for number, record in enumerate(records):
        if half_way and number == len(records) // 2:
            partition = _reborn(with_labels, partition)
        partition.on_event(number, Row(record, b""))
    answers = [(p["prediction"], p.get("probability")) for p in partition.out.predictions]
    return f"{partition.digest()} {sha256(orjson.dumps(answers)).hexdigest()}"


def _reborn(config: Config, partition: Partition) -> Partition:
    allowed = allowed_of(config)
    objects = recast(loads(dumps(tuple(objects_of(partition))), allowed))
    pieces = {name: piece for name, piece in pieces_of(partition).items() if piece is not None}
    again = Partition(partition.settings, partition.parts)
    restore(again, plain_state(partition), objects, pieces)
    again.out = partition.out
    return again


def main() -> None:
    """Fold what comes in and print the digest of the state."""
    given = orjson.loads(sys.stdin.buffer.read())
    try:
        print(_fold(parse_config(given["config"]), given["records"], sys.argv[1] == "half-way"))
    except LearnError as error:
        print(error, file=sys.stderr)
        sys.exit(_CANNOT)
    except DriftlineError as error:
        print(error, file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
