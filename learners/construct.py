"""From a description in plain values to an object: classes with parameters, nested and seeded."""

import inspect
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from river import base, compose, proba

from learners.paths import LearnerError, did_you_mean, import_path
from learners.refused import reason_against

SEEDS: Final = ("seed", "random_state", "rng")
"""Names of the parameters by which River and scikit-learn take a seed."""

_LABELS: Final = {"true": True, "false": False}
"""Labels as keys of a table: a file has only texts there."""


def construct(path: str, params: Mapping[str, Any], seed: int, key: str = "") -> Any:
    """Build an object of a class.

    Parameters
    ----------
    path
        Import path of the class.
    params
        Its parameters. In place of a value may stand a table: ``{class, params}`` for an
        object that is built first, ``{steps}`` for a pipeline, ``{import}`` for a function
        or class itself. Keys ``true`` and ``false`` of any other table stand for the labels.
    seed
        For this object and those inside it, where they take a seed and none is given.
    key
        Where the description stands, for errors: a prefix like ``steps.1.``.

    Raises
    ------
    LearnerError
        Something cannot be imported, is refused, or does not take the parameters.
    """
    cls = import_path(path, f"{key}class")
    if not inspect.isclass(cls):
        hint = f'; for a function of your own: factory = "{_with_colon(path)}"'
        raise LearnerError(f"{path} is not a class{hint}", f"{key}class")
    if inspect.isabstract(cls):
        raise LearnerError(f"{path} is abstract: name a class derived from it", f"{key}class")
    reason = reason_against(cls)
    if reason is not None:
        raise LearnerError(f"{path} is refused: {reason}", f"{key}class")
    accepted = _parameters(cls)
    _check_names(path, accepted, params, f"{key}params")
    values = {
        name: build_value(value, seed, f"{key}params.{name}.") for name, value in params.items()
    }
    for name in SEEDS:
        if name in accepted and values.get(name) is None:
            values[name] = seed
    made = _call(cls, path, accepted, values, f"{key}params")
    parts = _seeded_parts(made, accepted, values, seed)
    return _call(cls, path, accepted, {**values, **parts}, f"{key}params") if parts else made


def build_value(value: Any, seed: int, key: str) -> Any:
    """Build what a parameter describes (see `construct`); leave a plain value as it is."""
    if isinstance(value, (list, tuple)):
        return [build_value(each, seed, f"{key}{place}.") for place, each in enumerate(value)]
    if not isinstance(value, Mapping):
        return value
    if isinstance(value.get("class"), str) and _describes(value, key):
        return construct(value["class"], value.get("params", {}), seed, key)
    if value.keys() == {"steps"} and isinstance(value["steps"], (list, tuple)):
        return build_steps(value["steps"], seed, key)
    if value.keys() == {"import"} and isinstance(value["import"], str):
        return import_path(value["import"], f"{key}import")
    return {
        _LABELS.get(name, name): build_value(each, seed, f"{key}{name}.")
        for name, each in value.items()
    }


def _describes(value: Mapping[str, Any], key: str) -> bool:
    """Tell whether a table with a ``class`` describes an object; refuse one that nearly does."""
    others = value.keys() - {"class", "params"}
    if not others:
        if not isinstance(value.get("params", {}), Mapping):
            raise LearnerError(
                f"params is {value['params']!r}; it has to be a table", f"{key}params"
            )
        return True
    if "." in value["class"]:
        raise LearnerError(
            f"{value['class']} stands beside {', '.join(sorted(others))}; accepted: class, params",
            key.rstrip("."),
        )
    return False


def build_steps(steps: Sequence[Mapping[str, Any]], seed: int, key: str = "") -> compose.Pipeline:
    """Build a pipeline of `{class, params}` tables, first step first."""
    made = [build_value(step, seed, f"{key}steps.{place}.") for place, step in enumerate(steps)]
    for place, step in enumerate(made[:-1]):
        if not isinstance(step, (base.BaseTransformer, base.AnomalyFilter)):
            where = f"{type(step).__name__} is step {place + 1} of {len(made)}"
            raise LearnerError(
                f"{where} and no River transformer; only the last may be something else",
                f"{key}steps.{place}.class",
            )
    return compose.Pipeline(*made)


