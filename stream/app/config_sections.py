"""The tables of a configuration file, each with its keys and their defaults."""

from collections.abc import Mapping
from math import inf
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    model_validator,
)

from stream.app.config_values import one_value, plain_params, plain_text
from stream.app.durations import Duration
from stream.core.field_rule import FieldRule, RulePolicy
from stream.core.records import Kind
from stream.core.settings import Action, FieldPolicy, TypePolicy

Seconds = Annotated[
    Duration, PlainValidator(Duration), PlainSerializer(lambda d: d.written, when_used="json")
]
Text = Annotated[str, AfterValidator(plain_text)]
Texts = Annotated[tuple[Text, ...], Field(strict=False)]
Params = Annotated[Mapping[str, Any], AfterValidator(plain_params)]
Value = Annotated[bool | int | float | str, PlainValidator(one_value)]
Telling = Literal["alert", "checkpoint", "challenge"]
AtLeast0 = Annotated[int, Field(ge=0)]
AtLeast1 = Annotated[int, Field(ge=1)]


class Section(BaseModel):
    """One table of the file: frozen, exact about types, closed to unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, populate_by_name=True)


class InputConfig(Section):
    """Names of the fields in the incoming object, CSV column or Parquet column.

    Attributes
    ----------
    id, time
        The record's position stands in for either when it is absent.
    label
        None where no event carries its own label.
    label_time
        Files only: the field that says when the row's label became known.
    ignore
        Fields that are no features; every field not named here is one.
    types
        Kind of a feature where the data alone would be misread.
    missing
        Texts in a CSV cell that stand for a missing value.
    positive
        Binary tasks: the label that counts as true.
    max_record
        Longest record in bytes.
    time_slack
        How far one record may run ahead of event time before others must confirm it.
    """

    id: Text | None = None
    time: Text | None = None
    label: Text | None = None
    label_time: Text | None = None
    ignore: Texts = ()
    types: Mapping[str, Kind] = Field(default_factory=dict)
    missing: Annotated[tuple[str, ...], Field(strict=False)] = ("", "NA", "NaN", "nan", "null")
    positive: Value | None = None
    max_record: AtLeast1 = 1 << 20
    time_slack: Seconds = Duration("1d")


class Step(Section):
    """One step of a pipeline: a class by import path and its parameters."""

    class_: Text = Field(alias="class")
    params: Params = Field(default_factory=dict)


class LearnerConfig(Section):
    """What predicts and learns: exactly one of `class_`, `steps` and `factory`.

    Attributes
    ----------
    class_
        Import path of a class (the key ``class`` in a file).
    params
        Its parameters; River's defaults stand for the others.
    steps
        A pipeline, first step first.
    factory
        ``module:function`` that returns the learner.
    classes
        All labels, for a learner that has to know them before the first one comes.
    """

    class_: Text | None = Field(default=None, alias="class")
    params: Params = Field(default_factory=dict)
    steps: Annotated[tuple[Step, ...], Field(strict=False)] = ()
    factory: Annotated[Text, Field(pattern=r"^[\w.]+:\w+$")] | None = None
    classes: Annotated[tuple[Value, ...], Field(strict=False, min_length=2)] | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        given = [key for key in ("class_", "steps", "factory") if getattr(self, key)]
        named = ", ".join(key.rstrip("_") for key in given) or "none of them"
        if len(given) != 1:
            raise ValueError(f"needs exactly one of class, steps, factory; given: {named}")
        if self.steps and self.params:
            raise ValueError("params: with steps, each step has params of its own; move them there")
        return self


class DetectorConfig(Section):
    """A River drift detector by import path, and the signal that it watches."""

    class_: Text = Field(alias="class")
    watch: Literal["error"] = "error"
    params: Params = Field(default_factory=dict)


class DriftConfig(Section):
    """How much may be noticed by mistake, and what features are compared with.

    Attributes
    ----------
    false_alarms_per_100k
        Alarms promised at most per 100,000 records while nothing changes, over all detectors.
    reference
        ``sliding``: the newest 16,384 events; ``fixed``: the first, until something moves.
    """

    false_alarms_per_100k: Annotated[float, Field(gt=0, le=1000, allow_inf_nan=False)] = 1.0
    reference: Literal["sliding", "fixed"] = "sliding"


Finite = Annotated[float, Field(allow_inf_nan=False)]


class FieldConfig(Section):
    """What one field holds, as far as that is known.

    Attributes
    ----------
    min, max
        Least and largest value of a number.
    categories
        All values there are: texts, or numbers, or true and false.
    required
        Whether every event has to have the field.
    missing
        Share of the events in which it usually is missing.
    """

    min: Finite | None = None
    max: Finite | None = None
    categories: Annotated[tuple[Value, ...], Field(strict=False, min_length=1)] | None = None
    required: bool | None = None
    missing: Annotated[float, Field(ge=0, lt=1)] | None = None

    def kind(self) -> Kind | None:
        """Give the kind of field that this can be said of; None where it can be of any."""
        if self.categories is None:
            return None if self.min is None and self.max is None else "number"
        types = set(map(type, self.categories))
        return "text" if str in types else "bool" if types == {bool} else "number"

    def rule(self) -> FieldRule:
        """Give the fold its share."""
        return FieldRule(
            low=-inf if self.min is None else self.min,
            high=inf if self.max is None else self.max,
            categories=None if self.categories is None else frozenset(self.categories),
            required=self.required,
            missing=self.missing,
        )


class ContractConfig(Section):
    """What to do when the shape of the events changes.

    Attributes
    ----------
    out_of_range, unseen_category
        What to do about an event whose value is none of those declared in `fields`.
    fields
        What is known of fields, by their names.
    reference
        Events during which the fields and their kinds are learnt.
    max_features
        Most features of one event.
    max_abs
        Numbers beyond it, either way, are refused.
    """

    unknown_field: FieldPolicy = "ignore"
    wrong_type: TypePolicy = "dead-letter"
    missing_field: Literal["accept", "dead-letter", "stop"] = "accept"
    out_of_range: RulePolicy = "accept"
    unseen_category: RulePolicy = "accept"
    fields: Mapping[str, FieldConfig] = Field(default_factory=dict)
    reference: AtLeast0 = 1000
    max_features: AtLeast1 = 1000
    max_abs: Annotated[float, Field(gt=0, le=1e300, allow_inf_nan=False)] = 1e30


class LabelsConfig(Section):
    """How long and how many predictions wait for their label.

    Attributes
    ----------
    ttl
        Event time, or a number of records when the input has no time (then `max_pending`
        unless given).
    max_early
        Labels kept that came before their event.
    recent_ids
        Ids remembered after their label came, to know a duplicate.
    """

    ttl: Seconds = Duration("30d")
    max_pending: AtLeast1 = 1_000_000
    max_early: AtLeast0 = 100_000
    recent_ids: AtLeast0 = 100_000
    max_classes: Annotated[int, Field(ge=2)] = 1000


class ScoringConfig(Section):
    """Which metrics, and how often they are reported.

    Attributes
    ----------
    metrics
        Names from `river.metrics`; None stands for the defaults of the task.
    every
        Labels between reports.
    window
        Labels in the sliding window.
    fading
        Weight of a label relative to the one after it.
    """

    metrics: Texts | None = None
    every: AtLeast1 = 1000
    window: AtLeast1 = 1000
    fading: Annotated[float, Field(ge=0.5, le=1)] = 0.999


class CheckpointsConfig(Section):
    """Where checkpoints go, every how many records, and how many are kept.

    Attributes
    ----------
    models
        Of models that were made beside the stream so many are kept, the newest: a replay of the
        topics needs those that were taken up in its range.
    """

    url: Text = "./checkpoints"
    every: AtLeast1 = 50_000
    keep: AtLeast1 = 10
    models: AtLeast1 = 1000


class ResponseConfig(Section):
    """What an alarm of each kind sets off, and the labels until the next of its kind counts.

    Attributes
    ----------
    concept
        ``alert`` tells; ``checkpoint`` also keeps the alarm's checkpoint for good; ``challenge``
        begins a contest (see ``[training]``); ``reset`` starts over with a fresh learner, unproven.
    data, prediction, schema_, label
        The same for the other kinds of alarm (the key ``schema`` in a file).
    """

    concept: Action = "challenge"
    data: Telling = "alert"
    prediction: Telling = "alert"
    schema_: Annotated[Telling, Field(alias="schema")] = "alert"
    label: Telling = "alert"
    cooldown: AtLeast0 = 1000

    def actions(self) -> dict[str, Action]:
        """Give the action for each kind of alarm."""
        return {
            "concept": self.concept, "data": self.data, "prediction": self.prediction,
            "schema": self.schema_, "label": self.label,
        }  # fmt: skip


class LimitsConfig(Section):
    """When to stop rather than grind: records that the learner failed on."""

    learn_failures: AtLeast0 = 100


class FilesConfig(Section):
    """How files are worked through; no influence on what comes out.

    Attributes
    ----------
    chunk
        Records folded between looks at the clock.
    commit_every
        Wall-clock time between commits.
    """

    chunk: AtLeast1 = 4096
    commit_every: Seconds = Duration("1s")
