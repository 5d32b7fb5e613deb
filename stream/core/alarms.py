"""Alarms: what is said of a change, once by River's detectors, or as it becomes clearer by ours."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from detectors.diagnosis import VERDICTS, evidence, sentence
from detectors.error import Evidence
from stream.core.judging import News, gather
from stream.core.records import Alarm

if TYPE_CHECKING:
    from stream.core.partition import Partition


_EARLY = 500
"""Labels that wait for their event, between two looks at how many they are."""


class Told(NamedTuple):
    """What an alarm record says, but for where and when."""

    number: int
    kind: str
    detector: str
    signal: str
    evidence: dict[str, Any]
    diagnosis: str
    action: str
    suppressed: int
    verdict: str = "concept_drift"
    amends: int = 0
    features: Sequence[str] = ()


def raise_alarm(partition: "Partition", fired: list[tuple[str, Evidence]]) -> None:
    """Raise one alarm for River detectors that fired, unless the last was just before."""
    response, labels = partition.response, partition.counts.scored
    if response.hold("concept", labels):
        return
    number, suppressed, action = response.raised("concept", labels)
    response.suppress("concept", len(fired) - 1)
    detector, told = fired[0]
    diagnosis = (
        f"the error rose from {told['before']:.3g} to {told['after']:.3g} "
        f"over the last {told['labels_after']} labels"
    )
    alarm = Told(number, "concept", detector, "error", dict(told), diagnosis, action, suppressed)
    _say(partition, [alarm])


def miss_events(partition: "Partition") -> None:
    """Raise an alarm when many labels find no event: they lie on another partition, perhaps.

    Looked at whenever another 500 labels wait, and raised when they are a fifth of all.
    """
    waiting, counts = len(partition.early), partition.counts
    if waiting % _EARLY or 5 * waiting < counts.label_records:
        return
    response = partition.response
    if response.hold("label", counts.scored):
        return
    number, suppressed, action = response.raised("label", counts.scored)
    evidence = {
        "early_labels": waiting, "label_records": counts.label_records, "scored": counts.scored,
    }  # fmt: skip
    diagnosis = (
        f"{waiting} of {counts.label_records} labels find no event: are ids placed on the same "
        f"partition in both inputs (equal counts, murmur2), and are they the same ids?"
    )
    alarm = Told(
        number, "label", "EarlyLabels", "labels", evidence, diagnosis, action, suppressed,
        "labels_without_events",
    )  # fmt: skip
    _say(partition, [alarm])


def tell(partition: "Partition") -> None:
    """Raise an alarm for each new change, and amend those of which more is known now."""
    news = gather(partition.watch, partition.contract)
    _say(partition, [_told(partition, each) for each in news])


def _told(partition: "Partition", news: News) -> Told:
    """Enter an incident into the books; the digest is taken only when all are entered."""
    incident, response = news.incident, partition.response
    kind = VERDICTS[incident.verdict]
    if news.fresh:
        incident.number, suppressed, action = response.raised(
            kind, partition.counts.scored, incident.since
        )
        incident.detector, incident.signal = news.detector, news.signal
    else:
        incident.amended += 1
        suppressed, action = incident.suppressed, response.actions[kind]
    return Told(
        incident.number, kind, incident.detector, incident.signal, evidence(incident),
        sentence(incident), action, suppressed, incident.verdict, incident.amended,
        [each["name"] for each in incident.moved],
    )  # fmt: skip


def _say(partition: "Partition", told: Sequence[Told]) -> None:
    partition.out.alarms += [_record(partition, each) for each in told]
    if told:
        partition.cut = "alarm"
    partition.keep = any(each.action == "checkpoint" for each in told)


def _record(partition: "Partition", told: Told) -> Alarm:
    return {
        "alarm": f"{partition.number}-{told.number}",
        "kind": told.kind,
        "detector": told.detector,
        "signal": told.signal,
        "time": partition.time,
        "position": dict(partition.position),
        "evidence": told.evidence,
        "diagnosis": told.diagnosis,
        "action": told.action,
        "checkpoint": partition.digest(),
        "suppressed": told.suppressed,
        "model": partition.model,
        "verdict": told.verdict,
        "amends": told.amends,
        "features": told.features,
    }
