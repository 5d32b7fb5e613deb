"""From signals to incidents to what is told of them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from detectors.diagnosis import cause_of, verdict_of
from detectors.incidents import Incident
from stream.core.contract import Contract

if TYPE_CHECKING:
    from stream.core.watch import Watch

_YOUNG = 4
"""Chunks in which a change may still be recognised as one of the usual ones."""


class News(NamedTuple):
    """An incident to tell of: for the first time, or with a new diagnosis."""

    incident: Incident
    fresh: bool
    detector: str
    signal: str


def recognise(watch: "Watch") -> None:
    """Look again at what changed a moment ago: there is more of it to see now."""
    for incident in watch.incidents.kept:
        young = watch.chunks - incident.chunk <= _YOUNG
        open_ = _vague(incident) or not incident.moved or incident.label is not None
        if young and incident.number and open_:
            watch.recall.append(incident.number)


def gather(watch: "Watch", contract: Contract) -> list[News]:
    """Put what was found together; gives the incidents to tell of."""
    told: dict[int, News] = {}
    order = ("schema", "data", "label", "prediction", "concept")
    for signal in sorted(watch.found, key=lambda each: order.index(each.kind)):
        begins = watch.before(signal.since)
        incident = watch.incidents.take(signal, watch.chunks, begins, watch.levels)
        if id(incident) not in told:
            fresh = not incident.number
            told[id(incident)] = News(incident, fresh, signal.detector, signal.name)
    for incident in watch.incidents.kept:
        if incident.number in watch.recall and id(incident) not in told:
            told[id(incident)] = News(incident, False, "", "")
    watch.found.clear()
    watch.recall.clear()
    return [news for news in told.values() if _judge(watch, news, contract)]


def _judge(watch: "Watch", news: News, contract: Contract) -> bool:
    """Diagnose an incident; gives whether there is something new to say."""
    incident = news.incident
    if incident.rise is not None and not incident.moved and not incident.shape:
        _look_back(watch, incident)
    if incident.moved and incident.rise is None:
        _look_at_error(watch, incident)
    _refresh(watch, incident)
    recognised = False
    if _vague(incident) and (incident.moved or incident.shape):
        cause = cause_of(incident, watch.features, _samples(watch, incident, contract))
        recognised = cause is not None and (
            incident.cause is None or cause["what"] != incident.cause["what"]
        )
        incident.cause = cause or incident.cause
    verdict = verdict_of(incident)
    changed = verdict != incident.verdict or recognised
    incident.verdict = verdict
    return changed or news.fresh


def _refresh(watch: "Watch", incident: Incident) -> None:
    """See how far labels and features have moved by now: the first look was at few."""
    if incident.label is None or watch.chunks - incident.chunk > _YOUNG:
        return
    for each in incident.moved:
        each["js"] = max(each["js"], watch.features.js_of(each["name"]))
    incident.label["js"] = max(incident.label["js"], watch.truths.js_of("label"))


def _look_back(watch: "Watch", incident: Incident) -> None:
    """Name the features that were not themselves when the error rose, if there are any."""
    assert incident.rise is not None
    low, high = incident.since, incident.rise["until"]
    found: dict[str, dict[str, Any]] = {}
    for start, moved in watch.unrest:
        if incident.begins <= start <= high or low <= start <= high:
            for each in moved:
                if each["name"] not in found or found[each["name"]]["js"] < each["js"]:
                    found[each["name"]] = each
    for moved in watch.features.moved_since(watch.chunks_since(low)):
        found.setdefault(moved.name, moved._asdict())
    incident.moved = sorted(found.values(), key=lambda each: -each["js"])


def _look_at_error(watch: "Watch", incident: Incident) -> None:
    """See whether the error rose too, if less than would be told of by itself."""
    rise = watch.rise.at(incident.since)
    if rise is not None:
        incident.rise = rise._asdict()


def _samples(
    watch: "Watch", incident: Incident, contract: Contract
) -> dict[str, Sequence[object]]:
    samples: dict[str, Sequence[object]] = {}
    for each in incident.shape:
        name = each["name"]
        if each["what"] != "new_field":
            continue
        if name in contract.samples:
            samples[name] = contract.samples[name]
        elif name in watch.features.names:
            samples[name] = (
                [text for text in watch.features.tally_of(name).elements() if text is not None]
                if watch.features.is_text(name)
                else [v for v in watch.features.values_of(name).tolist() if v == v]
            )
    return samples


def _vague(incident: Incident) -> bool:
    """Whether more may be found out about its cause."""
    return incident.cause is None or incident.cause["what"] == "missing"
