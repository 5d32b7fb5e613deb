"""Import paths: to what they name, or to the nearest names there are."""

import importlib
import inspect
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any, Final

from river import base

ACCEPTED: Final = (
    "a River classifier or regressor (river.tree.HoeffdingTreeClassifier), a scikit-learn "
    "estimator with partial_fit (sklearn.linear_model.SGDClassifier), steps of a pipeline, or a "
    "factory of your own (my_models:build)"
)


class LearnerError(ValueError):
    """A learner cannot be built; the message says why, and what would be accepted.

    Parameters
    ----------
    message
        The whole of it, to be understood without `key`.
    key
        Where in the description of the learner: ``class``, ``params``, ``steps.1.class``.
    """

    def __init__(self, message: str, key: str = "class") -> None:
        super().__init__(message)
        self.key = key


def import_path(path: str, key: str = "class") -> Any:
    """Import what a path names.

    Parameters
    ----------
    path
        ``package.module.Name`` or ``package.module:name``.
    key
        Where the path was found, for the error.

    Raises
    ------
    LearnerError
        There is no such thing; the nearest is suggested.

    Examples
    --------
    >>> import_path("river.linear_model.Perceptron").__name__
    'Perceptron'
    >>> import_path("river.linear_model.HoefdingTreeClassifier")
    Traceback (most recent call last):
    ...
    learners.paths.LearnerError: river.linear_model has no "HoefdingTreeClassifier"; did you mean
    "river.tree.HoeffdingTreeClassifier"?
    """
    module_name, _, name = path.replace(":", ".").rpartition(".")
    if not module_name or not name:
        hint = did_you_mean(path, river_paths()) or f"; accepted: {ACCEPTED}"
        raise LearnerError(f'"{path}" is no import path{hint}', key)
    try:
        module = importlib.import_module(module_name)
    except Exception as error:  # a module of the user's may raise anything as it is imported
        raise LearnerError(f"{path}: {_why(name, module_name, error)}", key) from error
    try:
        return getattr(module, name)
    except AttributeError:
        here = [
            f"{module_name}.{each}"
            for each, value in vars(module).items()
            if not each.startswith("_") and not inspect.ismodule(value)
        ]
        elsewhere = river_paths() if module_name.startswith("river") else []
        hint = did_you_mean(name, [*here, *elsewhere])
        raise LearnerError(f'{module_name} has no "{name}"{hint}', key) from None


def did_you_mean(name: str, paths: Iterable[str]) -> str:
    """Give the end of a message: the path whose last part is nearest, if one is near."""
    by_name: dict[str, str] = {}
    for path in paths:
        by_name.setdefault(path.rpartition(".")[2].casefold(), path)
    close = get_close_matches(name.casefold(), by_name, n=1, cutoff=0.6)
    return f'; did you mean "{by_name[close[0]]}"?' if close else ""


def _why(name: str, module: str, error: Exception) -> str:
    package = module.partition(".")[0]
    if not isinstance(error, ModuleNotFoundError):
        return f"{module} cannot be imported: {type(error).__name__}: {error}"
    if error.name == package == "sklearn":
        return 'scikit-learn is not installed; pip install "driftline[sklearn]"'
    if error.name is None or not f"{module}.".startswith(f"{error.name}."):
        return f"{module} cannot be imported: {error}"
    hint = did_you_mean(name, river_paths())
    if not hint and error.name == package:
        hint = "; is its folder on PYTHONPATH?"
    return f'there is no module "{error.name}"{hint}'


def river_paths() -> list[str]:
    """Give the import paths of River's public classifiers, regressors and transformers."""
    kinds = (base.Classifier, base.Regressor, base.BaseTransformer)
    spaces = inspect.getmembers(importlib.import_module("river.api"), inspect.ismodule)
    return [
        f"river.{space}.{name}"
        for space, module in spaces
        if space != "base"
        for name, cls in inspect.getmembers(module, inspect.isclass)
        if issubclass(cls, kinds)
    ]
