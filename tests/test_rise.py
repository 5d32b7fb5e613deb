"""The error detector: one-sided, the same after a restore anywhere, and true to its promise."""

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.rise import ErrorRise
from detectors.scan import run_share, threshold_for


def coins(rate, size, seed, again=0.0):
    rng = np.random.default_rng(seed)
    fresh, kept = rng.random(size) < rate, rng.random(size) < again
    kept[0] = False
    return fresh[np.maximum.accumulate(np.where(kept, 0, np.arange(size)))].astype(int).tolist()


def alarms(errors, watch=None):
    watch = watch or ErrorRise(0.4)
    return [(place, rise) for place, error in enumerate(errors) if (rise := watch.update(error))]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 6000), max_size=4), st.booleans(), st.integers(0, 5))
def test_a_restore_anywhere_changes_nothing(cuts, sizes, seed):
    errors = [*coins(0.1, 3000, seed), *coins(0.5, 2000, seed), *coins(0.1, 1000, seed)]
    if sizes:
        scale = np.random.default_rng(seed).exponential(size=len(errors))
        errors = [float(5 * error * each + each) for error, each in zip(errors, scale, strict=True)]
    whole, parts = ErrorRise(0.4, sizes=sizes), ErrorRise(0.4, sizes=sizes)
    for place, error in enumerate(errors):
        if place in cuts:
            kept = orjson.loads(orjson.dumps(parts.state()))
            parts = ErrorRise(0.4, sizes=sizes)
            parts.restore(kept)
        assert whole.update(error, place) == parts.update(error, place)
    assert whole.state() == parts.state()


@pytest.mark.parametrize(("low", "high"), [(0.05, 0.15), (0.2, 0.35), (0.01, 0.1)])
def test_a_rise_is_seen_once_and_soon(low, high):
    for seed in range(5):
        found = alarms(coins(low, 6000, seed) + coins(high, 6000, seed + 100))
        assert [place // 6000 for place, _ in found] == [1]
        place, rise = found[0]
        assert place - 6000 < 1000
        assert rise.before < rise.after
        assert rise.deviate > rise.threshold


def test_a_fall_is_no_alarm_and_lowers_the_reference():
    for seed in range(5):
        errors = coins(0.4, 4000, seed) + coins(0.1, 6000, seed + 1)
        assert not alarms(errors)
        found = alarms(errors + coins(0.25, 2000, seed + 2))
        assert [place > 10_000 for place, _ in found] == [True]


@pytest.mark.parametrize("rate", [0.02, 0.3])
@pytest.mark.parametrize("again", [0.0, 0.6])
def test_nothing_is_said_while_nothing_changes(rate, again):
    assert sum(len(alarms(coins(rate, 50_000, seed, again))) for seed in range(4)) <= 1


def test_it_would_speak_more_often_if_it_were_asked_to():
    few, many = (
        sum(len(alarms(coins(0.2, 50_000, seed), ErrorRise(rate))) for seed in range(4))
        for rate in (0.4, 100.0)
    )
    assert few <= 1 < many


def test_bursts_are_told_of_until_they_are_known():
    rng = np.random.default_rng(1)
    errors = []
    for _ in range(40):
        errors += (rng.random(4000) < 0.08).tolist() + (rng.random(200) < 0.5).tolist()
    found = alarms([int(error) for error in errors])
    assert 1 <= len(found) <= 12
    places = [place for place, _ in found]
    assert sum(place > len(errors) // 2 for place in places) < len(found) / 2


def test_a_change_that_stays_is_seen_in_spite_of_bursts():
    rng = np.random.default_rng(2)
    errors = []
    for part in range(30):
        rate = 0.08 if part < 20 else 0.25
        errors += (rng.random(4000) < rate).tolist() + (rng.random(200) < 0.5).tolist()
    places = [place for place, _ in alarms([int(error) for error in errors])]
    assert any(0 <= place - 20 * 4200 < 6000 for place in places)


def test_sizes_of_errors_are_watched_whatever_their_unit_and_their_outliers():
    rng = np.random.default_rng(3)
    before, after = np.abs(rng.standard_cauchy(6000)), 2 * np.abs(rng.standard_cauchy(3000))
    for unit in (1e-6, 1.0, 1e9):
        watch = ErrorRise(0.4, sizes=True)
        found = alarms((unit * np.concatenate([before, after])).tolist(), watch)
        assert [place // 6000 for place, _ in found] == [1]


def test_thresholds_fall_as_more_is_allowed_and_runs_count_for_less():
    assert threshold_for(0.1) > threshold_for(1.0) > threshold_for(10.0)
    assert run_share(0.5, 0.02, 1.0) == 1.0
    assert run_share(0.5, 0.02, 4.0) < 0.8
    assert run_share(0.021, 0.02, 4.0) == pytest.approx(1.0, abs=0.05)


def seen_at(errors, change):
    """Give the rise that is seen at a known change, if one is not told of by itself before."""
    watch = ErrorRise(0.4)
    for place, error in enumerate(errors):
        rise = watch.update(error, place)
        if place > change and (rise or place % 256 == 0):
            rise = rise or watch.at(change)
            if rise:
                return rise
    return None


@pytest.mark.parametrize("width", [300, 600, 1200])
def test_where_a_change_is_known_a_lesser_rise_is_seen(width):
    found = [
        seen_at([*coins(0.1, 4000, seed), *coins(0.2, width, seed), *coins(0.1, 1500, seed)], 4000)
        for seed in range(10)
    ]
    seen = [rise for rise in found if rise is not None]
    assert len(seen) >= 8
    assert all(rise.before < 0.15 < rise.after for rise in seen)
    assert all(rise.deviate > rise.threshold for rise in seen)


@pytest.mark.parametrize("again", [0.0, 0.5])
def test_where_the_error_stayed_a_known_change_seldom_has_an_effect(again):
    found = [seen_at(coins(0.2, 5500, seed, again), 4000.0 + seed) for seed in range(300)]
    assert sum(rise is not None for rise in found) <= 9


def glances(errors, watch):
    """Count the glances within blocks that see a rise; the blocks are taken, too."""
    seen = 0
    for at in range(0, len(errors) - 32, 32):
        block = errors[at : at + 32]
        seen += sum(watch.sudden(block[:size]) for size in (8, 16, 24))
        watch.take(block, float(at))
    return seen


@pytest.mark.parametrize("again", [0.0, 0.6])
def test_a_glance_within_a_block_seldom_sees_what_is_not_there(again):
    runs = [glances(coins(0.1, 50_000, seed, again), ErrorRise(0.4)) for seed in range(8)]
    assert sum(runs) <= 6


@pytest.mark.parametrize("sizes", [False, True])
def test_a_model_that_is_wrong_all_the_time_is_seen_after_eight_labels(sizes):
    watch = ErrorRise(0.4, sizes=sizes)
    errors = coins(0.1, 6400, 1) if not sizes else np.random.default_rng(1).random(6400).tolist()
    glances(errors, watch)
    before = orjson.dumps(watch.state())
    bad = [1] * 8 if not sizes else [50.0] * 8
    assert watch.sudden(bad)
    assert not watch.sudden(errors[:8])
    assert orjson.dumps(watch.state()) == before