def check_parts(estimator: object, name: str, key: str) -> None:
    """See to it that nothing an estimator consists of stands in the way of a replay.

    Raises
    ------
    LearnerError
        A part of it is refused, or draws from a generator without a seed.
    """
    for part in _parts(estimator):
        reason = reason_against(type(part))
        if reason is not None:
            raise LearnerError(f"{name}: {type(part).__name__} is refused: {reason}", key)
        if _unseeded(part):
            raise LearnerError(
                f"{name}: {type(part).__name__} draws random numbers without a seed, so that no "
                f"replay would give the same; give it one ({_unseeded(part)[0]})",
                key,
            )


def _parts(estimator: object) -> Iterator[object]:
    """Go through an estimator and those in its attributes, of River and of scikit-learn.

    Of scikit-learn's only what they were given: a forest seeds the trees that it makes.
    """
    seen: set[int] = set()
    pending = [estimator]
    while pending:
        obj = pending.pop()
        if id(obj) in seen:
            continue
        seen.add(id(obj))
        if isinstance(obj, Mapping):
            pending += obj.values()
        elif isinstance(obj, (list, tuple)):
            pending += obj
        elif isinstance(obj, base.Base):
            yield obj
            pending += getattr(obj, "__dict__", {}).values()
        elif hasattr(obj, "get_params"):
            yield obj
            pending += [] if isinstance(obj, type) else obj.get_params(deep=False).values()


def _unseeded(obj: object) -> list[str]:
    """Name the seeds that an object takes and was not given; distributions draw for nobody."""
    if isinstance(obj, (type, proba.base.Distribution)):
        return []
    names = _parameters(type(obj))
    return [name for name in SEEDS if name in names and getattr(obj, name, 0) is None]


def _seeded_parts(
    made: Any, accepted: Mapping[str, inspect.Parameter], values: Mapping[str, Any], seed: int
) -> dict[str, Any]:
    """Seed the parts that a class made for itself of parameters nobody gave."""
    parts = {}
    for name in accepted:
        part = getattr(made, name, None)
        if name not in values and isinstance(part, base.Base):
            wanted = dict.fromkeys(_unseeded(part), seed)
            if wanted:
                parts[name] = part.clone(wanted)
    return parts


def _parameters(cls: type) -> Mapping[str, inspect.Parameter]:
    try:
        return inspect.signature(cls).parameters
    except ValueError:  # written in another language
        return {}


def _check_names(
    path: str, accepted: Mapping[str, inspect.Parameter], given: Mapping[str, Any], key: str
) -> None:
    if not accepted or any(each.kind is each.VAR_KEYWORD for each in accepted.values()):
        return
    for name in given:
        if name not in accepted:
            hint = did_you_mean(name, accepted) or ";"
            listed = ", ".join(accepted) or "none"
            raise LearnerError(f'{path} has no parameter "{name}"{hint} accepted: {listed}', key)


def _call(
    cls: type,
    path: str,
    accepted: Mapping[str, inspect.Parameter],
    values: Mapping[str, Any],
    key: str,
) -> Any:
    named = dict(values)
    listed: Sequence[Any] = ()
    for name, each in accepted.items():
        if each.kind is each.VAR_POSITIONAL:
            listed = named.pop(name, ())
            if not isinstance(listed, list):
                raise LearnerError(f"{path} takes {name} as a list; got {listed!r}", key)
    try:
        return cls(*listed, **named)
    except Exception as error:  # a class of the user's may raise anything as it is built
        missing = [
            name
            for name, each in accepted.items()
            if each.default is each.empty and name not in values
            and each.kind in (each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY)
        ]  # fmt: skip
        if missing:
            needs = f"{path} needs {', '.join(missing)}; it takes {', '.join(accepted)}"
            raise LearnerError(needs, key) from error
        said = f"{type(error).__name__}: {error}"
        raise LearnerError(f"{path} refuses its parameters: {said}", key) from error


def _with_colon(path: str) -> str:
    module, _, name = path.replace(":", ".").rpartition(".")
    return f"{module}:{name}"
