"""What makes watching cheap gives the same as the plain way."""

from math import inf

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.bins import BINS
from detectors.counted import Counted
from detectors.divergence import divergence, f_deviate, f_ratio, statistics
from detectors.history import SCALES, TESTS, History
from detectors.scan import BLOCK, past_of, ratio_of
from stream.core.columns import confidence, confidences

histograms = st.lists(st.integers(0, 200), min_size=4 * BINS, max_size=4 * BINS).map(
    lambda each: np.array(each, dtype=float).reshape(2, 2, BINS)
)


@given(histograms, st.booleans())
def test_statistics_are_those_of_the_divergence(counts, empty):
    if empty:
        counts[0, 1] = 0
    newest, older = counts
    values, missing = statistics(counts)
    assert values == pytest.approx(divergence(newest[:, 1:], older[:, 1:])[0], abs=1e-9)
    pairs = [np.stack([each[:, 0], each[:, 1:].sum(axis=1)], axis=1) for each in counts]
    assert missing == pytest.approx(divergence(*pairs)[0], abs=1e-9)


@given(st.floats(0.5, 8), st.floats(0.5, 40), st.floats(0.5, 400), st.floats(0.01, 1e6))
def test_a_ratio_is_beyond_its_threshold_when_its_deviate_is(deviate, upper, lower, ratio):
    limit = f_ratio(deviate, np.array(upper), np.array(lower))
    if np.isfinite(limit):
        assert f_deviate(limit, upper, lower) == pytest.approx(deviate)
    if not limit * (1 - 1e-6) < ratio < limit * (1 + 1e-6):
        assert (f_deviate(np.array(ratio), upper, lower) > deviate) == (ratio > limit)


@given(st.integers(0, 3), st.floats(2, 5))
def test_a_statistic_is_critical_when_it_is_unusual(seed, deviate):
    rng = np.random.default_rng(seed)
    history = History()
    for _ in range(4):
        history.widen()
    history._learn(rng.chisquare(5, size=(20, len(TESTS), 4)))
    older = rng.integers(0, 99, size=(4, BINS)).astype(float)
    value = rng.chisquare(5, size=(len(TESTS), 4)) * 4
    critical = history.critical(deviate, older)
    clear = abs(value / critical - 1) > 1e-6
    told = history.unusual(value, older) > deviate
    assert (told == (value > critical))[clear].all()


@given(st.booleans(), st.integers(1, 210), st.integers(0, 3), st.integers(1, 40))
def test_windows_are_sums_over_the_chunks_that_are_kept(fixed, size, seed, restored):
    rng = np.random.default_rng(seed)
    chunks = rng.integers(0, 256, size=(size, 3, BINS)).astype(float)
    counted = Counted(fixed=fixed)
    kept: list[np.ndarray] = []
    for _ in range(3):
        counted.widen()
    for number, chunk in enumerate(chunks):
        if number == restored:
            counted.restore(counted.kept.astype(np.uint16))
        counted.push(chunk)
        kept.append(chunk)
        if len(kept) > 80:
            del kept[64 if fixed else 0]
    newest, older = counted.windows()
    for place, scale in enumerate(SCALES):
        assert (newest[place] == np.sum(kept[-scale:], axis=0)).all()
        assert (older[place] == np.sum(kept, axis=0) - newest[place]).all()


@given(st.integers(1, 128), st.integers(1, 512), st.floats(0, 1), st.floats(0, 1))
def test_a_ratio_of_means_is_never_beyond_its_bound(width, span, after, before):
    size = BLOCK * width
    _, whole, share = past_of(span, size)
    newer, both = after * size, after * size + before * (whole - size)
    apart = newer * whole - both * size
    ratio = ratio_of(after, size, before, whole - size)
    assert (ratio - 1e-6) * both * (whole - both) <= apart * apart * share * (1 + 1e-9) + 1e-9


probabilities = st.none() | st.floats() | st.integers(-1, 2) | st.just([("a", 0.2), ("b", None)])


@given(st.lists(probabilities) | st.lists(st.floats()), st.booleans())
def test_many_confidences_are_those_of_each(several, binary):
    each = [confidence(one, binary=binary) for one in several]
    assert confidences(several, binary=binary) == each


@given(st.lists(st.none() | st.floats()))
def test_the_likeliest_class_gives_the_confidence(shares):
    likeliest = max((each for each in shares if each is not None and abs(each) < inf), default=0)
    assert confidence(dict(enumerate(shares)), binary=False) == likeliest
