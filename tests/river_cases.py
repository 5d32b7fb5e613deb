"""Every River learner in a form that a configuration can name, and small streams to feed it.

Run as a module it prints, for each case, the digest of what the learner predicted and of the
state it ended in: under another PYTHONHASHSEED they have to be the same.
"""

import copy
import inspect
import random
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import orjson
from river import api, base, drift, metrics

from learners.build import Learner, Task, build_learner
from learners.refused import reason_against
from stream.core.canonical import canonical_digest

SEED = 7
Stream = Iterator[tuple[dict[str, Any], Any]]

HOEFFDING = {"class": "river.tree.HoeffdingTreeClassifier", "params": {"grace_period": 20}}
EAGER = {"grace_period": 20, "delta": 0.4, "tau": 0.4}
LOGISTIC = {"class": "river.linear_model.LogisticRegression"}
LINEAR = {"class": "river.linear_model.LinearRegression"}
SCALED = {"steps": [{"class": "river.preprocessing.StandardScaler"}, LINEAR]}
HALF = {False: 0.5, True: 0.5}
THIRDS = {"high": 0.3, "low": 0.4, "mid": 0.3}
POLICY = {"class": "river.bandit.EpsilonGreedy", "params": {"epsilon": 0.2}}
SLOWER = {
    "class": "river.linear_model.LinearRegression",
    "params": {"optimizer": {"class": "river.optim.SGD", "params": {"lr": 0.001}}},
}
TWO = {"models": [LINEAR, SLOWER], "metric": {"class": "river.metrics.MAE"}}
TWO_CLASSIFIERS = {
    "models": [LOGISTIC, {"class": "river.linear_model.Perceptron"}],
    "metric": {"class": "river.metrics.Accuracy"},
}

# Parameters where River's own for tests are missing, or cannot be written in a configuration.
PARAMS: dict[str, dict[str, Any]] = {
    "river.compose.TargetTransformRegressor": {
        "regressor": LINEAR,
        "func": {"import": "math.tanh"},
        "inverse_func": {"import": "math.sin"},
    },
    "river.imblearn.RandomOverSampler": {"classifier": HOEFFDING, "desired_dist": HALF},
    "river.imblearn.RandomSampler": {"classifier": HOEFFDING, "desired_dist": HALF},
    "river.imblearn.RandomUnderSampler": {"classifier": HOEFFDING, "desired_dist": HALF},
    "river.model_selection.BanditClassifier": {**TWO_CLASSIFIERS, "policy": POLICY},
    "river.model_selection.BanditRegressor": {**TWO, "policy": POLICY},
    "river.model_selection.GreedyRegressor": TWO,
    "river.model_selection.SuccessiveHalvingClassifier": {**TWO_CLASSIFIERS, "budget": 60},
    "river.model_selection.SuccessiveHalvingRegressor": {**TWO, "budget": 60},
    "river.preprocessing.TargetMinMaxScaler": {"regressor": LINEAR},
    "river.preprocessing.TargetStandardScaler": {"regressor": LINEAR},
}

NOT_HERE = set() if sys.version_info >= (3, 14) else {"river.misc.ZstdClassifier"}
"""What River itself has not for this Python."""

BINARY_ONLY = {"river.model_selection.SuccessiveHalvingClassifier"}
"""Says it can tell many classes apart, whatever its models can."""

TEXT_TOO = {
    "river.dummy.NoChangeClassifier",
    "river.dummy.PriorClassifier",
    "river.dummy.StatisticRegressor",
    "river.facto.FFMClassifier",
    "river.facto.FMRegressor",
    "river.facto.FwFMClassifier",
    "river.facto.HOFMRegressor",
    "river.linear_model.AdPredictor",
    "river.tree.SGTClassifier",
    "river.tree.SGTRegressor",
}
COUNTS = {"river.naive_bayes.ComplementNB", "river.naive_bayes.MultinomialNB"}


@dataclass(frozen=True)
class Case:
    """A learner as a configuration describes it, and the kind of stream it takes."""

    name: str
    task: Task
    stream: str
    description: Mapping[str, Any]

    def build(self) -> Learner:
        description = copy.deepcopy(dict(self.description))  # it may hold untrained objects
        return build_learner(task=self.task, seed=SEED, **description)

    def events(self, count: int) -> Stream:
        return events(self.task, self.stream, count)


