"""What the fold needs to know, as plain values: the pure side of a configuration."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf, isinf
from typing import Any, Literal, NamedTuple

import numpy as np

from stream.core.records import Kind, Task

FieldPolicy = Literal["ignore", "drop-field", "accept", "dead-letter", "stop"]
"""``ignore`` and ``drop-field`` are one: the field is left out, the event goes on."""

TypePolicy = Literal["dead-letter", "drop-field", "missing", "stop"]
"""``missing`` and ``drop-field`` are one."""

RulePolicy = Literal["accept", "drop-field", "dead-letter", "stop"]
Action = Literal["alert", "checkpoint", "reset"]


class FieldRule(NamedTuple):
    """What one field was declared to hold.

    Attributes
    ----------
    low, high
        Least and largest value of a number.
    categories
        All values there are; None where they are not known. Without a range then.
    required
        Whether every event has it: always, not always, or as `missing_field` says (None).
    missing
        Share of the events in which it usually is missing; None where that is not known.
    """

    low: float = -inf
    high: float = inf
    categories: frozenset[bool | int | float | str] | None = None
    required: bool | None = None
    missing: float | None = None

    def bounds_values(self) -> bool:
        """Whether there is a value that it forbids."""
        return self.categories is not None or not (isinf(self.low) and isinf(self.high))

    def allows(self, value: Any) -> bool:
        """Whether an event may hold this value, which is of the right kind."""
        if self.categories is not None:
            return value in self.categories
        return bool(self.low <= value <= self.high)

    def broken_by(self, numbers: Any) -> Any:
        """Give those of these numbers that it forbids; NaN is none."""
        if self.categories is None:
            return numbers[(numbers < self.low) | (numbers > self.high)]
        known = np.isin(numbers, list(self.categories))
        return numbers[~known & ~np.isnan(numbers)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that decides what the fold does with a record.

    Attributes
    ----------
    events_topic, labels_topic, control_topic
        What dead letters call the inputs; the application's name and ``.events`` when None.
    id_field, time_field, label_field, label_time_field
        Names of the fields in the incoming object; None where there is no such field.
        Without `id_field` a record's position is its id, without `time_field` its time.
    ttl
        How long a prediction waits for its label: seconds of event time, or a number of
        records when the input has no time.
    slack
        How far one record may run ahead of the watermark before it has to be confirmed
        by the records after it; same unit as `ttl`.
    rules
        What fields were declared to hold.
    out_of_range, unseen_category
        What is done about an event whose value is not of those declared.
    actions
        What is done about each kind of alarm.
    false_alarms_per_100k
        Alarms promised at most per 100,000 records while nothing changes.
    fixed_reference
        Whether features are compared with the start for ever and not with the recent past.
    cooldown
        Labels after an alarm during which alarms of the same kind are only counted.
    """

    name: str = "app"
    events_topic: str | None = None
    labels_topic: str | None = None
    control_topic: str | None = None
    task: Task = "binary"
    id_field: str | None = None
    time_field: str | None = None
    label_field: str | None = None
    label_time_field: str | None = None
    ignore: tuple[str, ...] = ()
    types: Mapping[str, Kind] = field(default_factory=dict)
    missing: tuple[str, ...] = ("", "NA", "NaN", "nan", "null")
    positive: bool | int | float | str | None = None
    slack: float = 86_400.0

    unknown_field: FieldPolicy = "ignore"
    wrong_type: TypePolicy = "dead-letter"
    missing_field: Literal["accept", "dead-letter", "stop"] = "accept"
    rules: Mapping[str, FieldRule] = field(default_factory=dict)
    out_of_range: RulePolicy = "accept"
    unseen_category: RulePolicy = "accept"
    reference: int = 1000
    max_features: int = 1000
    max_abs: float = 1e30
    max_record: int = 1 << 20

    ttl: float = 30 * 86_400.0
    max_pending: int = 1_000_000
    max_early: int = 100_000
    recent_ids: int = 100_000
    max_classes: int = 1000

    metrics: tuple[str, ...] | None = None
    every: int = 1000
    window: int = 1000
    fading: float = 0.999

    actions: Mapping[str, Action] = field(
        default_factory=lambda: dict.fromkeys(
            ("concept", "data", "prediction", "schema", "label"), "alert"
        )
    )
    cooldown: int = 1000

    false_alarms_per_100k: float = 1.0
    fixed_reference: bool = False
