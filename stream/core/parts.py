"""What a partition is given to work with, and what it has to say."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from detectors.error import DriftDetector
from learners.build import Learner
from stream.core.records import Alarm, DeadLetter, Metrics, ModelRecord, Prediction


class Parts(NamedTuple):
    """What a partition is given to work with.

    Attributes
    ----------
    fresh_learner, fresh_detectors
        Make new, untrained ones.
    wrap
        Makes a learner of an estimator that comes from a checkpoint.
    """

    fresh_learner: Callable[[], Learner]
    fresh_detectors: Callable[[], Sequence[DriftDetector]]
    wrap: Callable[[object], Learner]


@dataclass(slots=True)
class Outputs:
    """What the fold has to say, in order, until an edge takes it away."""

    predictions: list[Prediction] = field(default_factory=list)
    metrics: list[Metrics] = field(default_factory=list)
    alarms: list[Alarm] = field(default_factory=list)
    models: list[ModelRecord] = field(default_factory=list)
    dead_letters: list[DeadLetter] = field(default_factory=list)

    def extend(self, later: "Outputs") -> None:
        """Add outputs that came later."""
        self.predictions += later.predictions
        self.metrics += later.metrics
        self.alarms += later.alarms
        self.models += later.models
        self.dead_letters += later.dead_letters
