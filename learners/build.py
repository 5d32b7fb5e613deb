"""From the description of a learner in a configuration to one that the fold can drive.

Whatever is built here gives the same results wherever and whenever it runs: its generators
are seeded, its sets are gone over in order, and what cannot be mended is refused.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from river import base, compose

from learners.batch import is_batch
from learners.construct import build_steps, check_parts, construct
from learners.learner import Learner, Task, bind, decides, gives_probabilities
from learners.paths import ACCEPTED, LearnerError, import_path
from learners.repairs import repair_river
from learners.sklearn import adapt

__all__ = ["Learner", "LearnerError", "Task", "build_learner", "import_path", "wrap"]


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
    """Build a fresh learner from one of a class, steps and a factory.

    Parameters
    ----------
    class_, params
        Import path of a class and its parameters. A parameter may be an object of its own:
        ``{"class": ..., "params": ...}``, ``{"steps": [...]}``, or ``{"import": ...}`` for a
        function.
    steps
        A pipeline: such tables, first step first.
    factory
        ``module:function`` that returns an estimator.
    seed
        For every part that draws random numbers and was not given a seed.
    classes
        All labels; scikit-learn's classifiers of more than two need them beforehand.

    Raises
    ------
    LearnerError
        It cannot be imported or built, does not fit the task, or could not be replayed.

    Examples
    --------
    >>> learner = build_learner(
    ...     task="binary",
    ...     steps=[
    ...         {"class": "river.preprocessing.StandardScaler"},
    ...         {"class": "river.linear_model.LogisticRegression", "params": {"l2": 0.1}},
    ...     ],
    ... )
    >>> learner.learn({"delay": 12.0}, True)
    >>> learner.predict({"delay": 12.0})
    (True, 0.5...)
    """
    repair_river()
    if factory is not None:
        estimator, name, key = _call_factory(factory), factory, "factory"
    elif steps:
        estimator, name, key = build_steps(steps, seed), str(steps[-1].get("class")), "steps"
    elif class_ is not None:
        estimator, name, key = construct(class_, params or {}, seed), class_, "class"
    else:
        raise LearnerError(f"nothing to build; accepted: {ACCEPTED}")
    check_parts(estimator, name, key)
    return bind(_fit_for(task, estimator, classes, name, key), task)


def wrap(estimator: object, task: Task, classes: Sequence[Any] | None = None) -> Learner:
    """Bind an estimator that exists, such as one that comes from a checkpoint.

    Parameters
    ----------
    estimator
        A River classifier or regressor, or a scikit-learn estimator with ``partial_fit``.
    task
        What it is for.
    classes
        All labels; scikit-learn's classifiers of more than two need them.

    Raises
    ------
    LearnerError
        It does not fit the task.
    """
    repair_river()
    return bind(_fit_for(task, estimator, classes, type(estimator).__name__, "class"), task)


def _call_factory(path: str) -> Any:
    make = import_path(path, "factory")
    if not callable(make):
        raise LearnerError(f"{path} is not a function that returns an estimator", "factory")
    try:
        return make()
    except Exception as error:  # the factory is the user's; whatever it raises is its failure
        said = f"{type(error).__name__}: {error}"
        raise LearnerError(f"{path} failed: {said}", "factory") from error


def _fit_for(task: Task, estimator: Any, classes: Sequence[Any] | None, name: str, key: str) -> Any:
    """Give the estimator, adapted if it is scikit-learn's, or say why it does not fit."""
    if isinstance(estimator, compose.Pipeline) and estimator.steps:
        last = next(reversed(estimator.steps))
        fitting = _fit_for(task, estimator.steps[last], classes, name, key)
        if is_batch(fitting):
            raise LearnerError(
                f"{name} has no partial_fit, so it cannot learn event by event at the end of "
                f"steps; name it by class, and put the steps into a scikit-learn pipeline of a "
                f"factory",
                key,
            )
        if fitting is not estimator.steps[last]:
            estimator.steps[last] = fitting
        return estimator
    if isinstance(estimator, base.Classifier if task != "regression" else base.Regressor):
        reason = _shortcoming(task, estimator)
        if reason is not None:
            raise LearnerError(f"{name} is refused: {reason}", key)
        return estimator
    learns = hasattr(estimator, "partial_fit") or hasattr(estimator, "fit")
    if learns and hasattr(estimator, "get_params"):
        return adapt(estimator, task, classes, name, key)
    kind = "regressor" if task == "regression" else "classifier"
    reason = f'is no {kind}, which task = "{task}" asks for'
    raise LearnerError(f"{name} {reason}; accepted: {ACCEPTED}", key)


def _shortcoming(task: Task, estimator: Any) -> str | None:
    """Say what a classifier or regressor of River's lacks for the task."""
    if task == "regression":
        return None
    if task == "multiclass" and not estimator._multiclass and _is_rivers(estimator):
        return (
            "it tells two classes apart, not more; put it inside "
            'river.multiclass.OneVsRestClassifier, as its parameter "classifier"'
        )
    if not gives_probabilities(estimator) and not decides(estimator):
        return "it needs the probabilities of a classifier inside it that gives none"
    return None


def _is_rivers(estimator: object) -> bool:
    """Tell whether River wrote it, and so says truly how many classes it can tell apart."""
    return type(estimator).__module__.startswith("river.")
