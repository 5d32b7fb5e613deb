"""driftline: streaming online learning with honest scores.

A replay in memory takes three lines:

>>> from stream import replay
>>> run = replay({"task": "binary", "input": {"label": "late"}}, [{"delay": 3, "late": False}] * 9)
>>> run.summary["labels"]
9
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stream.app.config import Config, load_config, parse_config
    from stream.app.engine import Replay, replay, replay_files
    from stream.app.model import load_model
    from stream.app.summary import Summary
    from stream.core.errors import (
        CheckpointError,
        ConfigError,
        DriftlineError,
        LearnError,
        OutputError,
        SourceError,
        StopRequestedError,
    )
    from stream.core.partition import Partition
    from stream.core.parts import Outputs, Parts
    from stream.core.records import Alarm, DeadLetter, Fault, Metrics, ModelRecord, Prediction, Row
    from stream.core.settings import Settings

_HOMES = {
    "Alarm": "stream.core.records",
    "CheckpointError": "stream.core.errors",
    "Config": "stream.app.config",
    "ConfigError": "stream.core.errors",
    "DeadLetter": "stream.core.records",
    "DriftlineError": "stream.core.errors",
    "Fault": "stream.core.records",
    "LearnError": "stream.core.errors",
    "Metrics": "stream.core.records",
    "ModelRecord": "stream.core.records",
    "OutputError": "stream.core.errors",
    "Outputs": "stream.core.parts",
    "Partition": "stream.core.partition",
    "Parts": "stream.core.parts",
    "Prediction": "stream.core.records",
    "Replay": "stream.app.engine",
    "Row": "stream.core.records",
    "Settings": "stream.core.settings",
    "SourceError": "stream.core.errors",
    "StopRequestedError": "stream.core.errors",
    "Summary": "stream.app.summary",
    "load_config": "stream.app.config",
    "load_model": "stream.app.model",
    "parse_config": "stream.app.config",
    "replay": "stream.app.engine",
    "replay_files": "stream.app.engine",
}
"""Where each public name is defined; it is imported when it is first asked for, so that
``driftline --help`` need not wait for River."""

__all__ = [
    "Alarm",
    "CheckpointError",
    "Config",
    "ConfigError",
    "DeadLetter",
    "DriftlineError",
    "Fault",
    "LearnError",
    "Metrics",
    "ModelRecord",
    "OutputError",
    "Outputs",
    "Partition",
    "Parts",
    "Prediction",
    "Replay",
    "Row",
    "Settings",
    "SourceError",
    "StopRequestedError",
    "Summary",
    "load_config",
    "load_model",
    "parse_config",
    "replay",
    "replay_files",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'stream' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
