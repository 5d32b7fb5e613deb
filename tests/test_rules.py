"""What is declared of a field is held to: told once, or acted upon, and over a restart."""

import random
from itertools import pairwise

import orjson
import pytest

from stream import parse_config
from stream.app.engine import parts_of
from stream.core.contract import Contract
from stream.core.errors import StopRequestedError
from stream.core.partition import Partition
from stream.core.records import Event, Fault, Row, Shape
from tests.test_partition import reborn

FIELDS = {
    "temp": {"min": -40, "max": 60},
    "city": {"categories": ["x", "y", "z"], "required": True},
    "gate": {"categories": [1, 2, 3]},
    "wind": {"missing": 0.2},
}
CHANGE = 4000


def tables(**contract):
    return {
        "input": {"id": "id", "label": "y"},
        "contract": {"fields": FIELDS} | contract,
        "scoring": {"every": 2000},
    }


def events(change=None, size=9000, seed=3):
    rng = random.Random(seed)
    for place in range(size):
        event = {
            "id": f"e{place}", "temp": rng.uniform(0, 30), "city": rng.choice("xyz"),
            "gate": rng.choice([1, 2, 3]), "y": rng.random() < 0.3,
        }  # fmt: skip
        if rng.random() > 0.2:
            event["wind"] = rng.gauss(10, 3)
        if change is not None and place >= CHANGE:
            change(event, rng)
        yield event


def run(stream, partition=None, **contract):
    config = parse_config(tables(**contract))
    partition = partition or Partition(config.settings(), parts_of(config))
    for event in stream:
        partition.on_event(partition.position["events"], Row(dict(event), orjson.dumps(event)))
    return partition


def told(partition):
    return list({alarm["alarm"]: alarm for alarm in partition.out.alarms}.values())


def hot(event, rng):
    if rng.random() < 0.1:
        event["temp"] = 99.0


def strange(event, rng):
    if rng.random() < 0.1:
        event["city"] = "q"


def no_gate(event, rng):
    if rng.random() < 0.1:
        event["gate"] = 7


def nowhere(event, rng):
    if rng.random() < 0.1:
        event["city"] = None


def calm(event, rng):
    if rng.random() < 0.6:
        event.pop("wind", None)


BROKEN = [
    (hot, "out_of_range", "temp", "not within -40 to 60: 99"),
    (strange, "unseen_category", "city", "not one of the 3 declared: q"),
    (no_gate, "unseen_category", "gate", "not one of the 3 declared: 7"),
    (nowhere, "missing_required", "city", ""),
    (calm, "missing_rate", "wind", "0.2 declared"),
]


def test_nothing_is_told_of_events_that_keep_to_the_contract():
    assert not told(run(events(size=20_000)))


@pytest.mark.parametrize(("change", "what", "name", "detail"), BROKEN)
def test_a_broken_rule_raises_one_schema_alarm_with_its_evidence(change, what, name, detail):
    partition = run(events(change))
    alarms = told(partition)
    assert [alarm["kind"] for alarm in alarms] == ["schema"]
    shape = alarms[0]["evidence"]["shape"]
    broken = next(each for each in shape if each["what"] == what)
    assert (broken["name"], broken["detail"]) == (name, detail)
    assert 0 < broken["records"] <= broken["of"] == 256
    assert name in alarms[0]["diagnosis"]
    assert partition.out.alarms[0]["position"]["events"] - CHANGE <= 3 * 256
    assert len(partition.out.predictions) == 9000


def test_a_single_record_is_told_and_a_few_more_are_not():
    places = {5000, 6000, 7000, 8000}
    stream = [
        event | {"temp": 99.0} if place in places else event
        for place, event in enumerate(events(size=20_000))
    ]
    alarms = told(run(stream))
    assert [alarm["evidence"]["shape"][0]["what"] for alarm in alarms] == ["out_of_range"]


def test_what_broke_and_was_mended_is_told_when_it_breaks_again():
    stream = [
        event | {"temp": 99.0} if 4000 <= place < 5000 or place >= 28_000 else event
        for place, event in enumerate(events(size=30_000))
    ]
    shapes = [a["evidence"].get("shape", []) for a in told(run(stream)) if a["kind"] == "schema"]
    found = [each["name"] for shape in shapes for each in shape if each["what"] == "out_of_range"]
    assert found == ["temp", "temp"]


