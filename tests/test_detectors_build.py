"""Drift detectors by import path."""

from types import SimpleNamespace

import pytest
from river import drift

from detectors.build import DetectorError, build_detector


def spec(class_, **params):
    return SimpleNamespace(class_=class_, params=params)


def test_rivers_defaults_stand_but_for_the_side_and_the_seed():
    assert build_detector(spec("river.drift.ADWIN"))._get_params() == drift.ADWIN()._get_params()
    assert build_detector(spec("river.drift.PageHinkley"))._get_params()["mode"] == "up"
    both = build_detector(spec("river.drift.PageHinkley", mode="both"))
    assert both._get_params()["mode"] == "both"
    assert build_detector(spec("river.drift.KSWIN"), 5)._get_params()["seed"] == 5
    assert build_detector(spec("river.drift.KSWIN", seed=3), 5)._get_params()["seed"] == 3


def test_each_detector_is_fresh():
    first, second = (build_detector(spec("river.drift.ADWIN")) for _ in range(2))
    assert isinstance(first, drift.ADWIN)
    assert isinstance(second, drift.ADWIN)
    first.update(1.0)
    assert (first.width, second.width) == (1, 0)


@pytest.mark.parametrize(
    ("wanted", "key", "message"),
    [
        (spec("ADWIN"), "class", 'is no import path; did you mean "river.drift.ADWIN"?'),
        (spec("rivr.drift.ADWIN"), "class", "cannot be imported: No module named 'rivr'"),
        (spec("river.drift.binary.DMD"), "class", 'did you mean "river.drift.binary.DDM"?'),
        (spec("river.tree.HoeffdingTreeClassifier"), "class", "accepted: river.drift.ADWIN, "),
        (spec("river.base.DriftDetector"), "class", "is not a drift detector"),
        (spec("math.pi"), "class", "is not a drift detector"),
        (spec("river.drift.NoDrift", x=1), "params", "accepted: none"),
        (spec("river.drift.ADWIN", delta="x"), "params", "ADWIN refuses them: "),
        (spec("river.drift.PageHinkley", threshold="x"), "params", "PageHinkley refuses them: "),
        (spec("river.drift.PageHinkley", mode="sideways"), "params", "'up', 'down', 'both'"),
    ],
)
def test_a_detector_that_cannot_be_built(wanted, key, message):
    with pytest.raises(DetectorError) as caught:
        build_detector(wanted)
    assert message in str(caught.value)
    assert caught.value.key == key
