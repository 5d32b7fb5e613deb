"""Which metrics a task can have, by their names in `river.metrics`, and how each is reckoned.

A metric is one of five kinds. Nearly all classification metrics are functions of the
confusion matrix alone: the scorer counts its cells, and River's own object reads the value.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from inspect import Parameter, isclass, signature
from typing import Any, Literal, get_args

from river import metrics
from river.metrics import base

from stream.core.losses import BINARY_LOSSES, MULTICLASS_LOSSES, REGRESSION_LOSSES
from stream.core.records import Task

Kind = Literal["confusion", "loss", "r2", "roc", "rolling"]
"""Read from the confusion matrix; a mean of losses; R2; ROC AUC; River's own short window."""

DEFAULT_METRICS: dict[Task, tuple[str, ...]] = {
    "binary": ("Accuracy", "BalancedAccuracy", "F1", "CohenKappa", "LogLoss", "ROCAUC"),
    "multiclass": ("Accuracy", "MacroF1", "CohenKappa", "CrossEntropy"),
    "regression": ("MAE", "RMSE", "R2"),
}
_LOSSES: dict[Task, Iterable[str]] = {
    "binary": BINARY_LOSSES,
    "multiclass": MULTICLASS_LOSSES,
    "regression": REGRESSION_LOSSES,
}
_COUNTING_UPDATES = (base.ClassificationMetric.update, base.BinaryMetric.update)


@dataclass(frozen=True, slots=True)
class Plan:
    """The metrics of one scorer, in the order they were asked for.

    Attributes
    ----------
    task
        What is predicted.
    kinds
        How each metric is reckoned, by its name.
    """

    task: Task
    kinds: dict[str, Kind]

    def of(self, *kinds: Kind) -> tuple[str, ...]:
        """Give the names of the metrics of these kinds."""
        return tuple(name for name, kind in self.kinds.items() if kind in kinds)

    def in_order(self, values: dict[str, float | None]) -> dict[str, float | None]:
        """Put values, perhaps not of every metric, in the order the metrics were asked for."""
        return {name: values[name] for name in self.kinds if name in values}


def plan_metrics(task: Task, names: Sequence[str] | None = None) -> Plan:
    """Find out how each metric is reckoned.

    Parameters
    ----------
    task
        What is predicted.
    names
        Classes of `river.metrics`; the task's defaults when None.

    Raises
    ------
    ValueError
        When the task is unknown, or a name is not a metric that fits it; says why, and
        what is near.

    Examples
    --------
    >>> plan_metrics("regression", ["MAE", "R2"]).kinds
    {'MAE': 'loss', 'R2': 'r2'}
    >>> plan_metrics("binary", ["Acuracy"])
    Traceback (most recent call last):
    ValueError: river.metrics has no 'Acuracy'; did you mean Accuracy or BalancedAccuracy?
    """
    if task not in get_args(Task):
        raise ValueError(f"task is {task!r}; it has to be one of {', '.join(get_args(Task))}")
    chosen = DEFAULT_METRICS[task] if names is None else names
    return Plan(task, {name: _checked_kind(task, name) for name in chosen})


def fitting_metrics(task: Task) -> list[str]:
    """List the names of all metrics of `river.metrics` that fit a task."""
    return [name for name in sorted(set(metrics.__all__)) if not isinstance(_kind(task, name), str)]


def _checked_kind(task: Task, name: str) -> Kind:
    kind = _kind(task, name)
    if isinstance(kind, _Fits):
        return kind.kind
    raise ValueError(f"{kind}; {_suggestion(task, name)}")


@dataclass(frozen=True, slots=True)
class _Fits:
    kind: Kind


def _kind(task: Task, name: str) -> _Fits | str:
    """Give how a metric is reckoned, or why it cannot be."""
    found = getattr(metrics, name, None)
    if not isclass(found) or name not in metrics.__all__:
        return f"river.metrics has no {name!r}"
    misfit = _misfit(task, found)
    if misfit:
        return f"{name} {misfit}"
    needed = _needed_parameters(found)
    if needed:
        return f"{name} needs parameters ({', '.join(needed)}), and a name cannot carry any"
    if name in _LOSSES[task]:
        return _Fits("loss")
    own: dict[str, Kind] = {
        "R2": "r2", "ROCAUC": "roc", "RollingROCAUC": "rolling", "RollingPRAUC": "rolling",
    }  # fmt: skip
    if name in own:
        return _Fits(own[name])
    if not _reads_confusion(found):
        return f"{name} has no single number to report"
    return _Fits("confusion")


def _misfit(task: Task, metric: type[Any]) -> str | None:
    if not issubclass(metric, base.Metric):
        return "scores clusterings, not predictions"
    if task == "regression":
        return None if issubclass(metric, base.RegressionMetric) else "scores classes, not numbers"
    if issubclass(metric, base.RegressionMetric):
        return "scores numbers, not classes"
    if task == "multiclass" and issubclass(metric, base.BinaryMetric):
        return "scores true against false, not many classes"
    return None


def _needed_parameters(metric: type[Any]) -> list[str]:
    return [
        name
        for name, parameter in signature(metric).parameters.items()
        if parameter.default is Parameter.empty
        and parameter.kind not in (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)
    ]


def _reads_confusion(metric: type[Any]) -> bool:
    """Tell whether the value is a function of the confusion matrix and nothing else."""
    if not issubclass(metric, base.ClassificationMetric) or metric.update not in _COUNTING_UPDATES:
        return False
    try:
        metric().get()
    except NotImplementedError:
        return False
    return True


def _suggestion(task: Task, name: str) -> str:
    fitting = fitting_metrics(task)
    containing = [each for each in fitting if name.lower() in each.lower()]
    alike = get_close_matches(name, fitting, n=3, cutoff=0.5)
    near = list(dict.fromkeys(containing + alike))[:3]
    if near:
        return f"did you mean {' or '.join(near)}?"
    return f"a {task} task can have {', '.join(fitting)}"


def confusion_metric(name: str, matrix: metrics.ConfusionMatrix) -> Any:
    """Make River's object for a metric, over a confusion matrix that is there already."""
    return getattr(metrics, name)(cm=matrix)


def fades(name: str) -> bool:
    """Tell whether a metric of the confusion matrix is defined for counts that are weights."""
    return bool(getattr(metrics, name)().works_with_weights)


def roc_thresholds() -> list[float]:
    """Give the thresholds between which River's ROC AUC distinguishes probabilities."""
    metric: Any = metrics.ROCAUC
    thresholds: list[float] = metric().thresholds
    return thresholds


def rolling_metric(name: str) -> Any:
    """Make River's own object for a metric that keeps a window by itself."""
    return getattr(metrics, name)()
