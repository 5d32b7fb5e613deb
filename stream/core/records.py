"""The values that enter and leave the fold.

Outputs are plain dictionaries, typed here: one JSON object per record of an output
topic, so nothing is converted on the way out. A schema only grows.
"""

from collections.abc import Collection, Sequence
from typing import Any, Literal, NamedTuple, NotRequired

from typing_extensions import TypedDict  # pydantic needs it before Python 3.12

Task = Literal["binary", "multiclass", "regression"]
Kind = Literal["number", "text", "bool"]

Label = bool | int | str | float
"""What a learner is trained on: bool (binary), int or str (multiclass), float (regression)."""

Features = dict[str, Any]
"""Feature name to a finite number, a bool or a text; a missing feature has no entry."""


class Fault(NamedTuple):
    """Why an input record cannot be used.

    Attributes
    ----------
    reason
        A short stable word, counted and grouped by (``bad_json``, ``bad_time``, ...).
    detail
        One sentence for a person.
    """

    reason: str
    detail: str


class Shape:
    """What rows that were read together have in common: the same fields, of the same types.

    Readers of columns know it for a whole batch; with it, records need not be looked at one by
    one. It says nothing that the fields themselves do not say, and may always be missing.

    Parameters
    ----------
    columns
        Name, type and a bound of the absolute values of each field, in order; the bound is 0
        where it is no number.

    Attributes
    ----------
    signature
        The names, then the types.
    largest
        The largest of the bounds.
    """

    __slots__ = ("columns", "largest", "signature")

    def __init__(self, columns: list[tuple[str, type, float]]) -> None:
        self.columns = columns
        names = (name for name, _, _ in columns)
        types = (type_ for _, type_, _ in columns)
        self.signature: tuple[Any, ...] = (*names, *types)
        self.largest = max((bound for _, _, bound in columns), default=0.0)

    def without(self, names: Collection[str | None]) -> "Shape":
        """Give the shape of the rows once these fields were taken out."""
        return Shape([column for column in self.columns if column[0] not in names])


class Row(NamedTuple):
    """One record as an input gave it.

    Attributes
    ----------
    fields
        The decoded object, which whoever takes the row may change, or why there is none.
    raw
        The record as it was read, kept for a dead letter. For a record longer than the
        limit it is the head of it.
    raw_bytes, raw_sha256
        Length and hex digest of the whole where `raw` is only the head; else 0 and "".
    shape
        That of the fields, where it is known.
    """

    fields: dict[str, Any] | Fault
    raw: bytes
    raw_bytes: int = 0
    raw_sha256: str = ""
    shape: Shape | None = None


class Event(NamedTuple):
    """One observation to predict for, read as far as this takes no state (see `reading`).

    Attributes
    ----------
    time
        As it came.
    moment
        The same in seconds since the epoch, or the position when the input has no time.
    features
        All other fields, still to be held to the contract; whoever takes the event owns them.
    label
        The truth, as it came, when it came with the event.
    shape
        That of the features, where it is known.
    raw
        The record as it was read.
    """

    id: str
    time: Any
    moment: float
    features: Features
    label: Any
    shape: Shape | None
    raw: bytes


class LabelRecord(NamedTuple):
    """The truth for an event id, as it came; `moment` is None when the record has no time."""

    id: str
    time: Any
    moment: float | None
    label: Any
    raw: bytes


Record = Row | Event | LabelRecord
"""What a source may hand to the fold; a `Row` is read there."""


class Prediction(TypedDict):
    """What was served for one event; the only thing that is ever scored."""

    id: str
    time: str | int | float
    prediction: bool | int | str | float | None
    probability: NotRequired[float | dict[str, float] | None]
    model: str


class Metrics(TypedDict):
    """How good the served predictions have been, every so many labels and at the end.

    Attributes
    ----------
    seq
        Number of the report, from 1.
    time
        Event time of the record that made it due, as it came.
    events, predictions, labels
        Event records read, predictions served, and labels scored so far.
    label_coverage
        Share of the predictions so far whose label has been scored.
    drift
        How far the newest 1,024 values of each feature are from those before: Jensen-Shannon
        divergence in bits, 0 to 1.
    estimate
        The accuracy of the newest predictions by the model's own calibrated probabilities, and
        how far such estimates were off (see `detectors.estimate`); not for a regression.
    """

    seq: int
    time: str | int | float
    model: str
    events: int
    labels: int
    abstained: int
    cumulative: dict[str, float | None]
    window: dict[str, float | None]
    fading: dict[str, float | None]
    baselines: dict[str, dict[str, float | None]]
    kappa_temporal: float | None
    kappa_m: float | None
    per_class: NotRequired[dict[str, dict[str, float | None]]]
    label_delay: dict[str, float | None]
    label_coverage: float | None
    predictions: int
    pending: int
    expired: int
    evicted: int
    learn_failed: int
    early_labels: int
    dead_letters: dict[str, int]
    final: bool
    drift: dict[str, float]
    estimate: NotRequired[dict[str, Any]]


class Alarm(TypedDict):
    """Something changed here.

    Attributes
    ----------
    alarm
        Its id. Another record of the same id amends it: more is known by then.
    verdict
        The diagnosis in one word: of `detectors.diagnosis.VERDICTS`, or labels_without_events.
    amends
        How many records of the same id went before; 0 for an alarm that is new.
    features
        Those that moved, most first.
    """

    alarm: str
    kind: str
    detector: str
    signal: str
    time: str | int | float
    position: dict[str, int]
    evidence: dict[str, Any]
    diagnosis: str
    action: str
    checkpoint: str
    suppressed: int
    model: str
    verdict: str
    amends: int
    features: Sequence[str]


class ModelRecord(TypedDict):
    """Something happened to a model of this partition: each step of its life is one record.

    Attributes
    ----------
    seq
        Number of the record in its partition, from 1.
    event
        trigger (there is a reason to train), refused (the budget or the gate said no), start (a
        challenger begins), promotion, drop, rollback (the model before takes over again).
    model
        The version this is about; "" before there is one.
    champion
        The version that is champion after this.
    parent
        The version that `model` was made from; None for one that was trained anew.
    cause
        What the reason was: its `kind` and what belongs to it.
    how
        How `model` was made: fresh, warm, transfer, continue, refit, checkpoint.
    window
        Which labelled events it was trained on before it began; None for none.
    evidence
        What the decision rests on.
    cost
        Labels learnt and events answered by models that were not served, so far.
    gain
        What was gained: errors avoided by labels scored so far, against the model before.
    """

    seq: int
    event: Literal["trigger", "refused", "start", "promotion", "drop", "rollback"]
    time: str | int | float
    position: dict[str, int]
    model: str
    champion: str
    parent: str | None
    cause: dict[str, Any]
    how: str
    window: dict[str, Any] | None
    evidence: dict[str, Any]
    cost: dict[str, int]
    gain: dict[str, float]


class Origin(TypedDict):
    """Where an input record came from."""

    topic: str
    partition: int
    offset: int


class DeadLetter(TypedDict):
    """An input record that could not be used, kept with its reason and its origin."""

    origin: Origin
    reason: str
    detail: str
    raw: str
    raw_encoding: Literal["utf-8", "base64"]
    raw_sha256: str
    raw_bytes: int
