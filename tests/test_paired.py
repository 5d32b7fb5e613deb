"""The evidence of a contest: rarely wrong, however often it is looked at."""

import random

import orjson

from detectors.paired import Paired


def test_evidence_of_equal_models_is_rare_however_often_one_looks():
    draw = random.Random(5)
    wrong = 0
    for _ in range(300):
        test = Paired()
        for _ in range(60):
            test.take([draw.choice([1, -1, 0, 0]) for _ in range(32)])
            if test.surpasses(0.1):
                wrong += 1
                break
    assert wrong <= 45


def test_differences_too_small_to_square_speak_for_nothing():
    test = Paired()
    test.take([-1e-170] * 600)
    assert test.growth_against(1.0) == 0.0


def test_evidence_survives_a_restore():
    first, again = Paired(0.01), Paired(0.01)
    for _ in range(20):
        first.take([1, 0, -1, 1] * 8)
        again.restore(orjson.loads(orjson.dumps(first.state())))
        assert again.log_evidence() == first.log_evidence()