@pytest.mark.parametrize(("change", "what", "name", "_"), BROKEN[:3])
def test_a_field_can_be_dropped_while_its_event_goes_on(change, what, name, _):
    partition = run(events(change), **{what: "drop-field"})
    assert len(partition.out.predictions) == 9000
    alarms = told(partition)
    assert [alarm["kind"] for alarm in alarms] == ["schema"]
    assert [each["what"] for each in alarms[0]["evidence"]["shape"]] == [what]


@pytest.mark.parametrize(("change", "what", "name", "_"), BROKEN[:3])
def test_an_event_can_be_refused(change, what, name, _):
    partition = run(events(change), **{what: "dead-letter"})
    letters = partition.out.dead_letters
    assert letters
    assert {letter["reason"] for letter in letters} == {what}
    assert len(partition.out.predictions) + len(letters) == 9000
    assert [alarm["kind"] for alarm in told(partition)] == ["schema"]


@pytest.mark.parametrize(("change", "what", "name", "_"), BROKEN[:3])
def test_a_run_can_be_stopped(change, what, name, _):
    with pytest.raises(StopRequestedError, match=rf'{name}: .* \(\[contract\] {what} = "stop"\)'):
        run(events(change), **{what: "stop"})


def test_a_required_field_is_required_from_the_first_event_on():
    partition = run([{"id": "1", "y": True}], missing_field="dead-letter")
    assert [letter["reason"] for letter in partition.out.dead_letters] == ["missing_field"]


def test_an_optional_field_is_never_required():
    contract = Contract(
        parse_config(
            {"contract": {"missing_field": "dead-letter", "reference": 1,
                          "fields": {"a": {"required": False}}}}
        ).settings()
    )  # fmt: skip
    assert isinstance(take(contract, {"a": 1.0, "b": 1.0}), Event)
    assert isinstance(take(contract, {"b": 1.0}), Event)
    assert take(contract, {"a": 1.0}).reason == "missing_field"


def take(contract, fields, shape=None):
    return contract.event(0, Event("i", 0, 0.0, fields, None, shape, b""))


def test_rows_of_a_known_shape_are_held_to_the_rules_too():
    contract = Contract(parse_config(tables(out_of_range="dead-letter")).settings())
    shape = Shape([("temp", float, 99.0), ("city", str, 0.0)])
    for temp in (10.0, 99.0, 10.0, 99.0):
        taken = take(contract, {"temp": temp, "city": "x"}, shape)
        assert isinstance(taken, Fault) == (temp > 60)


def test_fields_that_are_only_told_of_cost_an_event_nothing():
    contract = Contract(parse_config(tables()).settings())
    shape = Shape([("temp", float, 99.0), ("city", str, 0.0)])
    take(contract, {"temp": 10.0, "city": "x"}, shape)
    assert contract._perfect is shape  # rows of that shape are passed unseen
    assert not any(plan.guarded for plan in contract._plans.values())


@pytest.mark.parametrize("policy", ["accept", "drop-field", "dead-letter"])
def test_a_restore_anywhere_leaves_every_alarm_where_it_was(policy):
    stream = list(events(lambda event, rng: (hot(event, rng), nowhere(event, rng)), size=8000))
    contract = {"out_of_range": policy, "missing_field": policy.replace("drop-field", "accept")}
    config = parse_config(tables(**contract))
    whole = run(stream, **contract)
    assert whole.out.alarms
    cuts = [0, *sorted(random.Random(5).sample(range(len(stream)), 7)), len(stream)]
    parts = Partition(config.settings(), parts_of(config))
    for low, high in pairwise(cuts):
        parts = run(stream[low:high], reborn(parts, config), **contract)
    assert parts.digest() == whole.digest()
    assert orjson.dumps(parts.out.alarms) == orjson.dumps(whole.out.alarms)
    assert orjson.dumps(parts.out.dead_letters) == orjson.dumps(whole.out.dead_letters)


@pytest.mark.parametrize("word", ["drop-field", "ignore"])
def test_an_unknown_field_can_be_dropped(word):
    config = parse_config({"contract": {"unknown_field": word, "reference": 1}})
    contract = Contract(config.settings())
    take(contract, {"a": 1.0})
    assert take(contract, {"a": 1.0, "b": 2.0}).features == {"a": 1.0}


@pytest.mark.parametrize("word", ["drop-field", "missing"])
def test_a_field_of_the_wrong_type_can_be_dropped(word):
    contract = Contract(parse_config({"contract": {"wrong_type": word}}).settings())
    take(contract, {"a": 1.0, "b": 1.0})
    assert take(contract, {"a": "warm", "b": 2.0}).features == {"b": 2.0}
