"""The scorer against plain formulas, and against itself cut up."""

import math
from fractions import Fraction

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from river import metrics

from stream.core.errors import CheckpointError
from stream.core.metrics import DEFAULT_METRICS, fitting_metrics
from stream.core.scorer import Scorer
from tests.label_streams import (
    ROWS,
    TASK_ROWS,
    class_rows,
    delays,
    fed,
    long_rows,
    numbers,
    relaxed,
    river_value,
)

WEIGHTLESS = {
    "AdjustedMutualInfo", "AdjustedRand", "Completeness", "FowlkesMallows", "Homogeneity",
    "MutualInfo", "NormalizedMutualInfo", "Rand", "RollingPRAUC", "RollingROCAUC", "VBeta",
}  # fmt: skip


# --- fading ------------------------------------------------------------------------------


def faded_mean(losses, fading):
    weights = [fading**age for age in range(len(losses))][::-1]
    return math.fsum(map(float.__mul__, weights, losses)) / math.fsum(weights)


@pytest.mark.parametrize("fading", [0.5, 0.9, 0.999, 1 - 1e-12, 1.0])
@pytest.mark.parametrize("count", [1, 255, 256, 257, 1500])
def test_fading_values_are_weighted_means(fading, count):
    rows = long_rows("binary", count)
    values = fed(Scorer("binary", ["Accuracy", "LogLoss"], fading=fading), rows).report()["fading"]
    right = [float(y == answer) for y, answer, *_ in rows]
    losses = [-math.log(p if y else 1 - p) for y, _, p, *_ in rows]
    assert values["Accuracy"] == pytest.approx(faded_mean(right, fading), rel=1e-9)
    assert values["LogLoss"] == pytest.approx(faded_mean(losses, fading), rel=1e-9)


@pytest.mark.parametrize("fading", [0.5, 0.99])
def test_fading_regression_values_are_weighted_means(fading):
    rows = long_rows("regression", 1500)
    report = fed(Scorer("regression", ["MAE", "RMSE", "R2"], fading=fading), rows).report()
    errors = [y - p for y, p, *_ in rows]
    truths = [row[0] for row in rows]
    mean = faded_mean(truths, fading)
    spread = faded_mean([(y - mean) ** 2 for y in truths], fading)
    square = faded_mean([error**2 for error in errors], fading)
    assert report["fading"] == {
        "MAE": pytest.approx(faded_mean([abs(error) for error in errors], fading), rel=1e-9),
        "RMSE": pytest.approx(square**0.5, rel=1e-9),
        "R2": pytest.approx(1 - square / spread, rel=1e-9),
    }


@relaxed
@given(task_rows=TASK_ROWS)
def test_a_fading_factor_of_one_is_the_cumulative_value(task_rows):
    task, rows = task_rows
    report = fed(Scorer(task, fitting_metrics(task), fading=1.0), rows).report()
    assert set(report["fading"]) == set(fitting_metrics(task)) - WEIGHTLESS
    for name, value in report["fading"].items():
        expected = report["cumulative"][name]
        assert value == (expected if expected is None else pytest.approx(expected, rel=1e-9))


@pytest.mark.parametrize("name", ["F1", "CohenKappa", "MCC", "ROCAUC", "MacroF1", "GeometricMean"])
def test_fading_forgets(name):
    good = [(y, y, float(y), y, False, 0.0) for y in (True, False, False)]
    bad = [(y, not y, float(not y), y, False, 0.0) for y in (True, False, False)]
    scorer = Scorer("binary", [name], fading=0.9)
    fed(scorer, bad * 300)
    fed(scorer, good * 300)
    report = scorer.report()
    assert report["fading"][name] == pytest.approx(1.0, abs=1e-6)
    assert report["cumulative"][name] < 0.6


# --- nothing depends on where chunks end -------------------------------------------------


def through_json(scorer, *arguments):
    restored = Scorer(*arguments)
    restored.restore(orjson.loads(orjson.dumps(scorer.state())))
    return restored


INTERRUPTIONS = st.dictionaries(
    st.integers(0, 80), st.sampled_from(["report", "state", "restore"]), max_size=10
)


ANSWERS = [(1, 2), (0, None), (0, None), (0, 0), (0, 0), (2, 0)]


