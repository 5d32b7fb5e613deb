"""What the fold needs to know, as plain values: the pure side of a configuration."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from stream.core.field_rule import FieldRule, RulePolicy
from stream.core.records import Kind, Task

FieldPolicy = Literal["ignore", "drop-field", "accept", "dead-letter", "stop"]
"""``ignore`` and ``drop-field`` are one: the field is left out, the event goes on."""

TypePolicy = Literal["dead-letter", "drop-field", "missing", "stop"]
"""``missing`` and ``drop-field`` are one."""

Action = Literal["alert", "checkpoint", "reset", "challenge"]
How = Literal["fresh", "warm", "transfer", "continue"]
"""How a challenger is made: anew, from the champion, from the model before that fits best now;
``continue`` makes none."""

Windows = Literal["none", "fixed", "dynamic", "representative", "change"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Which labelled events a challenger is trained on before it begins.

    Attributes
    ----------
    policy
        ``none``; ``fixed``: the newest `size`; ``change``: those since the change, up to `size`;
        ``dynamic``: the newest size/8, /4, /2 or all of `size`, whichever does best on the newest;
        ``representative``: up to `size` from all of history, in equal parts of each class, but
        for what came while something was changing.
    """

    policy: Windows = "none"
    size: int = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger:
    """A reason to train, besides alarms that are answered by ``challenge``.

    Attributes
    ----------
    records, seconds
        Interval in event records, or in event time; 0 for none.
    metric, below, above, baseline
        Windowed metric that falls below or rises above a value, or is not better than the
        baseline of this name (``majority``, ``no_change``), at a report.
    """

    how: How | None = None
    window: Window | None = None
    records: int = 0
    seconds: float = 0.0
    metric: str | None = None
    below: float | None = None
    above: float | None = None
    baseline: str | None = None
    less_is_better: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """How much training there may be; 0 means no limit.

    Attributes
    ----------
    cooldown
        Labels after a challenger's start until the next.
    most, period
        Challengers that may begin in so much event time (or so many records).
    extra
        Answers of models in the shadow, at most, for each event in the long run.
    seconds
        Processor seconds for making models beside the stream, at most, per million events in
        the long run.
    """

    cooldown: int = 500
    most: int = 0
    period: float = 86_400.0
    extra: float = 0.0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """What a model has to reach on the labels of its contest before it is promoted.

    Attributes
    ----------
    most_error
        Highest mean error (share of wrong answers, or mean absolute error).
    baseline
        Whether it has to err less than the baseline of majority (or mean) did.
    slices
        Features whose values are looked at one by one.
    most_loss
        By how much it may err more than the champion where a sliced feature has one value.
    least
        Labels of a value before it is looked at.
    labels
        Labels of a contest before anything is promoted: a model that is better for a moment only
        is served for it meanwhile, if the leader serves.
    """

    most_error: float | None = None
    baseline: bool = False
    slices: tuple[str, ...] = ()
    most_loss: float = 0.05
    least: int = 100
    labels: int = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """When and how new models are made, and what decides between them.

    Attributes
    ----------
    doubts
        False starts per 100,000 labels at which a rise of the error too small for an alarm
        begins a contest; 0 for none.
    challengers
        Models in the shadow at most, the champion before included.
    serve
        While a contest runs: ``champion``; ``leader``, whichever is ahead lately; ``split``, the
        challenger for a `share` of the ids.
    fading
        Weight of a difference relative to the one after it, for who is ahead.
    significance
        Chance that a model that is not better is promoted, for each contest.
    min_gain
        By how much the mean error has to be lower.
    limit
        Labels after which a contest ends without a promotion.
    patience
        Labels before a challenger that is worse is dropped.
    rollback
        Labels for which the champion before stays in the shadow, to take over again.
    remembered
        Models before that are kept for ``transfer``; a concept that returns finds its own.
    follow_up
        Whether another challenger begins when one is promoted that a change had called for.
    beside
        Whether what takes long to make is only ordered here, made beside the stream, and taken up
        at the control record that names it.
    kept
        Labelled events that are kept in the state at most where models are made beside the
        stream; windows of more are read back there from where the records came from.
    """

    doubts: float = 3.0
    how: How = "fresh"
    window: Window = field(default_factory=Window)
    triggers: tuple[Trigger, ...] = ()
    challengers: int = 2
    serve: Literal["champion", "leader", "split"] = "leader"
    share: float = 0.1
    fading: float = 0.99
    significance: float = 0.05
    min_gain: float = 0.0
    limit: int = 5000
    patience: int = 1500
    rollback: int = 3000
    remembered: int = 4
    follow_up: bool = True
    beside: bool = False
    kept: int = 20_000
    budget: Budget = field(default_factory=Budget)
    gate: Gate = field(default_factory=Gate)


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

    training: Training = field(default_factory=Training)
