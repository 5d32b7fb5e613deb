"""Every metric against River's own, and the names that are refused."""

import math
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from river import metrics

from stream.core.metrics import fitting_metrics, plan_metrics
from stream.core.records import Task
from stream.core.scorer import Scorer
from tests.label_streams import (
    PROBABILITY,
    TASK_ROWS,
    class_rows,
    fed,
    long_rows,
    relaxed,
    river_value,
)


class SortedMatrix(metrics.ConfusionMatrix):
    @property
    def classes(self):
        return sorted(super().classes)


def assert_like_river(task, report_part, pairs, matrix_type=None):
    for name in fitting_metrics(task):
        matrix = matrix_type() if matrix_type and name not in PROBABILITY else None
        assert report_part[name] == river_value(name, task, pairs, matrix), name


@relaxed
@given(task_rows=TASK_ROWS, window=st.integers(1, 50), every=st.integers(1, 30))
def test_every_metric_equals_river_to_the_last_bit(task_rows, window, every):
    task, rows = task_rows
    report = fed(Scorer(task, fitting_metrics(task), every, window), rows).report()
    scored = [row[:3] for row in rows if row[1] is not None]
    assert_like_river(task, report["cumulative"], scored)
    assert_like_river(task, report["window"], scored[-window:])
    assert report["labels"] == len(rows)
    assert report["abstained"] == len(rows) - len(scored)


@relaxed
@given(task_rows=TASK_ROWS)
def test_baselines_equal_river_and_need_no_probabilities(task_rows):
    task, rows = task_rows
    report = fed(Scorer(task, fitting_metrics(task)), rows).report()
    for place, baseline in ((3, "no_change"), (4, "majority")):
        pairs = [(row[0], row[place], None) for row in rows if row[place] is not None]
        values = report["baselines"][baseline]
        assert set(values) == set(fitting_metrics(task)) - PROBABILITY
        for name in values:
            assert values[name] == river_value(name, task, pairs), name


@relaxed
@given(rows=class_rows(st.sampled_from(["ant", "bee", "cat", "dog", "eel"])))
def test_classes_that_are_texts_are_summed_in_their_order(rows):
    report = fed(Scorer("multiclass", fitting_metrics("multiclass")), rows).report()
    scored = [row[:3] for row in rows if row[1] is not None]
    assert_like_river("multiclass", report["cumulative"], scored, SortedMatrix)
    for name in ("MacroF1", "CohenKappa", "WeightedPrecision"):
        expected = river_value(name, "multiclass", scored)
        if expected is not None:
            expected = pytest.approx(expected, rel=1e-12, abs=1e-15)
        assert report["cumulative"][name] == expected


@pytest.mark.parametrize("task", ["binary", "regression"])
def test_long_streams_equal_river_beyond_all_windows_and_blocks(task):
    rows = long_rows(task, 2500)
    report = fed(Scorer(task, fitting_metrics(task), window=1100), rows).report()
    assert_like_river(task, report["cumulative"], [row[:3] for row in rows])
    assert_like_river(task, report["window"], [row[:3] for row in rows[-1100:]])


def test_every_metric_of_river_either_fits_some_task_or_is_known_not_to():
    fitting = {name for task in get_args(Task) for name in fitting_metrics(task)}
    assert set(metrics.__all__) - fitting == {
        "ClassificationReport", "ClusteringReport", "ConfusionMatrix", "FBeta", "MacroFBeta",
        "MicroFBeta", "MultiFBeta", "Silhouette", "WeightedFBeta", "base", "multioutput",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("task", "name", "reason"),
    [
        ("binary", "Acuracy", "has no 'Acuracy'; did you mean Accuracy"),
        ("binary", "accuracy", "did you mean Accuracy"),
        ("binary", "MAE", "MAE scores numbers, not classes; .* Accuracy"),
        ("binary", "Silhouette", "scores clusterings"),
        ("multiclass", "F1", "F1 scores true against false, .*did you mean MacroF1 or MicroF1"),
        ("multiclass", "ROCAUC", "scores true against false"),
        ("regression", "Accuracy", "scores classes, not numbers; .*MAE"),
        ("multiclass", "MacroFBeta", r"needs parameters \(beta\).*MacroF1"),
        ("binary", "ConfusionMatrix", "no single number"),
        ("binary", "base", "has no 'base'"),
        ("binary", "__class__", "has no '__class__'"),
    ],
)
def test_a_metric_that_does_not_fit_is_refused_with_the_reason_and_what_is_near(task, name, reason):
    with pytest.raises(ValueError, match=reason):
        Scorer(task, [name])


@pytest.mark.parametrize(
    "wrong", [{"every": 0}, {"window": 0}, {"fading": 0.4}, {"fading": 1.01}, {"fading": math.nan}]
)
def test_a_number_out_of_range_is_refused(wrong):
    with pytest.raises(ValueError, match=f"{next(iter(wrong))} is "):
        Scorer("binary", **wrong)


def test_an_unknown_task_is_refused():
    with pytest.raises(ValueError, match="binary, multiclass, regression"):
        plan_metrics("ranking")  # type: ignore[arg-type]  # that is the point


def test_values_come_in_the_order_in_which_their_metrics_were_asked_for():
    names = ["ROCAUC", "F1", "LogLoss", "Accuracy", "F1"]
    report = fed(Scorer("binary", names), long_rows("binary", 10)).report()
    assert list(report["cumulative"]) == list(report["fading"]) == names[:4]


def test_metrics_without_probabilities_keep_none():
    rows = long_rows("binary", 10)
    bare = fed(Scorer("binary", ["Accuracy"]), rows).state()
    assert (
        bare == fed(Scorer("binary", ["Accuracy"]), [(*r[:2], None, *r[3:]) for r in rows]).state()
    )
