"""Secrets of a connection: looked up in the environment or a file when it is made, never kept."""

import os
import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from stream.core.errors import ConfigError

_REFERENCE = re.compile(r"\$\$|\$\{([^}]*)\}")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def expand(
    value: Any, key: str, environment: Mapping[str, str] | None = None
) -> Any:
    """Put environment variables and files in place of what refers to them, also deep inside.

    ``${NAME}`` is an environment variable, ``${file:/run/secrets/password}`` the text of a
    file without the line end at its end, and ``$$`` one dollar.

    Parameters
    ----------
    value
        Text, or a list or table that holds texts; anything else is given back as it is.
    key
        What messages call it; they never show the value.
    environment
        `os.environ` when None.

    Raises
    ------
    ConfigError
        A variable is not set, or a file cannot be read.

    Examples
    --------
    >>> expand({"sasl_plain_password": "${SECRET}", "retries": 3}, "kafka", {"SECRET": "s3"})
    {'sasl_plain_password': 's3', 'retries': 3}
    """
    environment = os.environ if environment is None else environment
    if isinstance(value, str):
        return _REFERENCE.sub(partial(_looked_up, key, environment), value)
    if isinstance(value, Mapping):
        return {name: expand(each, f"{key} {name}", environment) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [expand(each, key, environment) for each in value]
    return value


def _looked_up(key: str, environment: Mapping[str, str], found: re.Match[str]) -> str:
    reference = found[1]
    if reference is None:
        return "$"
    if reference.startswith("file:"):
        return _text_of(key, Path(reference.removeprefix("file:")))
    if not _NAME.fullmatch(reference):
        raise ConfigError(
            f"{key}: ${{{reference}}} names neither a variable nor a file; write ${{NAME}} or "
            f"${{file:/path}}, and $$ for a dollar"
        )
    if reference not in environment:
        raise ConfigError(
            f"{key}: the environment has no variable {reference}; set it before the start"
        )
    return environment[reference]


def _text_of(key: str, path: Path) -> str:
    try:
        return path.read_text("utf-8").removesuffix("\n").removesuffix("\r")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "is not UTF-8 text"
        raise ConfigError(f"{key}: {path}: cannot be read: {reason}") from error
