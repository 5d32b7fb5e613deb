"""The distribution detectors: what moves is found, what does not is left alone."""

from collections import Counter

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.bins import BINS, Bins, bounds_of, count_rows
from detectors.clock import Clock
from detectors.distribution import CHUNK, Distributions
from detectors.divergence import differences


def feed(watch, numbers, texts=None):
    """Give the chunks at which something moved, with the names."""
    places = [watch.know(f"n{row}", text=False) for row in range(len(numbers))]
    found = []
    for chunk in range(numbers.shape[1] // CHUNK):
        part = slice(chunk * CHUNK, (chunk + 1) * CHUNK)
        words = {
            watch.know(name, text=True): Counter(values[part])
            for name, values in (texts or {}).items()
        }
        moved = watch.take(np.ascontiguousarray(numbers[:, part]), places, words)
        if moved:
            found.append((chunk, [each.name for each in moved]))
    return found


def noise(rows, chunks, seed=0):
    return np.random.default_rng(seed).normal(size=(rows, chunks * CHUNK))


@pytest.mark.parametrize(
    ("change", "within"),
    [
        (lambda x: x + 0.5, 3),
        (lambda x: x + 2, 1),
        (lambda x: 2 * x, 3),
        (lambda x: np.where(np.arange(len(x)) % 4 == 0, np.nan, x), 1),
        (lambda x: x * 0 + 0.1, 1),
    ],
)
def test_what_moves_is_named(change, within):
    numbers = noise(5, 60)
    numbers[3, 40 * CHUNK :] = change(numbers[3, 40 * CHUNK :])
    found = feed(Distributions(0.3), numbers)
    assert len(found) == 1
    chunk, names = found[0]
    assert names[0] == "n3"
    assert 40 <= chunk <= 40 + within


def many_texts(seed, chunks, shares=None):
    rng = np.random.default_rng(seed)
    words = np.array([f"w{place}" for place in range(100)])
    return words[rng.choice(100, chunks * CHUNK, p=shares)].tolist()


@pytest.mark.parametrize("seed", range(5))
def test_a_shift_among_many_texts_is_found(seed):
    gone = np.random.default_rng(seed).permutation(100) < 40
    after = np.where(gone, 0.05, 1.0)
    words = many_texts(seed, 40) + many_texts(seed + 50, 12, after / after.sum())
    found = feed(Distributions(), noise(1, 52), {"w": words})
    assert [names for _, names in found] == [["w"]]
    assert 40 <= found[0][0] < 52
    same = many_texts(seed, 40) + many_texts(seed + 50, 12)
    assert not feed(Distributions(), noise(1, 52), {"w": same})


def test_the_bins_of_many_texts_hold_every_text_and_come_back_from_json():
    words = many_texts(0, 4)
    bins = Bins.of_texts([Counter(words)])
    assert len(bins.labels()) == BINS - 1
    counts = bins.count(Counter([*words, None, "never seen"]))
    assert counts.sum() == len(words) + 2
    assert counts[0] == 1
    assert (counts[1:] > 0).all()
    again = Bins.restored(orjson.loads(orjson.dumps(bins.state())))
    assert (again.count(Counter(words)) == bins.count(Counter(words))).all()


def test_few_texts_and_a_small_rest_are_one_bin_each():
    bins = Bins.of_texts([Counter({"a": 500, "b": 400, "c": 12, "d": 3})])
    assert bins.labels() == ["a", "b", "other"]


def test_texts_are_watched_too():
    rng = np.random.default_rng(0)
    words = rng.choice(list("abc"), 60 * CHUNK, p=[0.6, 0.3, 0.1]).tolist()
    words[40 * CHUNK :] = rng.choice(list("abd"), 20 * CHUNK, p=[0.6, 0.3, 0.1]).tolist()
    assert not feed(Distributions(0.3), noise(1, 38), {"w": words[: 38 * CHUNK]})
    # "d" takes the place of "c": for the bins it is another text; the shape watch names it
    swapped = [{"a": "b", "b": "a"}.get(word, word) for word in words[40 * CHUNK :]]
    words[40 * CHUNK :] = swapped
    assert feed(Distributions(0.3), noise(1, 60), {"w": words})[0] == (41, ["w"])


@pytest.mark.parametrize("kind", ["normal", "cauchy", "poisson", "constant", "slow"])
def test_nothing_is_said_while_nothing_changes(kind):
    rng = np.random.default_rng(7)
    size = (20, 200 * CHUNK)
    numbers = {
        "normal": lambda: rng.normal(size=size),
        "cauchy": lambda: rng.standard_cauchy(size=size),
        "poisson": lambda: rng.poisson(2, size=size).astype(float),
        "constant": lambda: np.ones(size),
        "slow": lambda: np.sin(np.arange(size[1]) / 300)[None] + rng.normal(size=size),
    }[kind]()
    assert len(feed(Distributions(0.3), numbers)) <= 1


def test_a_burst_goes_and_the_old_reference_stays():
    numbers = noise(1, 120)
    numbers[0, 40 * CHUNK : 42 * CHUNK] += 3
    numbers[0, 80 * CHUNK :] += 3
    found = feed(Distributions(0.3), numbers)
    assert [chunk for chunk, _ in found] == [41, 81]  # every second chunk is looked at


def test_what_stays_becomes_the_new_reference():
    numbers = noise(1, 120)
    numbers[0, 40 * CHUNK :] += 3
    numbers[0, 100 * CHUNK :] -= 3
    assert [chunk for chunk, _ in feed(Distributions(0.3), numbers)] == [41, 101]


def test_a_slow_change_is_for_a_fixed_reference_only():
    numbers = noise(1, 400)
    numbers[0] += np.linspace(0, 1.5, numbers.shape[1])
    assert feed(Distributions(0.3, fixed=True), numbers)


@settings(max_examples=15, deadline=None)
@given(st.sets(st.integers(0, 59), max_size=5), st.integers(0, 3))
def test_a_restore_anywhere_changes_nothing(cuts, seed):
    rng = np.random.default_rng(seed)
    numbers = noise(3, 60, seed)
    numbers[1, 30 * CHUNK :] *= 4
    words = rng.choice(list("abc"), 60 * CHUNK).tolist()
    whole, parts = Distributions(0.3), Distributions(0.3)
    for chunk in range(60):
        part = slice(chunk * CHUNK, (chunk + 1) * CHUNK)
        if chunk in cuts:
            kept = orjson.loads(orjson.dumps(parts.state()))
            parts = Distributions(0.3)
            parts.restore(kept)
        told = [
            watch.take(
                np.ascontiguousarray(numbers[:, part]),
                [watch.know(f"n{row}", text=False) for row in range(3)],
                {watch.know("w", text=True): Counter(words[part])},
            )
            for watch in (whole, parts)
        ]
        assert told[0] == told[1]
    assert orjson.dumps(whole.state()) == orjson.dumps(parts.state())


@given(st.lists(st.floats(-1e6, 1e6) | st.just(float("nan")), min_size=1, max_size=300))
def test_every_value_goes_into_one_bin(values):
    array = np.array(values)
    bins = Bins.of_numbers(array)
    counts = bins.count_numbers(array)
    assert counts.sum() == len(values)
    assert counts[0] == np.isnan(array).sum()
    assert counts[len(bins.labels()) + 1 :].sum() == 0
    rows, edges = np.stack([array, array]), np.vstack([bounds_of(bins), bounds_of(None)])
    assert count_rows(rows, edges)[0].tolist() == counts.tolist()
    assert count_rows(rows, edges)[1, :2].tolist() == [counts[0], counts[1:].sum()]
    assert Bins.restored(orjson.loads(orjson.dumps(bins.state()))).labels() == bins.labels()


counts = st.lists(st.integers(0, 100), min_size=BINS, max_size=BINS).filter(any).map(
    lambda each: np.array(each, dtype=float)
)


@given(counts, counts)
def test_divergences_are_what_they_should_be(first, second):
    js, psi, ks = differences(first, second)
    assert 0 <= js <= 1 + 1e-9
    assert psi >= 0
    assert 0 <= ks <= 1
    assert differences(first, first) == (0.0, 0.0, 0.0)
    assert js == pytest.approx(differences(second, first)[0])


def test_the_calendar_is_known_and_a_sensor_is_not():
    moments = 1.7e9 + np.arange(60 * CHUNK, dtype=np.float64) * 300
    months = moments.astype("datetime64[s]").astype("datetime64[M]").astype(int) % 12 + 1
    rng = np.random.default_rng(0)
    clock = Clock()
    names = ["month", "sensor", "count", "ones"]
    for chunk in range(60):
        part = slice(chunk * CHUNK, (chunk + 1) * CHUNK)
        sensor = rng.normal(size=CHUNK)
        rows = np.stack([months[part], sensor, np.arange(60 * CHUNK)[part], np.ones(CHUNK) * 77])
        follows = clock.take(names, rows.astype(float), moments[part])
    assert follows == [True, False, True, False]


def stormy(seed, chunks, change=None):
    """Give numbers of which some chunks are quite different, and all from `change` on."""
    rng = np.random.default_rng(seed)
    numbers = rng.normal(size=(3, chunks * CHUNK))
    for chunk in range(chunks):
        if rng.random() < 0.2:
            numbers[1, chunk * CHUNK : (chunk + 1) * CHUNK] += rng.exponential(1.0)
    if change is not None:
        numbers[1, change * CHUNK :] += 3
    return numbers


def test_since_a_known_change_what_moved_far_is_named_even_if_storms_do_so_too():
    told, named = 0, 0
    for seed in range(20):
        watch = Distributions(0.3)
        told += any(chunk >= 40 for chunk, _ in feed(watch, stormy(seed, 42, change=40)))
        named += [each.name for each in watch.moved_since(2)] == ["n1"]
    assert named > told
    assert named >= 18


def test_since_a_known_change_little_is_named_by_chance():
    named = 0
    for seed in range(60):
        watch = Distributions(0.3)
        feed(watch, stormy(seed, 40))
        named += bool(watch.moved_since(2))
        assert not watch.moved_since(0)
    assert named <= 3