def events(task: Task, kind: str, count: int) -> Stream:
    """Give events in which features are missing, come late, and (mixed) are texts and bools."""
    draw = random.Random(3)
    for number in range(count):
        x: dict[str, Any] = {"amount": draw.gauss(0, 1), "age": draw.randint(1, 90) / 30}
        if kind == "steady" or draw.random() < 0.9:
            x["speed"] = draw.random() * 2
        if kind != "steady" and number > count // 2:
            x["late"] = draw.random()
        if kind == "counts":
            x = {name: int(abs(value) * 3) for name, value in x.items()}
        value = x["amount"] + x["age"] / 2 + draw.gauss(0, 0.3)
        if kind == "mixed":
            x["town"] = draw.choice(["Oslo", "Rome", "Kyiv", "Lima", "Bonn"])
            x["kind"] = draw.choice("xyz")
            x["flag"] = draw.random() < 0.5
            x["note"] = " ".join(draw.choices(["late", "snow", "crew", "fuel", "strike"], k=4))
            value += 2 * (x["town"] in ("Oslo", "Kyiv"))
        yield x, _label(task, value)


def _label(task: Task, value: float) -> Any:
    if task == "regression":
        return value
    if task == "binary":
        return value > 1
    return "high" if value > 2 else "mid" if value > 0.5 else "low"


def public(kind: type) -> Iterator[tuple[str, type]]:
    """Give import path and class of all public, concrete classes of River of a kind."""
    seen = set()
    for space, module in inspect.getmembers(api, inspect.ismodule):
        for name, cls in inspect.getmembers(module, inspect.isclass):
            fits = issubclass(cls, kind) and cls.__module__.startswith("river.")
            if fits and not inspect.isabstract(cls) and cls not in seen and space != "base":
                seen.add(cls)
                yield f"river.{space}.{name}", cls


def every_case() -> list[Case]:
    """Give all cases, each under a name of its own."""
    return [*learners(), *transformers(), *scikit_learners()]


def learners() -> Iterator[Case]:
    """Give a case for each classifier and regressor that is not refused, and for each task."""
    for kind in (base.Classifier, base.Regressor):
        for path, cls in public(kind):
            if path in NOT_HERE or reason_against(cls) is not None:
                continue
            for number, params in enumerate(_params(path, cls)):
                yield from _cases(path, cls, number, params)
    yield from more_learners()


def _params(path: str, cls: Any) -> list[dict[str, Any]]:
    return [PARAMS[path]] if path in PARAMS else list(cls._unit_test_params())


def _cases(path: str, cls: Any, number: int, params: dict[str, Any]) -> Iterator[Case]:
    name = f"{path.removeprefix('river.')}-{number}"
    kind = "counts" if path in COUNTS else "numbers"
    tasks: list[Task] = ["regression"] if issubclass(cls, base.Regressor) else ["binary"]
    if tasks == ["binary"] and path not in BINARY_ONLY and _tells_many(path, params):
        tasks.append("multiclass")
    for task in tasks:
        if task == "multiclass" and "desired_dist" in params:
            params = {**params, "desired_dist": THIRDS}
        description = {"class_": path, "params": params}
        yield Case(f"{name}-{task}", task, kind, description)
        if path in TEXT_TOO:
            yield Case(f"{name}-{task}-mixed", task, "mixed", description)


def _tells_many(path: str, params: dict[str, Any]) -> bool:
    estimator = build_learner(task="binary", class_=path, params=params, seed=SEED).estimator
    return bool(estimator._multiclass)


def more_learners() -> Iterator[Case]:
    """Give cases in which much happens in few events: splits, drifts, resets, text features."""
    trees: list[tuple[str, str, dict[str, Any]]] = [
        ("HoeffdingTreeClassifier", "multiclass", EAGER),
        ("HoeffdingTreeClassifier", "binary", EAGER | {"binary_split": True}),
        ("HoeffdingTreeClassifier", "binary", EAGER | {"leaf_prediction": "mc"}),
        ("HoeffdingTreeClassifier", "multiclass", EAGER | {"nominal_attributes": ["age"]}),
        ("ExtremelyFastDecisionTreeClassifier", "multiclass", EAGER),
        ("HoeffdingAdaptiveTreeClassifier", "multiclass", EAGER | {"drift_window_threshold": 10}),
        ("LASTClassifier", "multiclass", {}),
        ("HoeffdingTreeRegressor", "regression", EAGER | {"leaf_prediction": "mean"}),
        ("HoeffdingAdaptiveTreeRegressor", "regression", EAGER | {"leaf_prediction": "mean"}),
        ("SGTClassifier", "binary", {"grace_period": 20, "delta": 0.5}),
    ]
    for number, (name, task, params) in enumerate(trees):
        description = {"class_": f"river.tree.{name}", "params": params}
        yield Case(f"eager-{name}-{number}", task, "mixed", description)  # type: ignore[arg-type]
    for name in ("EBSTSplitter", "TEBSTSplitter", "QOSplitter"):
        params = EAGER | {"splitter": {"class": f"river.tree.splitter.{name}"}}
        description = {"class_": "river.tree.HoeffdingTreeRegressor", "params": params}
        yield Case(f"eager-{name}", "regression", "numbers", description)
    for name in ("ExhaustiveSplitter", "HistogramSplitter", "GaussianSplitter"):
        params = EAGER | {"splitter": {"class": f"river.tree.splitter.{name}"}}
        description = {"class_": "river.tree.HoeffdingTreeClassifier", "params": params}
        yield Case(f"eager-{name}", "multiclass", "mixed", description)
    for name, task in (("ARFClassifier", "multiclass"), ("ARFRegressor", "regression")):
        params = {"n_models": 3, "grace_period": 20, "delta": 0.4, "tau": 0.4}
        description = {"class_": f"river.forest.{name}", "params": params}
        kind = "mixed" if task == "multiclass" else "numbers"
        yield Case(f"eager-{name}", task, kind, description)  # type: ignore[arg-type]
    swinn = {
        "class": "river.neighbors.SWINN",
        "params": {"warm_up": 30, "maxlen": 60, "graph_k": 4},
    }
    for task, params in (("multiclass", {"engine": swinn, "cleanup_every": 20}), ("binary", {})):
        description = {"class_": "river.neighbors.KNNClassifier", "params": params}
        yield Case(f"graph-KNNClassifier-{task}", task, "numbers", description)  # type: ignore[arg-type]
    rules = {"n_min": 20, "delta": 0.4, "tau": 0.4, "pred_type": "mean"}
    yield Case(
        "eager-AMRules", "regression", "numbers", {"class_": "river.rules.AMRules", "params": rules}
    )


