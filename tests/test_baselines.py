import json
from collections import Counter
from statistics import mean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from learners.baselines import Majority, Mean, NoChange

LABELS = st.one_of(
    st.lists(st.booleans()), st.lists(st.integers(0, 3)), st.lists(st.sampled_from("abcd"))
)


def first_to_get_most(labels):
    counts = Counter(labels)
    most = max(counts.values(), default=0)
    reached = [y for i, y in enumerate(labels) if labels[: i + 1].count(y) == most]
    return reached[0] if reached else None


@given(LABELS, st.data())
def test_baselines_are_what_they_say_even_over_a_restore(labels, data):
    cut = data.draw(st.integers(0, len(labels)))
    last, majority = NoChange(), Majority()
    for number, y in enumerate(labels):
        if number == cut:
            states = json.loads(json.dumps([last.state(), majority.state()]))
            last, majority = NoChange(), Majority()
            last.restore(states[0])
            majority.restore(states[1])
        assert last.answer == (labels[number - 1] if number else None)
        assert majority.answer == first_to_get_most(labels[:number])
        last.update(y)
        majority.update(y)
    assert type(majority.answer) is (type(labels[0]) if labels else type(None))


@given(st.lists(st.floats(-1e6, 1e6), min_size=1), st.integers(0, 5))
def test_the_mean_is_the_mean_even_over_a_restore(targets, cut):
    straight, broken_off = Mean(), Mean()
    assert straight.answer is None
    for number, y in enumerate(targets):
        if number == cut:
            state = json.loads(json.dumps(broken_off.state()))
            broken_off = Mean()
            broken_off.restore(state)
        straight.update(y)
        broken_off.update(y)
    assert straight.answer == broken_off.answer
    assert straight.answer == pytest.approx(mean(targets), abs=1e-6)
