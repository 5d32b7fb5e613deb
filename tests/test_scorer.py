"""The scorer against River's own metrics, against plain formulas, and against itself cut up."""

import math
import random
from fractions import Fraction
from typing import Any, get_args

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from river import metrics

from stream.core.delays import Delays
from stream.core.errors import CheckpointError
from stream.core.metrics import DEFAULT_METRICS, fitting_metrics, plan_metrics
from stream.core.records import Task
from stream.core.scorer import Scorer

WEIGHTLESS = {
    "AdjustedMutualInfo", "AdjustedRand", "Completeness", "FowlkesMallows", "Homogeneity",
    "MutualInfo", "NormalizedMutualInfo", "Rand", "RollingPRAUC", "RollingROCAUC", "VBeta",
}  # fmt: skip
PROBABILITY = {"LogLoss", "CrossEntropy", "ROCAUC", "RollingROCAUC", "RollingPRAUC"}


# An example feeds dozens of River's metrics: on a busy machine that can take over 200 ms.
relaxed = settings(deadline=None)


# --- streams of labels ---------------------------------------------------------------------

delays = st.floats(-10, 1e7) | st.just(0.0)
chances = st.floats(0, 1) | st.sampled_from([step / 9 for step in range(10)])
numbers = st.floats(-1e6, 1e6) | st.integers(-3, 3).map(float)


def rows_of(labels, probabilities):
    maybe = st.none() | labels
    return st.lists(st.tuples(labels, maybe, probabilities, maybe, maybe, delays), max_size=80)


def class_rows(labels):
    return rows_of(labels, st.none() | st.dictionaries(labels, chances, max_size=4))


ROWS = {
    "binary": rows_of(st.booleans(), st.none() | chances),
    "multiclass": class_rows(st.integers(0, 4)),
    "regression": rows_of(numbers, st.none()),
}
TASK_ROWS = st.sampled_from(sorted(ROWS)).flatmap(lambda task: st.tuples(st.just(task), ROWS[task]))


def long_rows(task, count, seed=7):
    source = random.Random(seed)
    rows: list[tuple[Any, ...]] = []
    y: Any
    served: Any
    for _ in range(count):
        if task == "binary":
            y, p = source.random() < 0.3, source.random()
            rows.append((y, p > 0.5, p, source.random() < 0.3, False, source.expovariate(0.01)))
        elif task == "multiclass":
            y, served = source.choice("abcde"), source.choice("abcde")
            probability = {name: source.random() for name in "abcd"}
            rows.append((y, served, probability, source.choice("abcde"), "a", 0.0))
        else:
            y = source.gauss(5, 2)
            rows.append((y, y + source.gauss(0, 1), None, source.gauss(5, 2), 5.0, 1.0))
    return rows


def fed(scorer, rows):
    for row in rows:
        scorer.add(*row)
    return scorer


# --- what River makes of them --------------------------------------------------------------


class SortedMatrix(metrics.ConfusionMatrix):
    @property
    def classes(self):
        return sorted(super().classes)


def has_no_loss(name, y, answer):
    """Tell where River raises, or may take up an infinity for good, and the scorer leaves out."""
    if name == "RMSLE":
        return min(y, answer) <= -1
    return name == "MAPE" and y != 0 and abs(y - answer) / abs(y) > 1e201


def river_value(name, task, pairs, matrix=None):
    """Feed one of River's metrics as its progressive validation does; None when nothing fits."""
    metric = getattr(metrics, name)(**({"cm": matrix} if matrix is not None else {}))
    fed_any = False
    for y, answer, probability in pairs:
        given = probability if name in PROBABILITY else answer
        if given is None or given == {} or has_no_loss(name, y, given):
            continue
        if task == "binary" and name == "CrossEntropy":
            given = {False: 1 - probability, True: probability}
        metric.update(y, given)
        fed_any = True
    value = metric.get() if fed_any else None
    return value if value is None or math.isfinite(value) else None


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


# --- fading --------------------------------------------------------------------------------


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


# --- nothing depends on where chunks end ---------------------------------------------------


def through_json(scorer, *arguments):
    restored = Scorer(*arguments)
    restored.restore(orjson.loads(orjson.dumps(scorer.state())))
    return restored


INTERRUPTIONS = st.dictionaries(
    st.integers(0, 80), st.sampled_from(["report", "state", "restore"]), max_size=10
)


@relaxed
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


# --- what is not defined is None -----------------------------------------------------------


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


# --- kappas and classes --------------------------------------------------------------------


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


# --- delays --------------------------------------------------------------------------------


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


# --- names ---------------------------------------------------------------------------------


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
