"""What a run came to, in one record."""

from typing_extensions import TypedDict  # pydantic needs it before Python 3.12

from stream.app.config import Config
from stream.core.partition import Partition


class Summary(TypedDict):
    """What a run came to.

    Attributes
    ----------
    events
        Event records read: ``predictions`` and dead letters of events together.
    labels
        Labels that were scored.
    digest
        Canonical digest of the final state: equal for equal histories.
    models
        What happened to models: how many times each event of `ModelRecord`.
    errors_avoided
        By contests and promotions, as far as the records of models have told.
    seconds
        Wall-clock time of this process; what an earlier, interrupted one took is not in it.
    """

    name: str
    task: str
    events: int
    labels: int
    predictions: int
    dead_letters: int
    dead_letters_by_reason: dict[str, int]
    expired: int
    evicted: int
    learn_failed: int
    pending: int
    early_labels: int
    alarms: dict[str, int]
    suppressed: dict[str, int]
    models: dict[str, int]
    errors_avoided: float
    checkpoints: int
    metrics: dict[str, float | None]
    baselines: dict[str, dict[str, float | None]]
    kappa_temporal: float | None
    kappa_m: float | None
    label_delay: dict[str, float | None]
    label_coverage: float | None
    seconds: float
    events_per_second: float
    digest: str
    model: str
    config_digest: str


def summarise(
    config: Config,
    partition: Partition,
    checkpoints: int,
    seconds: float,
    records_before: int = 0,
) -> Summary:
    """Sum up a run from the state it ended in.

    Parameters
    ----------
    records_before
        Records folded before this run went on; its rate is over the others.
    """
    counts = partition.counts
    records = counts.events + counts.label_records
    events = counts.events * (1 - records_before / max(records, 1))
    report = partition.scorer.report()
    return Summary(
        name=config.name,
        task=config.task,
        events=counts.events,
        labels=counts.scored,
        predictions=counts.predictions,
        dead_letters=counts.dead_events + counts.dead_labels,
        dead_letters_by_reason=dict(sorted(counts.dead.items())),
        expired=counts.expired,
        evicted=counts.evicted,
        learn_failed=counts.learn_failed,
        pending=len(partition.pending),
        early_labels=len(partition.early),
        alarms=dict(partition.response.alarms),
        suppressed=dict(partition.response.suppressed),
        models=dict(counts.models),
        errors_avoided=partition.training.avoided,
        checkpoints=checkpoints,
        metrics=report["cumulative"],
        baselines=report["baselines"],
        kappa_temporal=report["kappa_temporal"],
        kappa_m=report["kappa_m"],
        label_delay=report["label_delay"],
        label_coverage=counts.scored / counts.predictions if counts.predictions else None,
        seconds=round(seconds, 3),
        events_per_second=round(events / seconds, 1) if seconds > 0 else 0.0,
        digest=partition.digest(),
        model=partition.model,
        config_digest=config.digest,
    )
