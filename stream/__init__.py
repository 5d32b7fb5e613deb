"""driftline: streaming online learning with honest scores.

A replay in memory takes three lines:

>>> from stream import replay
>>> run = replay({"task": "binary", "input": {"label": "late"}}, [{"delay": 3, "late": False}] * 9)
>>> run.summary["labels"]
9
"""

from stream.app.config import Config, load_config, parse_config
from stream.app.engine import Replay, Summary, replay, replay_files
from stream.app.model import load_model
from stream.core.errors import (
    CheckpointError,
    ConfigError,
    DriftlineError,
    LearnError,
    OutputError,
    SourceError,
    StopRequested,
)
from stream.core.partition import Outputs, Partition, Parts
from stream.core.records import Alarm, DeadLetter, Fault, Metrics, Prediction, Row
from stream.core.settings import Settings

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
    "OutputError",
    "Outputs",
    "Partition",
    "Parts",
    "Prediction",
    "Replay",
    "Row",
    "Settings",
    "SourceError",
    "StopRequested",
    "Summary",
    "load_config",
    "load_model",
    "parse_config",
    "replay",
    "replay_files",
]
