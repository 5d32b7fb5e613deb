"""Reading a TOML file, with a message for each way in which that can go wrong; writing parts."""

import json
import re
import tomllib
from pathlib import Path
from typing import Any

from stream.core.errors import ConfigError

_SAID = re.compile(r"(.*) \(at (?:line (\d+), column (\d+)|end of document)\)", re.DOTALL)
_WRITE_ONE = "write one with: driftline init DATA -o"


def read_toml(path: Path) -> dict[str, Any]:
    """Read the tables of a TOML file.

    Raises
    ------
    ConfigError
        When there is no such file, it is a folder, may not be read, is not UTF-8, is no
        TOML, or holds nothing.
    """
    text = _read(path)
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(_explain(path, text, str(error))) from error
    if not tables:
        raise ConfigError(f"{path}: is empty; {_WRITE_ONE} {path}")
    return tables


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")  # some editors on Windows put a mark in front
    except FileNotFoundError as error:
        raise ConfigError(f"{path}: no such file; {_WRITE_ONE} {path}") from error
    except IsADirectoryError as error:
        raise ConfigError(f"{path}: is a folder; name a file in it, {path / 'app.toml'}") from error
    except PermissionError as error:
        raise ConfigError(
            f"{path}: no permission to read it; allow it with: chmod u+r {path}"
        ) from error
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise ConfigError(
            f"{path}: line {line}: is not UTF-8 text; save the file as UTF-8"
        ) from error
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error


def _explain(path: Path, text: str, said: str) -> str:
    found = re.fullmatch(
        r"(.*) \(at (?:line (\d+), column (\d+)|end of document)\)", said, re.DOTALL
    )
    reason = found[1] if found else said
    lines = text.splitlines() or [""]
    number = int(found[2]) if found and found[2] else len(lines)
    column = int(found[3]) if found and found[3] else len(lines[-1]) + 1
    line = lines[number - 1].strip() if number <= len(lines) else ""
    quotes = "; text needs quotes" if reason == "Invalid value" else ""
    return f"{path}: line {number}, column {column}: {reason}{quotes}: {line[:80]}"


def written_key(name: str) -> str:
    """Write a key, in quotes where it needs them."""
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else written_text(name)


def written_text(text: str) -> str:
    r"""Write a text in quotes; TOML knows the escapes of JSON.

    Examples
    --------
    >>> print(written_text('say "a"'))
    "say \"a\""
    """
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def written_number(value: float) -> str:
    """Write a number without loss.

    Examples
    --------
    >>> written_number(853.0), written_number(0.1)
    ('853', '0.1')
    """
    whole = float(value).is_integer() and abs(value) < 1e15
    return str(int(value)) if whole else repr(float(value))
