"""From an import path and parameters to a River drift detector, or to a reason why not."""

import importlib
import inspect
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from types import ModuleType
from typing import Any, Protocol

from river import drift
from river.base import BinaryDriftDetector, DriftDetector
from river.drift import binary

Detector = DriftDetector | BinaryDriftDetector
"""What can watch an error: River's two families, on numbers and on right or wrong."""

_PROBE = 64
"""Updates of a throw-away copy: some parameters are only looked at after 30 of them."""


class DetectorSpec(Protocol):
    """What is asked for: an import path and the arguments of its constructor."""

    @property
    def class_(self) -> str:
        """Import path of the class."""
        ...

    @property
    def params(self) -> Mapping[str, Any]:
        """Arguments of its constructor."""
        ...


class DetectorError(ValueError):
    """A detector cannot be built; the message names what would be accepted.

    Parameters
    ----------
    key
        Which of ``class`` and ``params`` is at fault.
    """

    def __init__(self, key: str, message: str) -> None:
        super().__init__(message)
        self.key = key


def build_detector(spec: DetectorSpec, seed: int = 42, *, numeric: bool = False) -> Detector:
    """Build a River drift detector.

    River's defaults stand, but for two: a detector that draws random numbers gets `seed`,
    and Page-Hinkley looks for a rise alone, because an error that falls is no alarm.

    Parameters
    ----------
    spec
        Import path and parameters.
    seed
        For a detector with a ``seed`` that the parameters leave open.
    numeric
        Whether it will watch a number (the loss of a regression) and not right or wrong.

    Raises
    ------
    DetectorError
        When there is no such class, it is no drift detector, it cannot watch what it is
        given, or it refuses its parameters.

    Examples
    --------
    >>> from types import SimpleNamespace as Spec
    >>> build_detector(Spec(class_="river.drift.PageHinkley", params={"threshold": 20})).mode
    'up'
    >>> build_detector(Spec(class_="river.drift.ADWINN", params={}))
    Traceback (most recent call last):
    ...
    detectors.build.DetectorError: river.drift has no ADWINN; did you mean "river.drift.ADWIN"?
    """
    found = _find(spec.class_)
    if not _is_detector(found):
        raise DetectorError("class", f"is not a drift detector; {_accepted(numeric)}")
    if issubclass(found, binary.FHDDM):
        reason = "reacts in River only when the error falls, which is no alarm"
        raise DetectorError("class", f"{reason}; {_accepted(numeric)}")
    if numeric and issubclass(found, BinaryDriftDetector):
        reason = "watches right or wrong, and a regression's error is a number"
        raise DetectorError("class", f"{reason}; {_accepted(numeric)}")
    given = dict(spec.params)
    _check_names(found, spec.class_, given)
    names = inspect.signature(found).parameters
    if "seed" in names:
        given.setdefault("seed", seed)
    if issubclass(found, drift.PageHinkley):
        given.setdefault("mode", "up")
    return _construct(found, given)


def _find(path: str) -> Any:
    module_name, _, name = path.rpartition(".")
    if not module_name:
        raise DetectorError("class", f"is no import path{_did_you_mean(path)}")
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        raise DetectorError("class", f"cannot be imported: {error}{_did_you_mean(name)}") from error
    try:
        return getattr(module, name)
    except AttributeError:
        hint = _did_you_mean(name, module)
        raise DetectorError("class", f"{module_name} has no {name}{hint}") from None


def _is_detector(found: Any) -> bool:
    return (
        inspect.isclass(found)
        and issubclass(found, Detector)
        and not inspect.isabstract(found)
        and not found.__module__.startswith("river.base.")
    )


def _known(*modules: ModuleType) -> Iterator[tuple[str, type[Detector]]]:
    for module in modules:
        for name, value in vars(module).items():
            if _is_detector(value):
                yield f"{module.__name__}.{name}", value


def _did_you_mean(name: str, *modules: ModuleType) -> str:
    paths = {path.rpartition(".")[2]: path for path, _ in _known(binary, drift, *modules)}
    folded = {known.casefold(): path for known, path in paths.items()}
    close = get_close_matches(name.casefold(), folded, n=1, cutoff=0.5)
    return f'; did you mean "{folded[close[0]]}"?' if close else ""


def _accepted(numeric: bool) -> str:
    modules = (drift,) if numeric else (drift, binary)
    names = ", ".join(path for path, _ in _known(*modules))
    return f"accepted: {names}, or a subclass of river.base.DriftDetector of your own"


def _check_names(found: type[Detector], path: str, given: Mapping[str, Any]) -> None:
    accepted = inspect.signature(found).parameters
    if any(each.kind is each.VAR_KEYWORD for each in accepted.values()):
        return
    for name in given:
        if name not in accepted:
            close = get_close_matches(name, accepted, n=1, cutoff=0.5)
            hint = f'; did you mean "{close[0]}"?' if close else ";"
            listed = ", ".join(accepted) or "none"
            reason = f'{path} has no parameter "{name}"'
            raise DetectorError("params", f"{reason}{hint} accepted: {listed}")


def _construct(found: type[Detector], given: Mapping[str, Any]) -> Detector:
    try:
        probe = found(**given)
        for step in range(_PROBE):
            probe.update(step % 2 == 0)
        return found(**given)
    except (TypeError, ValueError, ArithmeticError, AttributeError, LookupError) as error:
        raise DetectorError("params", f"{found.__name__} refuses them: {error}") from error
