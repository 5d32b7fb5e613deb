"""What a run notices, end to end: one alarm for a change, and the same after any restart."""

import random
from itertools import pairwise

import orjson
import pytest
from jsonschema import Draft202012Validator

from stream import parse_config, replay
from stream.app.engine import parts_of
from stream.app.schemas import schema_of
from stream.core.partition import Partition
from stream.core.records import Row
from tests.test_partition import reborn

TABLES = {
    "task": "binary",
    "input": {"id": "id", "time": "t", "label": "y"},
    "labels": {"ttl": 3000.0},
    "scoring": {"every": 2000, "metrics": ["Accuracy"]},
    "contract": {"wrong_type": "missing"},
}
CHANGE, SIZE = 6000, 11_000


def records(change=None, delay=0, size=SIZE, seed=1):
    """Give events, and labels that come `delay` events later, with a change in the middle."""
    rng = random.Random(seed)
    waiting = []
    for place in range(size):
        a, b = rng.gauss(0, 1), rng.gauss(20, 5)
        y = a + rng.gauss(0, 0.3) > 0
        event = {"id": f"e{place}", "t": float(place), "a": a, "b": b, "city": rng.choice("xyz")}
        if change is not None and place >= CHANGE:
            event, y = change(event, y, rng)
        waiting.append((place, f"e{place}", y))
        if delay:
            yield "events", event
            if len(waiting) > delay:
                when, identity, truth = waiting.pop(0)
                yield "labels", {"id": identity, "t": float(when + delay), "y": truth}
        else:
            yield "events", event | {"y": y}


def run(stream, partition=None, config=None):
    config = config or parse_config(TABLES)
    partition = partition or Partition(config.settings(), parts_of(config))
    for kind, record in stream:
        take = partition.on_event if kind == "events" else partition.on_label
        take(partition.position[kind], Row(dict(record), orjson.dumps(record)))
    return partition


def told(partition):
    """Give each alarm as it was last told."""
    return list({alarm["alarm"]: alarm for alarm in partition.out.alarms}.values())


CHANGES = {
    "data_drift_without_effect": lambda e, y, r: (e | {"b": e["b"] + 6}, y),
    "data_drift_with_effect": lambda e, y, r: (e | {"a": e["a"] + 1.5}, y),
    "concept_drift": lambda e, y, r: (e, y if r.random() < 0.5 else not y),
    "schema_change": lambda e, y, r: ({("bb" if k == "b" else k): v for k, v in e.items()}, y),
}


@pytest.mark.parametrize("verdict", CHANGES)
@pytest.mark.parametrize("delay", [0, 500])
def test_a_change_raises_one_alarm_that_names_it(verdict, delay):
    partition = run(records(CHANGES[verdict], delay))
    alarms = told(partition)
    assert [alarm["verdict"] for alarm in alarms] == [verdict]
    first = next(a for a in partition.out.alarms if a["alarm"] == alarms[0]["alarm"])
    assert first["amends"] == 0
    assert 0 < first["time"] - CHANGE < delay + 1200
    validator = Draft202012Validator(schema_of("alarms"))
    for alarm in partition.out.alarms:
        validator.validate(orjson.loads(orjson.dumps(alarm)))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda e, y, r: (e | {"b": 1.8 * e["b"] + 32}, y), "Celsius to Fahrenheit?"),
        (lambda e, y, r: (e | {"b": 21.5}, y), "b is frozen at 21.5"),
        (lambda e, y, r: (e | {"b": None}, y), "b is missing"),
        (lambda e, y, r: (e | {"a": e["b"], "b": e["a"]}, y), "swapped?"),
        (CHANGES["schema_change"], "b renamed to bb?"),
        (lambda e, y, r: (e | {"b": "warm"}, y), "b is a text"),
        (lambda e, y, r: (e | {"city": r.choice("xyw")}, y), "never seen before"),
    ],
)
def test_the_usual_causes_are_named(change, said):
    alarms = told(run(records(change, size=8000)))
    assert any(said in alarm["diagnosis"] for alarm in alarms), [a["diagnosis"] for a in alarms]
    assert len(alarms) == 1