@relaxed
@example(  # reading gave classes a place among the sums, and AdjustedMutualInfo sums in that order
    task_rows=("multiclass", [(y, answer, None, None, None, 0.0) for y, answer in ANSWERS]),
    interruptions={1: "report"},
    every=4,
    window=1,
    fading=0.5,
)
@given(
    task_rows=TASK_ROWS,
    interruptions=INTERRUPTIONS,
    every=st.integers(1, 30),
    window=st.integers(1, 50),
    fading=st.sampled_from([0.5, 0.97, 0.999, 1.0]),
)
def test_reports_states_and_restores_on_the_way_change_nothing(
    task_rows, interruptions, every, window, fading
):
    task, rows = task_rows
    arguments = (task, fitting_metrics(task), every, window, fading)
    calm, disturbed = Scorer(*arguments), Scorer(*arguments)
    for place, row in enumerate(rows):
        interruption = interruptions.get(place)
        if interruption == "restore":
            disturbed = through_json(disturbed, *arguments)
        elif interruption is not None:
            getattr(disturbed, interruption)()
        due = calm.add(*row)
        assert disturbed.add(*row) is due is ((place + 1) % every == 0)
        assert disturbed.labels == calm.labels == place + 1
        if due:
            assert orjson.dumps(calm.report()) == orjson.dumps(disturbed.report())
    assert orjson.dumps(calm.state()) == orjson.dumps(disturbed.state())
    assert orjson.dumps(calm.report()) == orjson.dumps(disturbed.report())


@pytest.mark.parametrize("task", sorted(ROWS))
@pytest.mark.parametrize("cuts", [[1], [255, 256, 257], [1000, 1024], [7, 100, 1500, 1501]])
def test_cuts_around_blocks_and_buffers_change_nothing(task, cuts):
    rows = long_rows(task, 2000)
    arguments = (task, fitting_metrics(task), 700, 300, 0.99)
    whole, cut = fed(Scorer(*arguments), rows), Scorer(*arguments)
    for start, stop in zip([0, *cuts], [*cuts, len(rows)], strict=True):
        cut = through_json(fed(cut, rows[start:stop]), *arguments)
        cut.report()
    assert orjson.dumps(whole.report()) == orjson.dumps(cut.report())
    assert orjson.dumps(whole.state()) == orjson.dumps(cut.state())


def test_a_restored_scorer_forgets_what_it_had():
    rows = long_rows("multiclass", 300)
    source, target = fed(Scorer("multiclass"), rows), fed(Scorer("multiclass"), rows[:200])
    target.restore(orjson.loads(orjson.dumps(source.state())))
    assert orjson.dumps(target.state()) == orjson.dumps(source.state())


def test_a_state_keeps_the_types_of_classes():
    rows = [(1, "1", None, 1, "1", 0.0), ("1", 1, None, 1, 1, 0.0)]
    scorer = fed(Scorer("multiclass", ["Accuracy"]), rows)
    report = through_json(scorer, "multiclass", ["Accuracy"]).report()
    assert report == scorer.report()
    assert report["cumulative"] == {"Accuracy": 0.0}
    assert set(report["per_class"]) == {"1", "'1'"}


@pytest.mark.parametrize(
    ("name", "changed"),
    [("window", {"window": 5}), ("fading", {"fading": 0.9}), ("metrics", {"metrics": ["F1"]})],
)
def test_a_state_of_other_settings_is_refused(name, changed):
    with pytest.raises(CheckpointError, match=f"{name} = "):
        Scorer("binary", **changed).restore(Scorer("binary").state())


def test_a_state_of_another_report_interval_is_taken():
    rows = long_rows("binary", 30)
    often = Scorer("binary", every=7)
    often.restore(fed(Scorer("binary", every=1000), rows).state())
    assert [often.add(*row) for row in rows[:5]] == [False, False, False, False, True]


def test_the_state_of_a_binary_scorer_is_small():
    rows = long_rows("binary", 5000)
    scorer = fed(Scorer("binary"), rows[:4999])
    assert len(orjson.dumps(scorer.state())) < 60_000


# --- what is not defined is None ---------------------------------------------------------


