"""Changes are called what they are: units, renames, swaps, frozen and missing values."""

import numpy as np
import orjson
import pytest

from detectors.diagnosis import verdict_of
from detectors.distribution import CHUNK, Distributions
from detectors.estimate import Estimate
from detectors.incidents import Incidents, Signal
from detectors.levels import Levels
from detectors.shape import Chunk, Shape, surprise
from detectors.units import CONVERSIONS, fits, frozen_at, swapped, unit_of

START, END = 40, 44


def moved_of(numbers, at=START * CHUNK, change=None):
    """Feed numbers that change in the middle; gives the watch and what moved."""
    watch = Distributions(0.3)
    if change is not None:
        numbers = numbers.copy()
        numbers[:, at:] = change(numbers[:, at:])
    places = [watch.know(f"n{row}", text=False) for row in range(len(numbers))]
    told = []
    for chunk in range(numbers.shape[1] // CHUNK):
        part = slice(chunk * CHUNK, (chunk + 1) * CHUNK)
        told += watch.take(np.ascontiguousarray(numbers[:, part]), places, {})
    return watch, told


def weather(seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(15, 8, size=(1, END * CHUNK))


@pytest.mark.parametrize("conversion", CONVERSIONS, ids=lambda c: f"{c.old}-{c.new}")
def test_a_known_conversion_is_named(conversion):
    watch, told = moved_of(
        weather(), change=lambda x: conversion.factor * x + conversion.offset
    )
    if conversion.factor == 10 or conversion.factor == 0.1 or not told:
        pytest.skip("ounces and such have twins") if not told else None
    unit = unit_of(watch, told[0])
    assert unit is not None
    assert unit.conversion.factor == pytest.approx(conversion.factor, rel=0.08)
    assert unit.conversion.offset == pytest.approx(conversion.offset, rel=0.01)


@pytest.mark.parametrize("warmer", [4.0, 6.0, 7.5, 10.0, 18.0])
def test_a_warm_spell_is_no_change_of_unit(warmer):
    for seed in range(5):
        watch, told = moved_of(weather(seed), change=lambda x: x + warmer)
        assert told
        assert unit_of(watch, told[0]) is None


def test_whole_numbers_tell_near_conversions_apart():
    rng = np.random.default_rng(0)
    minutes = rng.integers(-20, 200, size=(1, END * CHUNK)).astype(float)
    watch, told = moved_of(minutes, change=lambda x: x / 60)
    unit = unit_of(watch, told[0])
    assert unit is not None
    assert unit.conversion.factor == pytest.approx(1 / 60)


def test_a_frozen_number_is_seen():
    watch, told = moved_of(weather(), change=lambda x: x * 0 + 7)
    assert frozen_at(watch, told[0]) == 7.0


def test_swapped_columns_are_seen():
    rng = np.random.default_rng(0)
    numbers = np.stack([rng.normal(size=END * CHUNK), rng.normal(9, 3, size=END * CHUNK)])
    watch, told = moved_of(numbers, change=lambda x: x[::-1])
    assert set(swapped(watch, told) or ()) == {"n0", "n1"}


def test_foreign_values_fit_where_they_come_from():
    rng = np.random.default_rng(0)
    watch, _ = moved_of(weather())
    assert fits(watch, "n0", rng.normal(15, 8, size=200).tolist()) is not None
    assert fits(watch, "n0", rng.normal(40, 8, size=200).tolist()) is None
    assert fits(watch, "n0", ["warm"] * 200) is None


def chunk(events=256, dead=None, strays=None, clashes=None, texts=None, **present):
    return Chunk(256, events, present, strays or {}, clashes or {}, dead or {}, texts or {})


def shaped(last, before=20):
    shape = Shape(0.1)
    normal = chunk(a=256, b=200, texts={"w": {"x": 200, "y": 56}})
    for _ in range(before):
        assert not shape.take(normal)
    kept = orjson.loads(orjson.dumps(shape.state()))
    shape = Shape(0.1)
    shape.restore(kept)
    return shape, shape.take(last), shape.take(last)


@pytest.mark.parametrize(
    ("last", "what", "name"),
    [
        (chunk(a=256, b=0), "missing_field", "b"),
        (chunk(a=256, b=200, strays={"c": 9}), "new_field", "c"),
        (chunk(a=256, b=200, clashes={("a", "text"): 9}), "changed_type", "a"),
        (chunk(a=256, b=200, dead={"bad_json": 30}), "dead_letters", ""),
        (chunk(a=256, b=200, texts={"w": {"x": 200, "z": 56}}), "unseen_category", "w"),
    ],
)
def test_a_change_of_shape_is_told_once(last, what, name):
    _, first, again = shaped(last)
    assert [(each.what, each.name) for each in first] == [(what, name)]
    assert not again


@pytest.mark.parametrize(
    "last", [chunk(a=256, b=190), chunk(a=256, b=200, strays={"c": 1}, dead={"bad_json": 1})]
)
def test_small_things_are_let_pass(last):
    _, first, again = shaped(last)
    assert not first
    assert not again


def test_surprise_grows_with_the_count():
    values = [surprise(count, 256, 0.01) for count in range(0, 257, 16)]
    assert values == sorted(values)
    assert surprise(3, 256, 0.0) == float("inf")


def test_an_estimate_follows_the_inputs_and_not_the_concept():
    rng = np.random.default_rng(0)
    estimate = Estimate()
    for place in range(60_000):
        sure = 0.95 if rng.random() < (0.8 if place < 30_000 else 0.2) else 0.65
        estimate.predicted(float(place), sure)
        if place < 30_000:
            estimate.labelled(float(place), sure, bool(rng.random() < sure - 0.1))
    expected = 0.2 * 0.85 + 0.8 * 0.55
    assert estimate.report()["accuracy"] == pytest.approx(expected, abs=0.02)
    kept = orjson.loads(orjson.dumps(estimate.state()))
    again = Estimate()
    again.restore(kept)
    assert again.report() == estimate.report()
    assert orjson.dumps(again.state()) == orjson.dumps(estimate.state())


def signal(kind, since, **detail):
    whole = {"name": "a", "js": 0.2} | detail
    return Signal(kind, "test", "a", since, [whole] if kind == "data" else whole)


@pytest.mark.parametrize(
    ("signals", "verdict"),
    [
        ([signal("concept", 50.0)], "concept_drift"),
        ([signal("data", 50.0)], "data_drift"),
        ([signal("data", 50.0), signal("concept", 60.0)], "data_drift_with_effect"),
        ([signal("concept", 50.0), signal("data", 60.0)], "data_drift_with_effect"),
        ([signal("prediction", 50.0)], "prediction_drift"),
        ([signal("data", 50.0), signal("label", 60.0, js=0.3)], "label_shift"),
        ([signal("data", 50.0), signal("label", 60.0, js=0.1)], "data_drift"),
    ],
)
def test_the_verdict_is_of_the_signals_that_moved_together(signals, verdict):
    incidents = Incidents()
    taken = [incidents.take(each, 10, 40.0, Levels()) for each in signals]
    assert len({id(each) for each in taken}) == 1
    assert verdict_of(taken[0]) == verdict


def test_a_label_that_comes_late_belongs_to_when_it_was_predicted_for():
    incidents = Incidents()
    first = incidents.take(signal("data", 50.0), 10, 40.0, Levels())
    incidents.advance(30, 90.0)
    assert incidents.take(signal("data", 200.0), 40, 150.0, Levels()) is not first
    assert incidents.take(signal("concept", 55.0), 60, 40.0, Levels()) is first


def test_no_effect_is_said_when_enough_labels_have_come():
    incidents = Incidents()
    first = incidents.take(signal("data", 50.0), 10, 40.0, Levels())
    assert not any(incidents.settle(10.0, 0.0) for _ in range(5000))
    told = [each for _ in range(2000) for each in incidents.settle(60.0, 0.0)]
    assert told == [first]
    assert verdict_of(first) == "data_drift_without_effect"
