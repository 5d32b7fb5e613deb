"""From an import path in a configuration to a learner that the fold can drive."""

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from math import isfinite
from typing import Any, Literal, Protocol

from river import base, compose

from learners.refused import REFUSED
from learners.repairs import order_sets, repair_river

Task = Literal["binary", "multiclass", "regression"]
Features = dict[str, Any]
Answer = tuple[Any, Any]
"""A prediction, and the probability of true (binary) or of each class; None where there is none."""

_SEEDS = ("seed", "random_state")
_ACCEPTED = (
    "a River classifier or regressor (river.tree.HoeffdingTreeClassifier), a scikit-learn "
    "estimator with partial_fit (sklearn.linear_model.SGDClassifier), steps of a pipeline, or a "
    "factory of your own (my_models:build)"
)


class LearnerError(ValueError):
    """A learner cannot be built; the message says why and what would be accepted."""


class Learner(Protocol):
    """What predicts and learns.

    Attributes
    ----------
    estimator
        The plain River object, which is the whole of its state.
    """

    estimator: Any

    def predict(self, x: Features) -> Answer:
        """Give the prediction and its probability, without changing anything."""
        ...

    def learn(self, x: Features, y: Any) -> None:
        """Learn from one labelled event."""
        ...


class _Binary:
    """A classifier of true and false that predicts the likelier by its probabilities."""

    __slots__ = ("_proba", "estimator", "learn")

    def __init__(self, estimator: Any) -> None:
        self.estimator = estimator
        self.learn: Callable[[Features, Any], None] = estimator.learn_one
        self._proba: Callable[[Features], dict[Any, float]] = estimator.predict_proba_one

    def predict(self, x: Features) -> Answer:
        proba = self._proba(x)
        if not proba:
            return None, None
        return max(proba, key=proba.__getitem__), proba.get(True, 0.0)


class _Multiclass:
    """A classifier that predicts the likeliest class by its probabilities."""

    __slots__ = ("_proba", "estimator", "learn")

    def __init__(self, estimator: Any) -> None:
        self.estimator = estimator
        self.learn: Callable[[Features, Any], None] = estimator.learn_one
        self._proba: Callable[[Features], dict[Any, float]] = estimator.predict_proba_one

    def predict(self, x: Features) -> Answer:
        proba = self._proba(x)
        if not proba:
            return None, None
        return max(proba, key=proba.__getitem__), proba


class _Decider:
    """A classifier whose prediction is not simply the likeliest class, or has no probabilities."""

    __slots__ = ("_binary", "_decide", "_proba", "estimator", "learn")

    def __init__(self, estimator: Any, task: Task) -> None:
        self.estimator = estimator
        self.learn: Callable[[Features, Any], None] = estimator.learn_one
        self._decide = estimator.predict_one
        self._proba: Callable[[Features], dict[Any, float]] = estimator.predict_proba_one
        self._binary = task == "binary"

    def predict(self, x: Features) -> Answer:
        prediction = self._decide(x)
        try:
            proba = self._proba(x)
        except NotImplementedError:
            return prediction, None
        if self._binary:
            return prediction, proba.get(True, 0.0) if proba else None
        return prediction, proba or None


class _Regressor:
    """A regressor; a prediction that is no finite number is none."""

    __slots__ = ("_predict", "estimator", "learn")

    def __init__(self, estimator: Any) -> None:
        self.estimator = estimator
        self.learn: Callable[[Features, Any], None] = estimator.learn_one
        self._predict = estimator.predict_one

    def predict(self, x: Features) -> Answer:
        value = self._predict(x)
        if value is None or not isfinite(value):
            return None, None
        return float(value), None


def wrap(estimator: Any, task: Task, classes: Sequence[Any] | None = None) -> Learner:
    """Bind an estimator, as one that comes out of a checkpoint.

    Parameters
    ----------
    estimator
        A River classifier or regressor.
    task
        Which of the two is expected.
    """
    if task == "regression":
        return _Regressor(estimator)
    if not _argmax(estimator):
        return _Decider(estimator, task)
    return _Binary(estimator) if task == "binary" else _Multiclass(estimator)


