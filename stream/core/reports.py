"""The report on how good the served predictions have been."""

from typing import TYPE_CHECKING

from stream.core.records import Metrics

if TYPE_CHECKING:
    from stream.core.partition import Partition


def report_of(partition: "Partition", final: bool) -> Metrics:
    """Give the report as of now, with the books."""
    counts, watch = partition.counts, partition.watch
    report: Metrics = {
        "seq": partition.reports,
        "time": partition.time,
        "model": partition.model,
        "events": counts.events,
        **partition.scorer.report(),  # type: ignore[typeddict-item]  # its keys are those of Metrics
        "label_coverage": counts.scored / counts.predictions if counts.predictions else None,
        "predictions": counts.predictions,
        "pending": len(partition.pending),
        "expired": counts.expired,
        "evicted": counts.evicted,
        "learn_failed": counts.learn_failed,
        "early_labels": len(partition.early),
        "dead_letters": dict(counts.dead),
        "drift": watch.features.drifts(),
        "final": final,
    }
    if partition.settings.task != "regression":
        report["estimate"] = watch.estimate.report()
    return report
