"""What a person asks of a running service, and what came of it."""

import time
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any
from uuid import uuid4

import orjson

from stream.app.config import load_config
from stream.app.console import console
from stream.app.lives import Life, Lives
from stream.app.stretch import Stretch, opened
from stream.core.control import read_control
from stream.core.errors import ConfigError, DriftlineError
from stream.core.records import Fault, Row
from stream.edges.transports.base import Position
from stream.edges.transports.log import Place

_BETWEEN_LOOKS = 0.2

Asked = dict[str, Any]


class ControlError(DriftlineError):
    """What was asked of a service was refused by it, or not taken in time."""


def start_challenger(
    config: Path, how: str | None, window: str | int | None, number: int | None, wait: float
) -> None:
    """Ask the service to start a challenger."""
    asked: Asked = {"action": "retrain", "how": how, "window": window}
    with _service(config, number) as stretch:
        ask(stretch, {key: value for key, value in asked.items() if value is not None}, wait)


def promote_model(config: Path, version: str, number: int | None, wait: float) -> None:
    """Ask the service to serve another of its models."""
    with _service(config, number) as stretch:
        _check(stretch, version, "promote")
        ask(stretch, {"action": "promote", "model": version}, wait)


def promote_previous(config: Path, number: int | None, wait: float) -> None:
    """Ask the service to serve its previous champion again.

    Raises
    ------
    ConfigError
        There is none that is kept.
    """
    with _service(config, number) as stretch:
        life = _lives(stretch).previous()
        if life is None:
            raise ConfigError(
                f"{stretch.topics.models}, partition {stretch.number}: there is no champion of "
                f"before to go back to; for the learner of a checkpoint: driftline checkpoints "
                f"rollback"
            )
        ask(stretch, {"action": "promote", "model": life.version}, wait)


def drop_model(config: Path, version: str, number: int | None, wait: float) -> None:
    """Ask the service to give a model up."""
    with _service(config, number) as stretch:
        _check(stretch, version, "drop")
        ask(stretch, {"action": "drop", "model": version}, wait)


def _service(config: Path, number: int | None) -> AbstractContextManager[Stretch]:
    if config.is_dir():
        raise ConfigError(
            f"{config}: a run on files is a replay, and is asked beforehand: driftline replay ... "
            f"--control FILE; this takes the configuration of a service"
        )
    return opened(load_config(config), number)


def _lives(stretch: Stretch) -> Lives:
    return Lives(stretch.values(stretch.topics.models))


def _check(stretch: Stretch, version: str, action: str) -> None:
    """Refuse what cannot be done, as far as this is known here; the fold has the last word."""
    lives = _lives(stretch)
    life: Life | None = lives.get(version)
    if life is None and not lives.missing:
        there = ", ".join(each.version for each in lives)
        raise ConfigError(f"no model {version} on partition {stretch.number}; there are {there}")
    state = None if life is None else life.state
    if state == "dropped":
        raise ConfigError(f"{version} was dropped: it is not kept")
    if state == "champion":
        said = "promote another one first" if action == "drop" else "there is nothing to do"
        raise ConfigError(f"{version} is the champion: {said}")


def ask(stretch: Stretch, asked: Asked, wait: float) -> None:
    """Write a control record, and say at which position it was taken.

    Parameters
    ----------
    wait
        Seconds until it has to be taken; 0 does not wait.

    Raises
    ------
    ConfigError
        It is none that the service would understand.
    ControlError
        The service refused it, or did not take it in time.
    """
    understood = read_control(Row(dict(asked), b""))
    if isinstance(understood, Fault):
        raise ConfigError(understood.detail)
    topics, number = stretch.topics, stretch.number
    told = {name: stretch.end(name) for name in (topics.models, topics.dead_letters)}
    offset = _send(stretch, asked)
    words = " ".join(str(value) for value in asked.values())
    console().print(f"partition {number} was asked: {words} ({topics.control}, offset {offset})")
    if not wait:
        return
    position = _taken(stretch, offset, wait)
    for letter in stretch.values(topics.dead_letters, told[topics.dead_letters]):
        if letter["origin"]["topic"] == topics.control and letter["origin"]["offset"] == offset:
            raise ControlError(f"the service refused it: {letter['detail']}")
    console().print(f"it was taken at {position}; from there on it counts")
    records = [
        record for record in stretch.values(topics.models, told[topics.models])
        if record["position"] == position
    ]  # fmt: skip
    for record in records:
        model = f" of {record['model']}" if record["model"] else ""
        console().print(f"{record['event']}{model}, served is {record['champion']}")
    if [record["event"] for record in records] == ["trigger"]:
        console().print("it is being made beside the stream, and begins when it is ready: "
                        "driftline models list")  # fmt: skip


def _send(stretch: Stretch, asked: Asked) -> int:
    """Write a control record; gives its offset."""
    place = Place(stretch.topics.control, stretch.number)
    before = stretch.end(place.topic)
    key = f"{asked['action']}-{uuid4().hex}".encode()
    writer = stretch.log.writer()
    writer.write(place, key, orjson.dumps(asked), round(time.time() * 1000))
    writer.close()
    for record in stretch.records(place.topic, before):
        if record.key == key:
            return record.offset
    raise ControlError(f"{place.topic}: what was written there is gone at once: see its retention")


def _taken(stretch: Stretch, offset: int, wait: float) -> Position:
    """Wait until the service has taken a control record; gives the position after it."""
    place = Place(stretch.topics.control, stretch.number)
    until = time.monotonic() + wait
    while True:
        found = stretch.log.committed(stretch.topics.group, [place])
        if place in found and found[place].offset > offset:
            break
        if time.monotonic() >= until:
            raise ControlError(
                f"the service did not take it within {wait:g} s: is it running? The request stays "
                f"in {place.topic}, and is taken once it runs"
            )
        time.sleep(_BETWEEN_LOOKS)
    # Each control record has a checkpoint right after it.
    made = [m["position"] for m in stretch.manifests()]
    after = [p for p in made if p.get("control", 0) == offset + 1]
    return min(after, key=lambda p: sum(p.values())) if after else {"control": offset + 1}
