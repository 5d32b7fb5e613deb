"""What a checkpoint may load, what it may not, and how small and fast it is."""

import contextlib
import io
import operator
import os
import pickle
import sys
import time
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from river import (
    drift,
    ensemble,
    evaluate,
    linear_model,
    neighbors,
    preprocessing,
    proba,
    stream,
    tree,
)
from river.datasets import synth

from stream.core.canonical import canonical_digest
from stream.core.errors import CheckpointError
from stream.state.pickling import allow_list_of, dumps, loads

ALLOWED = allow_list_of(tree.HoeffdingTreeClassifier())


class Calls:
    """Pickles as a call of something."""

    def __init__(self, function: Any, *args: Any) -> None:
        self.call = function, args

    def __reduce__(self) -> Any:
        return self.call


def named(module: str, name: str, *args: str) -> bytes:
    """Write by hand the pickle that calls a name with texts."""

    def text(value: str) -> bytes:
        return b"\x8c" + bytes([len(value)]) + value.encode()

    call = b"(" + b"".join(map(text, args)) + b"tR" if args else b""
    return b"\x80\x05" + text(module) + text(name) + b"\x93" + call + b"."


@pytest.mark.parametrize(
    "call",
    [
        Calls(os.system, "touch PROOF"),
        Calls(eval, "open('PROOF', 'w')"),
        Calls(exec, "open('PROOF', 'w')"),
        Calls(open, "PROOF", "w"),
        Calls(getattr, tree.HoeffdingTreeClassifier, "__init__"),
        Calls(__import__, "os"),
        Calls(partial(os.system, "touch PROOF")),
        Calls(operator.attrgetter("__init__.__globals__"), tree.HoeffdingTreeClassifier),
        Calls(operator.methodcaller("system", "touch PROOF"), Calls(__import__, "os")),
        Calls(stream.Cache, "PROOF"),
        Calls(stream.iter_csv, "PROOF"),
        Calls(evaluate.progressive_val_score, [], None, None),
        Calls(pickle.loads, pickle.dumps(Calls(os.system, "touch PROOF"))),
        Calls(np.load, "PROOF"),
        Calls(np.save, "PROOF", [1]),
        Calls(map, os.system, ["touch PROOF"]),
        Calls(type, "Made", (), {}),
    ],
    ids=lambda call: getattr(call.call[0], "__name__", "call"),
)
def test_a_call_of_anything_else_is_refused_before_it_runs(call, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for data in (pickle.dumps([call], 5), pickle.dumps({"deep": (call, 1)}, 0)):
        with pytest.raises(CheckpointError, match=r"a checkpoint names \S+, which .* do not trust"):
            loads(data, ALLOWED)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("posix", "system"),
        ("subprocess", "Popen"),
        ("builtins", "getattr"),
        ("builtins", "vars"),
        ("builtins", "type"),
        ("types", "CodeType"),
        ("importlib", "import_module"),
        ("copyreg", "_reconstructor"),
        ("river.tree", "base"),
        ("river.tree.hoeffding_tree_classifier", "HoeffdingTreeClassifier.__init__.__globals__"),
        ("river.tree.hoeffding_tree_classifier", "HoeffdingTreeClassifier.__subclasses__"),
        ("river.tree.hoeffding_tree_classifier", "HoeffdingTreeClassifier.learn_one"),
        ("river.tree.hoeffding_tree_classifier", "DrawTree"),
        ("river.stream.cache", "Cache"),
        ("river.stream.cache", "os.system"),
        ("river.datasets.base", "RemoteDataset"),
        ("river.utils.pretty", "humanize_bytes"),
        ("numpy", "fromfile"),
        ("numpy", "memmap"),
        ("numpy.f2py", "compile"),
        ("stream.state.pickling", "dumps"),
        ("stream.state.pickling", "sys.modules"),
        ("no.such.module", "anything"),
    ],
)
def test_only_exact_names_of_the_list_are_looked_up(module, name):
    before = set(sys.modules)
    with pytest.raises(CheckpointError, match=f"names {module}.{name}"):
        loads(named(module, name), ALLOWED)
    assert set(sys.modules) == before


