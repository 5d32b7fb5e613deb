"""What is to be said of each model: tags, parameters and numbers, for any registry."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import orjson

from stream.app.export.outputs import Look
from stream.app.lives import FIRST, Life, Record, cause_of
from stream.core.records import Fault
from stream.core.times import parse_time
from stream.state.blob import Manifest

Status = Literal["RUNNING", "FINISHED", "FAILED", "KILLED"]


class Point(NamedTuple):
    """One number at one moment.

    Attributes
    ----------
    time
        Event time in milliseconds since the epoch; without a time in the input, its position
        taken as seconds.
    step
        Labels scored until then; of a record about models, its number.
    """

    key: str
    value: float
    time: int
    step: int


@dataclass(frozen=True, slots=True)
class Card:
    """One model.

    Attributes
    ----------
    start, end
        Event time in milliseconds; None where it is not known, or has not come.
    points
        What the records say of its contests: evidence, cost and gain.
    """

    version: str
    status: Status
    tags: Mapping[str, str]
    start: int | None
    end: int | None
    points: list[Point]


def cards_of(look: Look) -> list[Card]:
    """Write a card for each model that is known, oldest first."""
    named: dict[str, list[Manifest]] = {}
    for manifest in look.manifests:
        named.setdefault(manifest["model"], []).append(manifest)
    ends = ends_of(look.records)
    return [
        _card(life, named.get(life.version, []), ends.get(life.version), look.finished)
        for life in look.lives
    ]


class End(NamedTuple):
    """When a model was served no longer, or given up; and whether because it had failed."""

    time: int
    failed: bool


def ends_of(records: Sequence[Record]) -> dict[str, End]:
    """Find out when each model was last replaced or dropped; a rollback names who takes over."""
    ends: dict[str, End] = {}
    champion = FIRST
    for record in records:
        time = milliseconds(record["time"])
        if record["champion"] != champion:
            ends[champion] = End(time, record["event"] == "rollback")
        if record["event"] == "drop":
            ends[record["model"]] = End(time, False)
        champion = record["champion"]
    return ends


def _card(life: Life, manifests: list[Manifest], end: End | None, finished: bool) -> Card:
    over = end if life.state == "dropped" else None
    failed = over is not None and over.failed
    points = [point for record in life.records for point in points_of_record(record)]
    return Card(
        version=life.version,
        status="FAILED" if failed else status_of(life, finished),
        tags={
            **_story(life), **_checkpoints(manifests),
            **({"outcome": "rolled back"} if failed else {}),
        },
        start=None if life.first is None else milliseconds(life.first["time"]),
        end=None if over is None else over.time,
        points=points,
    )


def status_of(life: Life, finished: bool) -> Status:
    """Say how the run of a model stands that has not failed as the champion.

    One that may still be served, or is served, is RUNNING as long as records can come. One
    that was served and replaced is FINISHED, one that never was is KILLED.
    """
    served = life.version == FIRST or any(r["champion"] == life.version for r in life.records)
    if life.state == "dropped" or (finished and life.state != "champion"):
        return "FINISHED" if served else "KILLED"
    return "FINISHED" if finished else "RUNNING"


def _story(life: Life) -> dict[str, str]:
    tags = {"state": life.state, "outcome": life.outcome}
    first = life.first
    if first is not None:
        tags |= {
            "parent": first["parent"] or "",
            "against": life.against or "",
            "how": first["how"],
            "cause": cause_of(first),
            "cause.record": _json(first["cause"]),
            "window": "" if first["window"] is None else _json(first["window"]),
            "position": _json(first["position"]),
            "time": str(first["time"]),
        }
    if life.records:
        last = life.records[-1]
        tags["last_position"] = _json(last["position"])
        tags["reason"] = str(last["evidence"].get("reason", ""))
    return {key: value for key, value in tags.items() if value}


def _checkpoints(manifests: list[Manifest]) -> dict[str, str]:
    if not manifests:
        return {}
    last = manifests[-1]
    versions = {f"version.{name}": number for name, number in last["versions"].items()}
    return {
        "checkpoint": last["checkpoint"],
        "checkpoints": str(len(manifests)),
        "checkpoint_position": _json(last["position"]),
        "config_digest": last["config_digest"],
        **versions,
    }


def points_of_record(record: Record) -> Iterator[Point]:
    """Give the numbers of a record about a model."""
    time, step = milliseconds(record["time"]), record["seq"]
    for group, name in (("evidence", "contest"), ("cost", "cost"), ("gain", "gain")):
        yield from _points(record[group], name, time, step)


def points_of_report(report: Mapping[str, Any]) -> Iterator[Point]:
    """Give the numbers of a report on scores."""
    time, step = milliseconds(report["time"]), report["labels"]
    for group in ("window", "cumulative", "fading", "label_delay"):
        yield from _points(report[group], group, time, step)
    for name, values in report["baselines"].items():
        yield from _points(values, f"baseline/{name}", time, step)
    single = ("kappa_temporal", "kappa_m", "label_coverage", "events", "pending", "expired")
    yield from _points({name: report[name] for name in single}, "", time, step)


def _points(values: Mapping[str, Any], group: str, time: int, step: int) -> Iterator[Point]:
    for name, value in values.items():
        if isinstance(value, (int, float)):
            key = f"{group}/{name}" if group else name
            yield Point(key, float(value), time, step)


def params_of(look: Look) -> dict[str, str]:
    """Give class and parameters of the learner, and how it is trained and scored."""
    config = look.config.to_dict()
    learner = {k: v for k, v in config["learner"].items() if v not in (None, {}, [], ())}
    params = {"task": config["task"], "seed": config.get("seed"), **dict(_flat("learner", learner))}
    for key in ("how", "serve", "significance", "min_gain"):
        params[f"training.{key}"] = config["training"][key]
    params["scoring.metrics"] = config["scoring"].get("metrics")
    return {key: _text(value) for key, value in params.items() if value is not None}


def _flat(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from _flat(f"{name}.{key}", inner)
    else:
        yield name, value


def milliseconds(time: Any) -> int:
    """Read an event time as milliseconds since the epoch; none is before it.

    Examples
    --------
    >>> milliseconds("2013-07-01T10:00:00Z"), milliseconds(25), milliseconds(-3.0)
    (1372672800000, 25000, 0)
    """
    moment = parse_time(time)
    return 0 if isinstance(moment, Fault) else max(0, round(moment * 1000))


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()


def _text(value: Any) -> str:
    return value if isinstance(value, str) else _json(value)