def test_a_field_that_comes_back_was_not_renamed():
    def gone(event, y, rng):
        return (event | {"b": None} if event["t"] < CHANGE + 700 else event), y

    alarms = told(run(records(gone, size=9000)))
    assert alarms
    assert not any("renamed" in alarm["diagnosis"] for alarm in alarms)


def test_nothing_is_said_while_nothing_changes():
    assert not run(records(size=20_000)).out.alarms


def test_a_label_shift_is_told_from_a_drift_of_the_features():
    def keep(stream):
        for kind, record in stream:
            rare = record["t"] >= CHANGE and record["y"]
            if not rare or random.Random(record["id"]).random() < 0.2:
                yield kind, record

    alarms = told(run(keep(records(size=16_000))))
    assert alarms[0]["verdict"] == "label_shift"


@pytest.mark.parametrize("delay", [0, 700])
def test_a_restore_anywhere_leaves_every_alarm_where_it_was(delay):
    stream = list(records(CHANGES["data_drift_with_effect"], delay, size=9000))
    config = parse_config(TABLES)
    whole = run(stream, config=config)
    assert whole.out.alarms
    rng = random.Random(delay)
    cuts = [*sorted(rng.sample(range(len(stream)), 7)), len(stream)]
    parts = run(stream[: cuts[0]], config=config)
    for low, high in pairwise(cuts):
        parts = run(stream[low:high], reborn(parts, config), config)
    assert parts.digest() == whole.digest()
    assert orjson.dumps(parts.out.alarms) == orjson.dumps(whole.out.alarms)
    assert orjson.dumps(parts.out.metrics) == orjson.dumps(whole.out.metrics)


def test_an_action_is_taken_for_its_kind_of_alarm_alone():
    config = parse_config(TABLES | {"response": {"data": "checkpoint", "concept": "reset"}})
    alarms = run(records(CHANGES["data_drift_without_effect"]), config=config).out.alarms
    assert {alarm["action"] for alarm in alarms} == {"checkpoint"}
    partition = run(records(CHANGES["concept_drift"]), config=config)
    assert partition.model == "v2"


@pytest.mark.parametrize("task", ["multiclass", "regression"])
def test_every_task_is_watched(task):
    def stream(changed):
        rng = random.Random(1)
        for place in range(10_000):
            a = rng.gauss(0, 1) + (3 if changed and place > 6000 else 0)
            y = {"multiclass": "abc"[int(abs(a)) % 3], "regression": a + rng.gauss(0, 2)}
            yield {"a": a, "b": rng.gauss(0, 1), "y": y[task]}

    config = {"task": task, "input": {"label": "y"}}
    assert not replay(config, stream(False)).alarms
    alarms = replay(config, stream(True)).alarms
    assert len({alarm["alarm"] for alarm in alarms}) == 1
    assert alarms[-1]["kind"] == "data"
    assert alarms[-1]["features"] == ["a"]


CHANGE_LATE = 9000


def joined(wrong_from, seed, size):
    """Give events of two fields, and labels that depend on both; none comes after the change.

    From `wrong_from` on a join upstream is wrong: it pairs each `a` with a `b` that follows it.
    Neither field is distributed otherwise than before; only together they are.
    """
    rng = random.Random(seed)
    events, labels = [], []
    for place in range(size):
        a, b = rng.random(), rng.random()
        if place >= wrong_from:
            b = (a + 0.1 * rng.random()) % 1.0
        events.append({"id": f"e{place}", "t": float(place), "a": a, "b": b})
        if place < CHANGE_LATE:
            labels.append({"id": f"e{place}", "t": float(place), "y": a > 0.5 and b > 0.5})
    return events, labels


def test_answers_that_move_while_no_feature_and_no_label_does_are_prediction_drift():
    config = TABLES | {"labels": {"ttl": 50_000.0}}
    told = []
    for seed in range(1, 7):
        told += replay(config, *joined(CHANGE_LATE, seed, CHANGE_LATE + 6000)).alarms
    assert {alarm["verdict"] for alarm in told} == {"prediction_drift"}
    assert {alarm["kind"] for alarm in told} == {"prediction"}
    assert not any(alarm["features"] for alarm in told)
    assert len(told) >= 4, "of six: the mix of answers moves from 0.24 to 0.39"
    assert not replay(config, *joined(10**9, 1, 18_000)).alarms
