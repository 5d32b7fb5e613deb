"""Event time: what is read as one, and what one wild record can do."""

from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.core.records import Fault
from stream.core.times import Watermark, parse_time

moments = st.datetimes(
    datetime(1900, 1, 1), datetime(2200, 1, 1), timezones=st.sampled_from(
        [UTC, timezone(timedelta(hours=5, minutes=30)), timezone(timedelta(hours=-8))]
    )
)


@given(moments)
def test_rfc_3339_is_the_moment_it_names(moment):
    assert parse_time(moment.isoformat()) == moment.timestamp()


@given(st.integers(10**9, 4 * 10**9))
def test_epoch_in_any_usual_unit_is_the_same_moment(seconds):
    for factor in (1, 10**3, 10**6, 10**9):
        assert parse_time(seconds * factor) == pytest.approx(seconds)
        assert parse_time(str(seconds * factor)) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "raw", [None, "", "soon", "NaN", float("nan"), float("inf"), 1e300, "99999", True, [], {}]
)
def test_what_is_no_time_is_a_fault(raw):
    result = parse_time(raw)
    if raw == "99999":
        assert result == 99999.0
    else:
        assert isinstance(result, Fault)


@given(st.lists(st.floats(0, 1e9), min_size=1), st.floats(1, 1e6))
def test_the_watermark_never_goes_back_once_it_is_warm(times, slack):
    mark = Watermark(slack)
    seen = [mark.observe(time) for time in times]
    assert all(a <= b for a, b in pairwise(seen[10:]))
    assert max(seen) <= max(times)


@given(st.lists(st.booleans(), min_size=30, max_size=200), st.floats(2e9, 4e9))
def test_wild_records_between_good_ones_move_nothing(wild, far):
    mark, last = Watermark(3600.0), 0.0
    streak = 0
    for number, is_wild in enumerate(wild):
        streak = streak + 1 if is_wild else 0
        if streak >= 9 or number < 10:
            is_wild, streak = False, 0
        last = last if is_wild else 1e9 + number
        mark.observe(far if is_wild else last)
        if number >= 10:
            assert mark.value <= last


def test_a_first_record_from_the_future_is_forgotten():
    mark = Watermark(3600.0)
    for time in (9e9, *(1e9 + n for n in range(20))):
        mark.observe(time)
    assert mark.value == 1e9 + 19


def test_a_pause_longer_than_the_slack_is_believed_after_ten_records():
    mark = Watermark(60.0)
    for n in range(20):
        mark.observe(float(n))
    for n in range(10):
        mark.observe(1e6 + n)
    assert mark.value == 1e6


@given(st.lists(st.floats(0, 1e6), max_size=40), st.integers(0, 40))
def test_the_state_can_be_put_back(times, cut):
    whole, first = Watermark(50.0), Watermark(50.0)
    for time in times[:cut]:
        whole.observe(time)
        first.observe(time)
    second = Watermark(50.0)
    second.restore(first.state())
    for time in times[cut:]:
        assert whole.observe(time) == second.observe(time)
    assert whole.state() == second.state()
