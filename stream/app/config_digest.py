"""Which keys may change between two runs of one application, and the digest of the others."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any, Literal

KeyClass = Literal["free", "applies-here"]

KEY_CLASSES: dict[str, KeyClass] = {
    "name": "applies-here",
    "task": "applies-here",
    "seed": "applies-here",
    "input": "applies-here",
    "learner": "applies-here",
    "detectors": "applies-here",
    "drift": "applies-here",
    "contract": "applies-here",
    "labels": "applies-here",
    "scoring": "applies-here",
    "checkpoints.url": "free",
    "checkpoints.every": "applies-here",
    "checkpoints.keep": "free",
    "checkpoints.models": "free",
    "response": "applies-here",
    "training": "applies-here",
    "limits": "applies-here",
    "kafka": "free",
    "telemetry": "free",
    "files.chunk": "free",
    "files.commit_every": "free",
}
"""A key or a whole section, and when a new value may take over from an old one.

``free``: at any time; it changes nothing that comes out.
``applies-here``: it changes the fold, so only from a position where a checkpoint was made.
"""


def digest(values: Mapping[str, Any]) -> str:
    """Hash every value of a configuration that is not free.

    Parameters
    ----------
    values
        Resolved values by section and key; the order of keys makes no difference.

    Returns
    -------
    str
        SHA-256 as hex.

    Examples
    --------
    >>> digest({"seed": 1}) == digest({"files": {"chunk": 9}, "seed": 1})
    True
    >>> digest({"seed": 1}) == digest({"seed": 2})
    False
    """
    bound = dict(_bound(values))
    text = json.dumps(bound, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _bound(values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for section, value in values.items():
        if section in KEY_CLASSES:
            keys = {section: value}
        else:
            keys = {f"{section}.{key}": each for key, each in value.items()}
        yield from ((path, each) for path, each in keys.items() if KEY_CLASSES[path] != "free")
