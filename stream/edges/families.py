"""What is shown to Prometheus of a partition: one row for each family of metrics.

Every value is read from the latest snapshot of the partition, totals included. So a counter
goes on where it was when a partition moves to another process or is restored, and nothing is
counted twice: what is folded again after a crash is in the total once.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

_ALARM_KINDS = ("concept", "data", "prediction", "schema", "label")
_MODEL_EVENTS = ("trigger", "refused", "start", "promotion", "drop", "rollback")

Sample = tuple[tuple[str, ...], float]
"""Values of the family's own labels, and the number."""


@dataclass(slots=True)
class Snapshot:
    """What is known of an owned partition.

    Attributes
    ----------
    live
        Whether it has caught up with what was committed, and predicts.
    counts
        Totals of its state, as `counts_of` gives them.
    report
        Its last report; None before the first.
    lag
        Records still to be read of each input stream.
    alarmed
        When this process last saw an alarm of each kind, in seconds since the epoch.
    committed
        When this process last committed, likewise.
    checkpoint_bytes
        Size of the last checkpoint.
    """

    live: bool = False
    counts: Mapping[str, Any] = field(default_factory=dict)
    report: Mapping[str, Any] | None = None
    lag: dict[str, int] = field(default_factory=dict)
    alarmed: dict[str, float] = field(default_factory=dict)
    committed: float | None = None
    checkpoint_bytes: int | None = None


class Family(NamedTuple):
    """Metrics of one name; `application` and `partition` come before its own labels."""

    name: str
    kind: Literal["counter", "gauge"]
    help: str
    labels: tuple[str, ...]
    samples: Callable[[Snapshot], Iterable[Sample]]


def _total(key: str) -> Callable[[Snapshot], Iterator[Sample]]:
    def samples(of: Snapshot) -> Iterator[Sample]:
        if (value := of.counts.get(key)) is not None:
            yield (), value

    return samples


def _totals(key: str) -> Callable[[Snapshot], Iterator[Sample]]:
    def samples(of: Snapshot) -> Iterator[Sample]:
        for name, value in of.counts.get(key, {}).items():
            yield (name,), value

    return samples


def _alarms(of: Snapshot) -> Iterator[Sample]:
    """Give all kinds, also those of which there was none: a rise from nothing is not seen."""
    if (counted := of.counts.get("alarms")) is not None:
        yield from _each({**dict.fromkeys(_ALARM_KINDS, 0), **counted})


def _models(of: Snapshot) -> Iterator[Sample]:
    if of.counts:
        yield from _each({**dict.fromkeys(_MODEL_EVENTS, 0), **of.counts.get("models", {})})


def _reported(key: str) -> Callable[[Snapshot], Iterator[Sample]]:
    def samples(of: Snapshot) -> Iterator[Sample]:
        if (value := (of.report or {}).get(key)) is not None:
            yield (), value

    return samples


def _now_or_reported(key: str) -> Callable[[Snapshot], Iterator[Sample]]:
    now, reported = _total(key), _reported(key)
    return lambda of: now(of) if key in of.counts else reported(of)


def _scores(of: Snapshot) -> Iterator[Sample]:
    for over in ("cumulative", "window", "fading"):
        for metric, value in (of.report or {}).get(over, {}).items():
            if value is not None:
                yield (metric, over), value


def _baselines(of: Snapshot) -> Iterator[Sample]:
    for baseline, scores in (of.report or {}).get("baselines", {}).items():
        for metric, value in scores.items():
            if value is not None:
                yield (metric, baseline), value


def _delays(of: Snapshot) -> Iterator[Sample]:
    delay = (of.report or {}).get("label_delay", {})
    for key, quantile in (("p50", "0.5"), ("p95", "0.95"), ("max", "1")):
        if (value := delay.get(key)) is not None:
            yield (quantile,), value


def _model(of: Snapshot) -> Iterator[Sample]:
    model = of.counts.get("model") or (of.report or {}).get("model")
    if model is not None:
        yield (str(model),), 1


