"""The tables of a configuration file that are about training: ``[training]`` and below."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator
from river import metrics

from stream.app.config_sections import AtLeast0, AtLeast1, Seconds, Section, Text, Texts
from stream.app.durations import Duration
from stream.core.settings import Budget, Gate, How, Training, Trigger, Window, Windows

Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Size = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class WindowConfig(Section):
    """Which labelled events a challenger is trained on before it begins.

    Attributes
    ----------
    policy
        ``none``; ``fixed``: the newest `size`; ``change``: those since the change, `size` at
        most; ``dynamic``: an eighth, a quarter, half or all of the newest `size`, whichever does
        best on what came after; ``representative``: `size` from all of history, as many of each
        class, without what came while something was changing.
    size
        Labelled events; so many are kept in the state.
    """

    policy: Windows = "none"
    size: Annotated[int, Field(ge=1, le=1_000_000)] = 2000

    def plain(self) -> Window:
        """Give it as the fold takes it."""
        return Window(policy=self.policy, size=self.size)


class TriggerConfig(Section):
    """A reason to train besides alarms: exactly one of `every` and `metric`.

    Attributes
    ----------
    every
        A number of event records, or event time such as ``"7d"``.
    metric
        Name of a configured metric, over its window; looked at whenever it is reported.
    below, above
        Values of it that are reason enough.
    baseline
        Reason enough when the metric is not better than this baseline's.
    how, window
        In place of those of ``[training]``.
    """

    every: Seconds | None = None
    metric: Text | None = None
    below: float | None = None
    above: float | None = None
    baseline: Literal["majority", "no_change", "mean"] | None = None
    how: How | None = None
    window: WindowConfig | None = None

    @model_validator(mode="after")
    def _one_reason(self) -> Self:
        if (self.every is None) == (self.metric is None):
            raise ValueError("needs exactly one of every and metric")
        bars = [self.below, self.above, self.baseline]
        if (self.metric is not None) != any(bar is not None for bar in bars):
            raise ValueError("metric needs one of below, above, baseline, and they need metric")
        return self

    def plain(self) -> Trigger:
        """Give it as the fold takes it."""
        timed = self.every is not None and isinstance(self.every.written, str)
        return Trigger(
            how=self.how,
            window=None if self.window is None else self.window.plain(),
            records=0 if self.every is None or timed else int(float(self.every)),
            seconds=float(self.every) if self.every is not None and timed else 0.0,
            metric=self.metric, below=self.below, above=self.above, baseline=self.baseline,
            less_is_better=self.metric is not None and not _more_is_better(self.metric),
        )  # fmt: skip


def _more_is_better(metric: str) -> bool:
    return bool(getattr(metrics, metric)().bigger_is_better)


class BudgetConfig(Section):
    """How much training there may be; 0 means no limit.

    Attributes
    ----------
    cooldown
        Labels after a challenger's start until the next.
    most, period
        Challengers that may begin within a period of event time.
    extra
        Answers of models in the shadow for each event, at most, in the long run: 0.5 is half
        a learner more.
    seconds
        Processor seconds for making models beside the stream, at most, per million events, in
        the long run.
    beside
        How long a model may be in the making beside the stream.
    """

    cooldown: AtLeast0 = 500
    most: AtLeast0 = 0
    period: Seconds = Duration("1d")
    extra: Size = 0.0
    seconds: Size = 0.0
    beside: Seconds = Duration("1h")


class GateConfig(Section):
    """What a model has to reach on the labels of its contest before it is promoted.

    Attributes
    ----------
    most_error
        Highest share of wrong answers, or mean absolute error.
    baseline
        Whether it has to err less than the baseline (majority, or mean).
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

    most_error: Size | None = None
    baseline: bool = False
    slices: Texts = ()
    most_loss: Size = 0.05
    least: AtLeast1 = 100
    labels: AtLeast0 = 1000


class TrainingConfig(Section):
    """When and how new models are made, and what decides between them.

    Attributes
    ----------
    doubts_per_100k
        Rises of the error too small for an alarm begin a contest as well, so often per 100,000
        labels while nothing changes; 0 for never.
    how
        ``fresh``: a new learner; ``warm``: a copy of the champion; ``transfer``: the model before
        that answers the newest labels best, or a new one; ``continue``: none, it only learns on.
    window
        What it is trained on before it begins.
    triggers
        Reasons besides alarms.
    challengers
        Models in the shadow at most, the champion before included.
    serve
        While a contest runs: ``leader`` (whichever is ahead lately), ``champion``, or ``split``
        (challengers serve a `share` of the ids).
    fading
        Weight of a difference relative to the one after it, for who is ahead.
    significance
        Chance, for each contest, that a model is promoted that is not better.
    min_gain
        By how much its mean error has to be lower.
    limit
        Labels after which a contest ends without a promotion.
    patience
        Labels before a challenger that errs more is dropped.
    rollback
        Labels for which the champion before stays in the shadow; 0 for not at all.
    remembered
        Models before that are kept for ``transfer``.
    follow_up
        Another challenger begins when one is promoted that an alarm or a doubt had called for: that
        one has learnt while the change was under way, and this one learns after it.
    beside
        On Kafka: models that learn in batches only, and searches among windows, are made in a
        process beside the stream, which goes on meanwhile. ``false``: within it, as on files.
    kept
        Where models are made beside the stream, so many labelled events are kept in the state at
        most; windows of more are read back from the topics.
    """

    doubts_per_100k: Annotated[float, Field(ge=0, le=1000, allow_inf_nan=False)] = 3.0
    how: How = "fresh"
    window: WindowConfig = Field(default_factory=WindowConfig)
    triggers: Annotated[tuple[TriggerConfig, ...], Field(strict=False)] = ()
    challengers: Annotated[int, Field(ge=1, le=16)] = 2
    serve: Literal["champion", "leader", "split"] = "leader"
    share: Share = 0.1
    fading: Annotated[float, Field(ge=0.5, lt=1)] = 0.99
    significance: Annotated[float, Field(gt=0, lt=1)] = 0.05
    min_gain: Annotated[float, Field(ge=0, lt=1)] = 0.0
    limit: AtLeast1 = 5000
    patience: AtLeast0 = 1500
    rollback: AtLeast0 = 3000
    remembered: AtLeast1 = 4
    follow_up: bool = True
    beside: bool = True
    kept: AtLeast1 = 20_000
    budget: BudgetConfig = Field(default_factory=BudgetConfig)
    gate: GateConfig = Field(default_factory=GateConfig)

    def plain(self) -> Training:
        """Give it as the fold takes it."""
        nested = {"doubts_per_100k", "window", "triggers", "budget", "gate", "beside"}
        budget: dict[str, Any] = self.budget.model_dump(exclude={"beside"})
        return Training(
            doubts=self.doubts_per_100k,
            window=self.window.plain(),
            triggers=tuple(each.plain() for each in self.triggers),
            budget=Budget(**{**budget, "period": float(self.budget.period)}),
            gate=Gate(**self.gate.model_dump()),
            **self.model_dump(exclude=nested),
        )
