"""Checks of single values in a configuration, each with the words for what is accepted."""

import re
from collections.abc import Mapping
from typing import Any

_PLAIN = (str, bool, int, float, type(None))
_TOPIC = re.compile(r"[A-Za-z0-9._-]{1,249}")


def plain_text(value: str) -> str:
    """Refuse an empty text."""
    if not value.strip():
        raise ValueError("must not be empty")
    return value


def topic_name(value: str) -> str:
    """Refuse what Kafka takes for no name of a topic."""
    if not _TOPIC.fullmatch(value) or value in (".", ".."):
        raise ValueError(
            "must be the name of a topic: letters, digits, dots, dashes and underscores, 249 at "
            'most, as in "flights.events"'
        )
    return value


def no_topic_or_its_name(value: str) -> str:
    """Refuse what is neither empty nor a name."""
    return value and topic_name(value)


def one_value(value: Any) -> bool | int | float | str:
    """Refuse what is no single value: a list, a table, a date."""
    if not isinstance(value, (bool, int, float, str)):
        raise ValueError("must be a text, a number, true or false")
    return value


def plain_params(params: Mapping[str, Any]) -> Mapping[str, Any]:
    """Refuse parameters that a file could not hold, so that a digest says all there is to say."""
    for name, value in params.items():
        if not _is_plain(value):
            kind = type(value).__name__
            raise ValueError(
                f"{name}: cannot hold a value of type {kind}; give text, numbers, lists or tables "
                "here, and build anything else in a factory"
            )
    return params


def _is_plain(value: Any) -> bool:
    if isinstance(value, Mapping):
        return all(isinstance(key, str) and _is_plain(each) for key, each in value.items())
    if isinstance(value, (list, tuple)):
        return all(map(_is_plain, value))
    return isinstance(value, _PLAIN)
