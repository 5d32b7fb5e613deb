"""Mistakes in a configuration, told to the person who made them."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from stream.app.durations import Duration

Place = tuple[int | str, ...]

_MUST_BE = {
    "string_type": "must be text in quotes",
    "bool_type": "must be true or false, without quotes",
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "finite_number": "must be a finite number",
    "tuple_type": 'must be a list, such as ["a", "b"]',
    "dict_type": "must be a table, such as {{ key = 1 }}",
    "greater_than": "must be above {gt}",
    "greater_than_equal": "must be {ge} or more",
    "less_than": "must be below {lt}",
    "less_than_equal": "must be {le} or less",
    "too_short": "must have {min_length} entries or more",
    "value_error": "{error}",
}
"""By pydantic's name for a mistake, what is accepted; in braces, its context."""

_MUST_MATCH = {
    "name": 'may hold only letters, digits, dots, dashes and underscores, as in "flights-2013"',
    "factory": 'must be "module:function", as in "my_models:build"',
}


def explain(error: ValidationError, model: type[BaseModel], source: str) -> str:
    """Give one line for each mistake, unknown keys first: they often cause the others."""
    found = error.errors()
    unknown = [each for each in found if each["type"] == "extra_forbidden"]
    mistyped = {each["loc"][:-1] for each in unknown}
    others = [
        each
        for each in found
        if each["type"] not in ("extra_forbidden", "default_factory_not_called")
        and not (each["type"] == "missing" and each["loc"][:-1] in mistyped)
    ]
    lines = [line for each in [*unknown, *others] for line in _lines(each, model)]
    return "\n".join(printable(f"{source}: {line}") for line in lines)


def printable(line: str) -> str:
    """Escape what would break a line or hide in it; any key and value may be in a message."""
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode() for each in line
    )


def shown(value: Any) -> str:
    """Write a value as a person would find it in the file, cut where it is long."""
    if isinstance(value, Duration):
        value = value.written
    text = json.dumps(value, default=str, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}..."


def did_you_mean(name: str, accepted: Iterable[str], mark: str = '"{}"') -> str:
    """Give the likeliest intended name as the end of a sentence, or nothing."""
    folded = {each.casefold(): each for each in accepted}
    close = get_close_matches(name.casefold(), folded, n=1, cutoff=0.5)
    return f"; did you mean {mark.format(folded[close[0]])}?" if close else ""


def _lines(mistake: ErrorDetails, model: type[BaseModel]) -> Iterator[str]:
    place, kind, value = mistake["loc"], mistake["type"], mistake["input"]
    if kind == "extra_forbidden":
        yield _unknown(place, value, model)
    elif kind == "missing":
        example = ', such as "river.drift.ADWIN"' if place[0] == "detectors" else ""
        yield f"{_named(place)}: is missing; give an import path{example}"
    elif kind == "value_error" and isinstance(value, (BaseModel, Mapping)):
        heading = f"{_heading(place)} " if place else ""
        yield from (f"{heading}{line}" for line in str(mistake["ctx"]["error"]).split("\n"))
    else:
        yield f"{_named(place)} = {shown(value)}: {_must_be(mistake)}"


def _must_be(mistake: ErrorDetails) -> str:
    kind, place, value = mistake["type"], mistake["loc"], mistake["input"]
    context = mistake.get("ctx", {})
    if kind == "literal_error":
        options = re.findall(r"'([^']*)'", context["expected"])
        if len(options) == 1:
            return f"must be {shown(options[0])}"
        hint = did_you_mean(value, options) if isinstance(value, str) else ""
        return f"must be one of {', '.join(options)}{hint}"
    if kind == "string_pattern_mismatch":
        return _MUST_MATCH[str(place[-1])]
    if kind == "model_type":
        path = _named(place) if len(place) > 1 else f"[{place[0]}]"
        return f"must be a table: write {path} on a line of its own, its keys below it"
    if kind == "tuple_type" and isinstance(value, Mapping):
        path = ".".join(map(str, place))
        return f"must be a list of tables: write [[{path}]], with two brackets on either side"
    if kind in ("int_type", "float_type") and isinstance(value, str) and _is_number(value):
        return f"{_MUST_BE[kind]}: leave out the quotes"
    return _MUST_BE[kind].format(**context) if kind in _MUST_BE else mistake["msg"]


def _is_number(text: str) -> bool:
    return re.fullmatch(r"[-+]?[\d_]+(\.\d+)?(e[-+]?\d+)?", text) is not None


def _unknown(place: Place, value: Any, model: type[BaseModel]) -> str:
    key = str(place[-1])
    here = _model_at(model, place[:-1])
    keys = _keys(here)
    sections = {name for name in keys if _section_model(here, name) is not None}
    if here is model and isinstance(value, Mapping):
        listed = ", ".join(f"[{name}]" for name in keys if name in sections)
        hint = did_you_mean(key, sections, "[{}]")
        return f"[{key}]: unknown section{hint}{_joint(hint)}accepted: {listed}"
    elsewhere = _homes_of(key, model)
    hint = f"; it belongs {' or '.join(elsewhere)}" if elsewhere else did_you_mean(key, keys)
    return f"{_named(place)}: unknown key{hint}{_joint(hint)}accepted here: {', '.join(keys)}"


def _joint(hint: str) -> str:
    return " " if hint.endswith("?") else "; "


def _homes_of(key: str, model: type[BaseModel]) -> list[str]:
    homes = []
    for name in _keys(model):
        section = _section_model(model, name)
        if section is None and name == key:
            homes.append("at the top of the file, above the first section")
        elif section is not None and key in _keys(section):
            homes.append(f"in [[{name}]]" if name == "detectors" else f"in [{name}]")
    return homes


def _named(place: Place) -> str:
    """Write a place as the file has it: ``[input.types] age``, ``[[detectors]] #2 class``."""
    section, *rest = place
    if not rest:
        return str(section)
    if section == "detectors":
        return " ".join(["[[detectors]]", *(_part(each) for each in rest)])
    if section == "input" and rest[0] == "types" and len(rest) > 1:
        section, rest = "input.types", rest[1:]
    if section == "contract" and rest[0] == "fields" and len(rest) > 1:
        section, rest = f"contract.fields.{rest[1]}", rest[2:]
    return " ".join([f"[{section}]", *(_part(each) for each in rest)])


def _heading(place: Place) -> str:
    return f"[{place[0]}]" if len(place) == 1 else _named(place)


def _part(part: int | str) -> str:
    return f"#{part + 1}" if isinstance(part, int) else part


def _keys(model: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()]


def _model_at(model: type[BaseModel], place: Place) -> type[BaseModel]:
    for part in place:
        if isinstance(part, str):
            model = _section_model(model, part) or model
    return model


def _section_model(model: type[BaseModel], key: str) -> type[BaseModel] | None:
    field = model.model_fields.get(key)
    return _first_model(field.annotation) if field else None


def _first_model(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type):
        return annotation if issubclass(annotation, BaseModel) else None
    return next(filter(None, map(_first_model, get_args(annotation))), None)