def test_the_list_holds_classes_and_a_few_functions_that_rebuild():
    functions = set()
    for module, name in ALLOWED.names:
        if module.partition(".")[0] == "sklearn":
            continue  # may not be installed; its names are classes, and the contract test uses them
        found = operator.attrgetter(name)(__import__(module, fromlist=["x"]))
        if not isinstance(found, type) and module != "math":
            functions.add(f"{module}.{name}")
        assert f"{found.__module__}.{found.__qualname__}" == f"{module}.{name}" or name.islower()
    assert functions == {
        "builtins.iter",
        "builtins.max",
        "builtins.min",
        "copy.deepcopy",
        "numpy._core.multiarray._reconstruct",
        "numpy._core.multiarray.scalar",
        "numpy._core.numeric._frombuffer",
        "numpy.random._pickle.__bit_generator_ctor",
        "numpy.random._pickle.__generator_ctor",
        "numpy.random._pickle.__randomstate_ctor",
        "numpy.random.bit_generator.__pyx_unpickle_SeedSequence",
        "re._compile",
        "river.metrics.mutual_info._average_arithmetic",
        "river.metrics.mutual_info._average_geometric",
        "river.tree.splitter.ebst_splitter.EBSTNode._update_estimator_multivariate",
        "river.tree.splitter.ebst_splitter.EBSTNode._update_estimator_univariate",
        "river.tree.splitter.nominal_splitter_reg.NominalSplitterReg._update_estimator_multivariate",
        "river.tree.splitter.nominal_splitter_reg.NominalSplitterReg._update_estimator_univariate",
        "river.tree.splitter.qo_splitter.Slot._update_estimator_multivariate",
        "river.tree.splitter.qo_splitter.Slot._update_estimator_univariate",
        "stream.state.pickling.bound",
        "stream.state.pickling.grown",
        "stream.state.pickling.text_method",
    }


class Leaf:
    """Turns up while `Bush` learns; a fresh one has none."""


class Bush(linear_model.LogisticRegression):
    """A class of the user's own."""

    leaf: Leaf | None = None

    def learn_one(self, x: Any, y: Any, w: Any = 1.0) -> None:
        super().learn_one(x, y, w)
        self.leaf = Leaf()


def test_classes_of_the_users_own_module_are_allowed_for_that_user_alone():
    model = Bush()
    allowed = allow_list_of(Bush())
    model.learn_one({"a": 1.0}, True)
    assert isinstance(loads(dumps(model), allowed), Bush)
    with pytest.raises(CheckpointError, match=r"test_pickling\.Bush"):
        loads(dumps(model), ALLOWED)


def test_what_the_configuration_holds_opens_nothing_of_the_standard_library():
    model = linear_model.LogisticRegression()
    vars(model)["hook"] = os.system
    with pytest.raises(CheckpointError, match=r"posix.system"):
        loads(dumps(model), allow_list_of(model))


def test_functions_are_allowed_when_the_configured_learner_holds_them():
    engine = neighbors.LazySearch(window_size=3, dist_func=partial(distance, power=3))
    model = neighbors.KNNClassifier(engine=engine)
    again = loads(dumps(model), allow_list_of(model))
    assert canonical_digest(again) == canonical_digest(model)
    with pytest.raises(CheckpointError, match=r"test_pickling.distance"):
        loads(dumps(model), ALLOWED)


def distance(a: Any, b: Any, power: int) -> float:
    return float(sum(abs(a[0][name] - b[0][name]) ** power for name in a[0]))


def test_methods_of_texts_come_back_but_only_the_plain_ones():
    assert loads(dumps([str.lower]), ALLOWED) == [str.lower]
    with pytest.raises(CheckpointError, match=r"str\.format_map is not on the list"):
        loads(named("stream.state.pickling", "text_method", "format_map"), ALLOWED)


class Clock:
    def __init__(self) -> None:
        self.tick = self.strike

    def strike(self) -> "Clock":
        return self


def test_bound_methods_come_back_without_getattr():
    clock = Clock()
    again = loads(dumps(clock), allow_list_of(clock))
    assert isinstance(again, Clock)
    assert again.tick() is again