def _argmax(estimator: Any) -> bool:
    """Whether `predict_one` is the likeliest class of `predict_proba_one` and no more."""
    if isinstance(estimator, compose.Pipeline):
        last = list(estimator.steps.values())[-1]
        return _argmax(last)
    cls = type(estimator)
    return (
        cls.predict_one is base.Classifier.predict_one
        and cls.predict_proba_one is not base.Classifier.predict_proba_one
    )


def build_learner(
    *,
    task: Task,
    class_: str | None = None,
    params: Mapping[str, Any] | None = None,
    steps: Sequence[Mapping[str, Any]] = (),
    factory: str | None = None,
    seed: int = 42,
    classes: Sequence[Any] | None = None,
) -> Learner:
    """Build a fresh learner from one of a class, steps or a factory.

    Parameters
    ----------
    class_, params
        Import path and parameters; a parameter that is itself a table with ``class`` (and
        ``params``) is built first.
    steps
        The same for each step of a pipeline.
    factory
        ``module:function`` that returns an estimator.
    seed
        Given to every part that draws random numbers and was not given a seed.
    classes
        All labels, for scikit-learn's classifiers with more than two.

    Raises
    ------
    LearnerError
        Something cannot be imported, built, or replayed.
    """
    repair_river()
    if params is None:
        params = {}
    if factory is not None:
        estimator = _adapt(_call_factory(factory), task, classes, factory)
    elif steps:
        parts = [_construct(str(step["class"]), step.get("params", {}), seed) for step in steps]
        last = str(steps[-1]["class"])
        estimator = compose.Pipeline(*parts[:-1], _adapt(parts[-1], task, classes, last))
    else:
        assert class_ is not None, "a class, steps or a factory"
        estimator = _adapt(_construct(class_, params or {}, seed), task, classes, class_)
    _refuse_unseeded(estimator)
    order_sets(estimator)
    return wrap(estimator, task)


def import_path(path: str) -> Any:
    """Import what a path names: ``package.module.Name`` or ``module:name``.

    Raises
    ------
    LearnerError
        There is no such thing; near names are suggested.
    """
    module_name, _, name = path.replace(":", ".").rpartition(".")
    if not module_name:
        raise LearnerError(f"{path!r} is no import path; accepted: {_ACCEPTED}")
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        raise LearnerError(_no_module(path, module_name, error)) from error
    found = getattr(module, name, None)
    if found is None:
        raise LearnerError(f"{module_name} has no {name!r}{_suggest(name, dir(module), module_name)}")
    return found


def _no_module(path: str, module: str, error: ImportError) -> str:
    top = module.partition(".")[0]
    if isinstance(error, ModuleNotFoundError) and error.name == top:
        extra = '; pip install "driftline[sklearn]"' if top == "sklearn" else (
            _suggest(top, ("river", "sklearn"), "")
        )
        return f"{path}: there is no package {top!r}{extra}"
    if top == "river":
        import river

        names = [found.name for found in pkgutil.iter_modules(river.__path__)]
        return f"{path}: {error}{_suggest(module.split('.')[1], names, 'river')}"
    return f"{path}: cannot be imported: {error}"


def _suggest(name: str, names: Sequence[str], prefix: str) -> str:
    close = get_close_matches(name, [each for each in names if not each.startswith("_")], 2, 0.5)
    dotted = " or ".join(f"{prefix}.{each}" if prefix else each for each in close)
    return f"; did you mean {dotted}?" if dotted else ""


def _construct(path: str, params: Mapping[str, Any], seed: int) -> Any:
    cls = import_path(path)
    if not isinstance(cls, type):
        raise LearnerError(f"{path} is not a class; accepted: {_ACCEPTED}")
    reason = REFUSED.get(f"{cls.__module__}.{cls.__qualname__}") or REFUSED.get(path)
    if reason:
        raise LearnerError(f"{path} is refused: {reason}")
    accepted = _parameters(cls)
    values = {name: _value(value, seed) for name, value in params.items()}
    for name in values:
        if accepted and name not in accepted and not _takes_any(cls):
            raise LearnerError(
                f"{path} has no parameter {name!r}{_suggest(name, accepted, '')}; "
                f"it takes {', '.join(accepted) or 'none'}"
            )
    for name in _SEEDS:
        if name in accepted and values.get(name) is None:
            values[name] = seed
    for name in accepted:
        if name not in values and _is_estimator(default := _default(cls, name)):
            values[name] = _seeded(default, seed)
    try:
        return cls(**values)
    except (TypeError, ValueError) as error:
        raise LearnerError(f"{path} cannot be built: {error}") from error


