"""Quantiles of the label delay against those of the sorted values."""

import math
import random
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.core.delays import Delays
from tests.label_streams import relaxed


@relaxed
@given(values=st.lists(st.floats(0, 1e-7) | st.floats(1e-6, 1e12), min_size=1, max_size=200))
def test_delay_quantiles_are_within_a_percent_and_the_maximum_is_exact(values):
    counted = Delays()
    counted.add(values)
    report = counted.report()
    ranked = sorted(values)
    assert report["max"] == ranked[-1]
    for name, percent in (("p50", 50), ("p95", 95)):
        exact = ranked[math.ceil(Fraction(percent * len(values), 100)) - 1]
        assert report[name] == (0.0 if exact < 2**-20 else pytest.approx(exact, rel=0.01))


def test_delays_are_bounded_whatever_comes():
    counted = Delays()
    counted.add([math.nan, -5.0, -math.inf])
    assert counted.report() == {"p50": 0.0, "p95": 0.0, "max": 0.0}
    source = random.Random(3)
    counted.add([math.ldexp(source.random(), source.randint(-60, 80)) for _ in range(50_000)])
    counted.add([math.inf, 1e300])
    assert counted.report()["max"] == 2.0**40
    assert len(counted.state()["bins"]) <= 3842