def transformers() -> Iterator[Case]:
    """Give a pipeline for each way in which River changes features."""
    numbers = [
        "feature_extraction.PolynomialExtender", "feature_extraction.RBFSampler",
        "feature_selection.VarianceThreshold", "preprocessing.AdaptiveStandardScaler",
        "preprocessing.Binarizer", "preprocessing.GaussianRandomProjector",
        "preprocessing.MaxAbsScaler", "preprocessing.MinMaxScaler", "preprocessing.Normalizer",
        "preprocessing.PreviousImputer", "preprocessing.RobustScaler",
        "preprocessing.SparseRandomProjector", "preprocessing.StandardScaler",
    ]  # fmt: skip
    for name in numbers:
        yield _pipeline(name, "numbers", {"class": f"river.{name}"})
    number = {
        "class": "river.compose.SelectType",
        "params": {"types": [{"import": "builtins.float"}]},
    }
    text = {"class": "river.compose.SelectType", "params": {"types": [{"import": "builtins.str"}]}}
    one_hot = {"class": "river.preprocessing.OneHotEncoder"}
    prior = {"class": "river.stats.BayesianMean", "params": {"prior": 0.5, "prior_weight": 5}}
    named = {"keys": ["town", "amount", "kind"]}
    yield from (
        _pipeline("select", "mixed", {"class": "river.compose.Select", "params": named}, one_hot),
        _pipeline("discard", "mixed", {"class": "river.compose.Discard", "params": named}, one_hot),
        _pipeline("union", "mixed", {
            "class": "river.compose.TransformerUnion",
            "params": {"transformers": [number, {"steps": [text, one_hot]}]},
        }),
        _pipeline("product", "mixed", {
            "class": "river.compose.TransformerProduct",
            "params": {"transformers": [number, {"steps": [text, one_hot]}]},
        }),
        _pipeline("one-hot", "mixed", one_hot),
        _pipeline("ordinal", "mixed", {"class": "river.preprocessing.OrdinalEncoder"}),
        _pipeline("hasher", "mixed", {
            "class": "river.preprocessing.FeatureHasher", "params": {"n_features": 50},
        }),
        _pipeline("bag of words", "mixed", {
            "class": "river.feature_extraction.BagOfWords", "params": {"on": "note"},
        }),
        _pipeline("tfidf", "mixed", {
            "class": "river.feature_extraction.TFIDF", "params": {"on": "note"},
        }),
        _pipeline("lda", "mixed", {
            "class": "river.preprocessing.LDA", "params": {"n_components": 3},
        }, before=[{"class": "river.feature_extraction.BagOfWords", "params": {"on": "note"}}]),
        _pipeline("gap", "mixed", {
            "class": "river.preprocessing.GapEncoder", "params": {"n_components": 3, "on": "note"},
        }),
        _pipeline("target mean", "mixed", {
            "class": "river.feature_extraction.TargetAgg", "params": {"by": "town", "how": prior},
        }),
        _pipeline("mean by town", "mixed", {"class": "river.feature_extraction.Agg", "params": {
            "on": "amount", "by": "town", "how": {"class": "river.stats.Mean"},
        }}),
        _pipeline("k best", "numbers", {"class": "river.feature_selection.SelectKBest", "params": {
            "similarity": {"class": "river.stats.PearsonCorr"}, "k": 2,
        }}),
        _pipeline("poisson", "numbers", {
            "class": "river.feature_selection.PoissonInclusion", "params": {"p": 0.1},
        }),
        _pipeline("anomalies", "numbers", {"class": "river.anomaly.QuantileFilter", "params": {
            "anomaly_detector": {"class": "river.anomaly.HalfSpaceTrees"}, "q": 0.9,
        }}),
        _pipeline("prefix", "numbers", {
            "class": "river.compose.Prefixer", "params": {"prefix": "p_"},
        }),
    )  # fmt: skip