def _value(value: Any, seed: int) -> Any:
    """Build a nested table that names a class; leave anything else as it is."""
    if isinstance(value, Mapping) and "class" in value:
        return _construct(str(value["class"]), value.get("params", {}), seed)
    if isinstance(value, (list, tuple)):
        return type(value)(_value(each, seed) for each in value)
    return value


def _parameters(cls: type) -> list[str]:
    try:
        signature = inspect.signature(cls)
    except ValueError:
        return []
    return [n for n, p in signature.parameters.items() if p.kind not in (p.VAR_KEYWORD,)]


def _takes_any(cls: type) -> bool:
    return any(p.kind is p.VAR_KEYWORD for p in inspect.signature(cls).parameters.values())


def _default(cls: type, name: str) -> Any:
    return inspect.signature(cls).parameters[name].default


def _is_estimator(value: Any) -> bool:
    return isinstance(value, base.Base) and not isinstance(value, type)


def _seeded(estimator: Any, seed: int) -> Any:
    """Give an estimator that is another's default the seed, where it takes one."""
    accepted = [name for name in _SEEDS if name in _parameters(type(estimator))]
    wanted = {name: seed for name in accepted if getattr(estimator, name, 0) is None}
    return estimator.clone(wanted) if wanted else estimator


def _call_factory(path: str) -> Any:
    made = import_path(path)
    if not callable(made):
        raise LearnerError(f"{path} is not a function that returns an estimator")
    return made()


def _adapt(estimator: Any, task: Task, classes: Sequence[Any] | None, path: str) -> Any:
    """Make sure the estimator fits the task; scikit-learn's are given their adapter."""
    wanted = base.Regressor if task == "regression" else base.Classifier
    if isinstance(estimator, compose.Pipeline):
        last = list(estimator.steps.values())[-1]
        if isinstance(last, wanted):
            return estimator
        raise LearnerError(f"{path}: its last step is no {_kind(task)}")
    if isinstance(estimator, wanted):
        if task == "multiclass" and not estimator._multiclass:
            raise LearnerError(
                f"{path} knows two classes only; for more, wrap it: class = "
                f'"river.multiclass.OneVsRestClassifier", params = {{ classifier = '
                f'{{ class = "{path}" }} }}'
            )
        return estimator
    if hasattr(estimator, "partial_fit") and hasattr(estimator, "get_params"):
        from learners.sklearn import adapt

        return adapt(estimator, task, classes, path)
    if hasattr(estimator, "fit") and hasattr(estimator, "get_params"):
        raise LearnerError(f"{path} has no partial_fit, so it cannot learn event by event; "
                           f"accepted: {_ACCEPTED}")
    raise LearnerError(f"{path} is no {_kind(task)}; accepted for task = \"{task}\": {_ACCEPTED}")


def _kind(task: Task) -> str:
    return "regressor" if task == "regression" else "classifier"


def _refuse_unseeded(estimator: Any) -> None:
    for owner in _owners(estimator, set()):
        for name in _SEEDS:
            if name in _parameters(type(owner)) and getattr(owner, name, 0) is None:
                raise LearnerError(
                    f"{type(owner).__name__} draws random numbers and has no {name}, so no replay "
                    f"would give the same; give it one"
                )


def _owners(obj: Any, seen: set[int]) -> Iterator[Any]:
    """Go through the estimators that an estimator was built of."""
    if id(obj) in seen:
        return
    seen.add(id(obj))
    if isinstance(obj, base.Estimator):
        yield obj
        children: list[Any] = list(vars(obj).values())
    elif isinstance(obj, Mapping):
        children = list(obj.values())
    elif isinstance(obj, (list, tuple)):
        children = list(obj)
    else:
        return
    for child in children:
        yield from _owners(child, seen)