@pytest.mark.parametrize(
    "bad",
    [lambda: 1, [].append, sys.__stdout__, (n for n in "a")],
    ids=["lambda", "method of a built-in", "file", "generator"],
)
def test_what_cannot_be_pickled_says_so(bad):
    with pytest.raises(CheckpointError, match="a list cannot be written to a checkpoint"):
        dumps([bad])


def grown(events: int) -> tree.HoeffdingTreeClassifier:
    model = tree.HoeffdingTreeClassifier(grace_period=50, delta=0.1, tau=0.2)
    for x, y in synth.Agrawal(seed=1).take(events):
        model.learn_one(x, bool(y))
    return model


def test_a_tree_without_its_unused_generators_is_small_and_quick():
    model = grown(5000)
    data, plain = dumps(model), pickle.dumps(model, 5)
    assert len(data) < len(plain) / 10
    assert len(data) < 50_000
    times = []
    for _ in range(5):
        start = time.perf_counter()
        dumps(model)
        canonical_digest(model)
        times.append(time.perf_counter() - start)
    assert min(times) < 0.01
    again = loads(data, ALLOWED)
    assert canonical_digest(again) == canonical_digest(model)


def test_generators_that_are_used_come_back_as_they_were():
    used, unused = proba.Gaussian(seed=3), proba.Gaussian()
    for each in (used, unused):
        each.update(1.0)
        each.update(2.0)
    again = loads(dumps([used, unused]), ALLOWED)
    assert isinstance(again, list)
    assert [again[0].sample() for _ in "abc"] == [used.sample() for _ in "abc"]
    assert isinstance(again[1].sample(), float)
    assert dumps([used]) == dumps([used])


def test_an_ensemble_without_a_seed_draws_and_so_keeps_its_generator():
    model = ensemble.BaggingClassifier(linear_model.LogisticRegression())
    again: Any = loads(dumps(model), ALLOWED)
    assert canonical_digest(again) == canonical_digest(model)
    assert [again._rng.random() for _ in "abc"] == [model._rng.random() for _ in "abc"]


@pytest.mark.parametrize(
    "make",
    [
        lambda: (tree.HoeffdingTreeRegressor(grace_period=10**9), float),
        lambda: (
            tree.HoeffdingTreeClassifier(
                grace_period=10**9, splitter=tree.splitter.ExhaustiveSplitter()
            ),
            str,
        ),
    ],
    ids=["regressor", "classifier"],
)
def test_a_feature_that_only_grows_is_no_limit(make):
    model, label = make()
    for number in range(3000):
        model.learn_one({"clock": float(number)}, label(number % 5))
    again: Any = loads(dumps(model), ALLOWED)
    assert canonical_digest(again) == canonical_digest(model)
    for each in (model, again):
        each.learn_one({"clock": 1500.25}, label(1))
    assert canonical_digest(again) == canonical_digest(model)


def test_depth_beyond_the_limit_is_an_error_and_no_crash():
    deep: list[Any] = []
    for _ in range(300_000):
        deep = [deep]
    limit = sys.getrecursionlimit()
    with pytest.raises(CheckpointError, match="recursion"):
        dumps(deep)
    assert sys.getrecursionlimit() == limit


DATA = dumps([grown(300), preprocessing.StandardScaler(), drift.NoDrift()])


def test_every_cut_is_an_error_with_a_way_out():
    for length in range(0, len(DATA), 7):
        with pytest.raises(CheckpointError, match=r"replay with --fresh"):
            loads(DATA[:length], ALLOWED)


@settings(deadline=None, max_examples=300)
@given(st.integers(0, len(DATA) - 1), st.integers(0, 255))
def test_a_changed_byte_is_a_checkpoint_error_or_another_value(place, byte):
    changed = bytearray(DATA)
    changed[place] = byte
    with contextlib.suppress(CheckpointError):
        loads(bytes(changed), ALLOWED)


def test_nothing_is_written_that_another_pickler_could_not_read():
    model = grown(300)
    again = pickle.Unpickler(io.BytesIO(dumps(model))).load()
    assert canonical_digest(again) == canonical_digest(model)