def _each(entries: Mapping[str, float]) -> Iterator[Sample]:
    return (((name,), value) for name, value in entries.items())


def _maybe(value: float | None) -> Iterator[Sample]:
    if value is not None:
        yield (), value


FAMILIES: tuple[Family, ...] = (
    Family("driftline_events_total", "counter", "Event records read, usable or not", (),
           _total("events")),
    Family("driftline_label_records_total", "counter", "Label records read, usable or not", (),
           _total("label_records")),
    Family("driftline_predictions_total", "counter", "Predictions served", (),
           _total("predictions")),
    Family("driftline_labels_total", "counter", "Predictions scored and learnt from", (),
           _total("scored")),
    Family("driftline_expired_total", "counter", "Predictions whose label did not come in time",
           (), _total("expired")),
    Family("driftline_evicted_total", "counter", "Predictions that gave way for want of room", (),
           _total("evicted")),
    Family("driftline_learn_failures_total", "counter", "Records on which the learner failed", (),
           _total("learn_failed")),
    Family("driftline_dead_letters_total", "counter", "Records that could not be used", ("reason",),
           _totals("dead")),
    Family("driftline_alarms_total", "counter", "Alarms raised", ("kind",), _alarms),
    Family("driftline_alarms_suppressed_total", "counter", "Alarms held back as repetitions",
           ("kind",), _totals("suppressed")),
    Family("driftline_model_events_total", "counter", "What happened to models", ("event",),
           _models),
    Family("driftline_shadow_answers_total", "counter", "Events answered by models in the shadow",
           (), _total("shadow_answers")),
    Family("driftline_shadow_labels_total", "counter", "Labels learnt by models in the shadow",
           (), _total("shadow_labels")),
    Family("driftline_errors_avoided", "gauge", "Errors avoided by contests, as far as told",
           (), _total("shadow_avoided")),
    Family("driftline_last_alarm_timestamp_seconds", "gauge",
           "When this process last saw an alarm (wall clock)", ("kind",),
           lambda of: _each(of.alarmed)),
    Family("driftline_reports_total", "counter", "Reports of the scores", (), _reported("seq")),
    Family("driftline_score", "gauge", "Score of the served predictions at the last report",
           ("metric", "over"), _scores),
    Family("driftline_baseline_score", "gauge",
           "Score of a baseline on the same labels, over all of them", ("metric", "baseline"),
           _baselines),
    Family("driftline_kappa_temporal", "gauge", "Share of the no-change baseline's errors avoided",
           (), _reported("kappa_temporal")),
    Family("driftline_kappa_m", "gauge", "Share of the majority baseline's errors avoided", (),
           _reported("kappa_m")),
    Family("driftline_label_coverage", "gauge", "Share of the predictions that were scored", (),
           _reported("label_coverage")),
    Family("driftline_label_delay_seconds", "gauge",
           "How long labels took, over all of them; quantile 1 is the longest", ("quantile",),
           _delays),
    Family("driftline_pending", "gauge", "Predictions that wait for their label", (),
           _now_or_reported("pending")),
    Family("driftline_early_labels", "gauge", "Labels that wait for their event", (),
           _now_or_reported("early_labels")),
    Family("driftline_model_info", "gauge", "The model that is served; always 1", ("model",),
           _model),
    Family("driftline_lag_records", "gauge", "Records of an input that are still to be read",
           ("stream",), lambda of: _each(of.lag)),
    Family("driftline_partition_live", "gauge",
           "Owned by this process: 1 when it predicts, 0 while it catches up", (),
           lambda of: [((), float(of.live))]),
    Family("driftline_last_commit_timestamp_seconds", "gauge",
           "When this process last committed (wall clock)", (), lambda of: _maybe(of.committed)),
    Family("driftline_checkpoint_bytes", "gauge", "Size of the last checkpoint", (),
           lambda of: _maybe(of.checkpoint_bytes)),
)  # fmt: skip