@pytest.mark.parametrize("task", sorted(ROWS))
def test_without_labels_all_values_are_none(task):
    report = Scorer(task).report()
    for part in ("cumulative", "window", "fading"):
        assert report[part] == dict.fromkeys(DEFAULT_METRICS[task])
    assert report["kappa_temporal"] is report["kappa_m"] is None
    assert report["label_delay"] == {"p50": None, "p95": None, "max": None}


WILD = st.sampled_from([math.nan, math.inf, -math.inf, 1e308, -1e200, 1e99, 5e-324, -1.0, 0.0])


@relaxed
@given(
    rows=st.lists(
        st.tuples(WILD | numbers, st.none() | WILD | numbers, st.none(), WILD, WILD, numbers),
        max_size=40,
    )
)
def test_wild_numbers_do_not_poison_a_regression(rows):
    scorer = fed(Scorer("regression", fitting_metrics("regression"), fading=0.9), rows)
    assert_finite(scorer.report())
    usable = [y for y, p, *_ in rows if p is not None and abs(y) <= 1e100 and abs(p) <= 1e100]
    assert scorer.report()["abstained"] == len(rows) - len(usable)
    fed(scorer, [(1.0, 2.0, None, 1.0, 1.0, 0.0)])
    assert scorer.report()["cumulative"]["MAE"] is not None
    assert_finite(
        through_json(scorer, "regression", fitting_metrics("regression"), 1000, 1000, 0.9).report()
    )


@relaxed
@given(
    rows=st.lists(
        st.tuples(
            st.booleans(), st.booleans(), WILD | st.none(), st.booleans(), st.booleans(), delays
        ),
        max_size=40,
    )
)
def test_wild_probabilities_do_not_poison_a_classification(rows):
    scorer = fed(Scorer("binary", fitting_metrics("binary"), fading=0.9), rows)
    assert_finite(scorer.report())
    there = [(y, p) for y, _, p, *_ in rows if p is not None and not math.isnan(p)]
    expected = river_value("LogLoss", "binary", [(y, None, p) for y, p in there])
    assert scorer.report()["cumulative"]["LogLoss"] == expected


def assert_finite(value):
    if isinstance(value, dict):
        for part in value.values():
            assert_finite(part)
    else:
        assert value is None or math.isfinite(value)


# --- kappas and classes ------------------------------------------------------------------


@relaxed
@given(rows=ROWS["binary"])
def test_kappas_are_the_share_of_a_baselines_errors_that_is_avoided(rows):
    report = fed(Scorer("binary"), rows).report()

    def accuracy(place):
        hits = [row[0] == row[place] for row in rows if row[place] is not None]
        return Fraction(sum(hits), len(hits)) if hits else None

    own = accuracy(1)
    for place, name in ((3, "kappa_temporal"), (4, "kappa_m")):
        baseline = accuracy(place)
        if own is None or baseline in (None, 1):
            assert report[name] is None
        else:
            assert report[name] == pytest.approx(float((own - baseline) / (1 - baseline)))


@relaxed
@given(rows=class_rows(st.sampled_from(["ant", "bee", "cat"])))
def test_values_per_class_are_those_of_rivers_report(rows):
    per_class = fed(Scorer("multiclass"), rows).report()["per_class"]
    matrix = metrics.ConfusionMatrix()
    for y, answer, *_ in rows:
        if answer is not None:
            matrix.update(y, answer)
    assert list(per_class) == sorted(matrix.classes)
    for label, values in per_class.items():
        f1 = metrics.F1(cm=matrix, pos_val=label)
        assert values["support"] == matrix.support(label)
        assert values["f1"] == pytest.approx(f1.get())
        answered = matrix.sum_col[label]
        assert values["precision"] == (f1.precision.get() if answered else None)
        assert values["recall"] == (f1.recall.get() if matrix.support(label) else None)


def test_binary_classes_are_named_as_json_names_them():
    report = fed(Scorer("binary"), [(True, False, 0.2, None, None, 0.0)]).report()
    assert report["per_class"] == {
        "false": {"precision": 0.0, "recall": None, "f1": 0.0, "support": 0},
        "true": {"precision": None, "recall": 0.0, "f1": 0.0, "support": 1},
    }