def _pipeline(
    name: str, kind: str, *steps: Mapping[str, Any], before: list[Mapping[str, Any]] | None = None
) -> Case:
    all_steps = [*(before or []), *steps, LOGISTIC]
    return Case(f"pipeline of {name}", "binary", kind, {"steps": all_steps})


def scikit_learners() -> Iterator[Case]:
    """Give the estimators of scikit-learn that learn by `partial_fit`."""
    named: list[tuple[str, Task, dict[str, Any]]] = [
        ("linear_model.SGDClassifier", "binary", {"loss": "log_loss"}),
        ("linear_model.SGDClassifier", "multiclass", {"loss": "modified_huber", "average": True}),
        ("linear_model.SGDClassifier", "binary", {"loss": "squared_hinge"}),
        ("linear_model.SGDClassifier", "binary", {"loss": "huber"}),
        ("linear_model.SGDClassifier", "binary", {"loss": "squared_error"}),
        ("linear_model.SGDClassifier", "binary", {"loss": "epsilon_insensitive"}),
        ("linear_model.SGDClassifier", "binary", {"loss": "squared_epsilon_insensitive"}),
        ("linear_model.SGDRegressor", "regression", {"loss": "huber"}),
        ("linear_model.Perceptron", "multiclass", {}),
        ("naive_bayes.BernoulliNB", "binary", {}),
        ("naive_bayes.MultinomialNB", "multiclass", {}),
        ("naive_bayes.ComplementNB", "binary", {}),
        ("neural_network.MLPClassifier", "multiclass", {"hidden_layer_sizes": [4]}),
        ("neural_network.MLPClassifier", "binary", {"hidden_layer_sizes": [4], "solver": "sgd"}),
        ("neural_network.MLPRegressor", "regression", {"hidden_layer_sizes": [4]}),
    ]
    for number, (name, task, params) in enumerate(named):
        description: dict[str, Any] = {"class_": f"sklearn.{name}", "params": params}
        if task == "multiclass":
            description["classes"] = ["high", "low", "mid"]
        kind = "counts" if name.endswith(("MultinomialNB", "ComplementNB")) else "mixed"
        yield Case(f"sklearn.{name}-{number}", task, kind, description)


def detectors() -> Iterator[tuple[str, Any]]:
    """Give a fresh detector of each kind; the seeds are those that the configuration gives."""
    for path, cls in (*public(base.DriftDetector), *_in("river.drift.binary", drift.binary)):
        params: dict[str, Any] = (
            {"seed": SEED} if "seed" in inspect.signature(cls).parameters else {}
        )
        yield path, cls(**params)


def scores() -> Iterator[tuple[str, Any]]:
    """Give a fresh metric of each kind."""
    betas: dict[str, dict[str, Any]] = {
        name: {"beta": 2.0} for name in ("FBeta", "MacroFBeta", "MicroFBeta", "WeightedFBeta")
    }
    betas["MultiFBeta"] = {
        "betas": {"high": 1, "mid": 2, "low": 0.5}, "weights": {"high": 1, "mid": 1, "low": 3},
    }  # fmt: skip
    for path, cls in public(metrics.base.Metric):
        yield path, cls(**betas.get(cls.__name__, {}))


def _in(space: str, module: Any) -> Iterator[tuple[str, type]]:
    for name, cls in inspect.getmembers(module, inspect.isclass):
        if not inspect.isabstract(cls):
            yield f"{space}.{name}", cls


def fold(learner: Learner, stream: Stream) -> list[Any]:
    """Predict and learn, event by event; give the predictions."""
    answers = []
    for x, y in stream:
        answers.append(learner.predict(dict(x)))
        learner.learn(dict(x), y)
    return answers


def main(count: int) -> None:
    """Print what each case comes to."""
    found = {}
    for case in every_case():
        learner = case.build()
        answers = repr(fold(learner, case.events(count))).encode()
        found[case.name] = [sha256(answers).hexdigest(), canonical_digest(learner.estimator)]
    sys.stdout.buffer.write(orjson.dumps(found))


if __name__ == "__main__":
    main(int(sys.argv[1]))
