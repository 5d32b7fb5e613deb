"""What the fold needs to know, as plain values: the pure side of a configuration."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from stream.core.records import Kind, Task

FieldPolicy = Literal["ignore", "accept", "dead-letter", "stop"]
TypePolicy = Literal["dead-letter", "missing", "stop"]
Action = Literal["alert", "checkpoint", "reset"]


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
