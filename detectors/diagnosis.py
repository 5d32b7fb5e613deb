"""What kind of change it was, and why: one word for machines, one sentence for people.

An error that rose with the inputs as they were is concept drift: the same inputs came to mean
something else. Inputs that moved and an error that rose are data drift with effect; an error
that did not is data drift without effect (virtual drift; Gama et al., "A survey on concept drift
adaptation", ACM Computing Surveys 46, 2014). When only the mix of classes changed, no feature can
have moved further than the classes themselves did (the data processing inequality: under label
shift, the features depend on the change through the class alone); so features that moved less
than the labels are a consequence, and it is label shift. Then the errors within each class are
what they were, too, and an error that rose is explained by the new mix: that is looked at even
where the labels moved no further than in some earlier storm, and so raise no alarm themselves.
"""

from collections.abc import Sequence
from typing import Any

from detectors.distribution import Distributions
from detectors.divergence import Moved
from detectors.incidents import Incident, Kind
from detectors.units import fits, frozen_at, swapped, unit_of

VERDICTS: dict[str, Kind] = {
    "concept_drift": "concept",
    "data_drift_with_effect": "data",
    "data_drift_without_effect": "data",
    "data_drift": "data",
    "prediction_drift": "prediction",
    "schema_change": "schema",
    "label_shift": "label",
}
"""The words, and the kind of alarm each belongs to."""

_WORDS = {
    "concept_drift": "concept drift",
    "data_drift_with_effect": "data drift with effect",
    "data_drift_without_effect": "data drift without effect",
    "data_drift": "data drift, its effect not known yet",
    "prediction_drift": "prediction drift",
    "schema_change": "schema change",
    "label_shift": "label shift",
}

_MOST_TOLD = 10

_CLOSE = 0.5
"""How far the labels have to have moved, beside a feature, where the mix explains the errors;
and a feature at most, beside the labels, where these moved within their habit."""


def verdict_of(incident: Incident) -> str:
    """Judge by the signals that have come so far."""
    if incident.shape:
        return "schema_change"
    if _is_shift(incident):
        return "label_shift"
    if incident.moved:
        if incident.rise is not None:
            return "data_drift_with_effect"
        return "data_drift_without_effect" if incident.harmless else "data_drift"
    return "prediction_drift" if incident.rise is None else "concept_drift"


def _is_shift(incident: Incident) -> bool:
    """Whether the labels moved on their own account, and the rest followed."""
    mix = incident.mix()
    js = max(incident.label["js"] if incident.label else 0.0, mix.js if mix else 0.0)
    furthest = max((each["js"] for each in incident.moved), default=0.0)
    if incident.rise is None:
        if incident.label is not None:
            return js >= furthest
        return bool(incident.moved) and mix is not None and _CLOSE * js >= furthest
    if incident.label is None:
        return mix is not None and mix.explains() and js >= _CLOSE * furthest
    if mix is None:
        return bool(incident.moved) and js >= furthest
    return mix.fits() and js >= _CLOSE * furthest


def cause_of(
    incident: Incident, watch: Distributions, samples: dict[str, Sequence[object]]
) -> dict[str, Any] | None:
    """Recognise what was done to the data, if it was one of the usual things.

    Parameters
    ----------
    samples
        Newest values of fields that are new.
    """
    renamed = _renamed(incident, watch, samples)
    if renamed is not None:
        return renamed
    here = [
        Moved(**each) for each in incident.moved
        if each["name"] in watch.names and watch.reference_of(each["name"]) is not None
    ]  # fmt: skip
    values = [each for each in here if not each.missing]
    pair = swapped(watch, values)
    if pair is not None:
        text = f"{pair[0]} and {pair[1]} swapped?"
        return {"what": "swapped", "fields": list(pair), "text": text}
    for each in values:
        frozen = frozen_at(watch, each)
        if frozen is not None:
            return {
                "what": "frozen", "fields": [each.name], "value": frozen,
                "text": f"{each.name} is frozen at {frozen:g}",
            }  # fmt: skip
    for each in values:
        unit = unit_of(watch, each)
        if unit is not None:
            known = unit.conversion
            return {
                "what": "unit_change", "fields": [each.name],
                "factor": known.factor, "offset": known.offset,
                "fitted_factor": _finite(unit.factor), "fitted_offset": _finite(unit.offset),
                "left": unit.left,
                "text": f"{each.name}: new = {known.factor:.4g} * old + {known.offset:.4g}: "
                        f"{known.old} to {known.new}?",
            }  # fmt: skip
    return _gone(incident)


def _renamed(
    incident: Incident, watch: Distributions, samples: dict[str, Sequence[object]]
) -> dict[str, Any] | None:
    gone = [
        each["name"] for each in incident.shape
        if each["what"] in ("missing_field", "missing_required")
        and each["records"] > each["of"] / 2
    ]  # fmt: skip
    gone += [each["name"] for each in incident.moved if _missing(each["after"]) > 0.5]
    came = [
        each["name"] for each in incident.shape
        if each["what"] == "new_field" and not each["detail"]  # not one that is back
    ]  # fmt: skip
    best: tuple[float, str, str] | None = None
    for old in gone:
        for new in came:
            left = fits(watch, old, samples.get(new, ()))
            if left is not None and (best is None or left < best[0]):
                best = left, old, new
    if best is None:
        return None
    left, old, new = best
    return {
        "what": "renamed", "fields": [old, new], "left": left,
        "text": f"{old} renamed to {new}?",
    }  # fmt: skip


def _gone(incident: Incident) -> dict[str, Any] | None:
    told = {each["name"] for each in incident.shape}
    for each in incident.moved:
        before, after = _missing(each["before"]), _missing(each["after"])
        if each["missing"] and after > before and each["name"] not in told:
            return {
                "what": "missing", "fields": [each["name"]], "before": before, "after": after,
                "text": f"{each['name']} is missing in {after:.3g} of the records, "
                        f"was in {before:.3g}",
            }  # fmt: skip
    return None


def _missing(counts: list[int]) -> float:
    return counts[0] / max(sum(counts), 1)


def _finite(value: float) -> float | None:
    return value if value == value and abs(value) < 1e300 else None


def sentence(incident: Incident) -> str:
    """Say what happened in one sentence."""
    parts = []
    if incident.cause is not None:
        parts.append(incident.cause["text"])
    named = set(incident.cause["fields"]) if incident.cause is not None else set()
    parts += [_shape(each) for each in incident.shape if each["name"] not in named]
    moved = [each for each in incident.moved if each["name"] not in named]
    if moved and not incident.shape:
        parts.append(", ".join(_moved(each) for each in moved[:3]))
        if len(moved) > 3:
            parts[-1] += f" and {len(moved) - 3} more moved"
    if incident.prediction is not None:
        parts.append("the predictions moved" if moved else _moved(incident.prediction))
    if incident.label is not None:
        parts.append(_moved(incident.label))
    elif incident.verdict == "label_shift":
        parts.append(_classes(incident))
    if incident.rise is not None:
        rise = incident.rise
        parts.append(
            f"the error rose from {rise['before']:.3g} to {rise['after']:.3g} "
            f"over the last {rise['labels_after']} labels"
        )
        if incident.verdict == "label_shift":
            parts[-1] += ", as the new mix of classes makes it"
        elif not incident.moved and not incident.shape:
            parts[-1] += ", and no feature moved beyond its habit"
    elif incident.harmless and incident.before is not None:
        now = incident.errors / max(incident.labels, 1)
        parts.append(f"the error did not rise: {now:.3g}, {incident.before:.3g} before")
    return f"{_WORDS[incident.verdict]}: {'; '.join(parts)}"


def _shape(each: dict[str, Any]) -> str:
    what, name, detail = each["what"], each["name"], each["detail"]
    where = f"in {each['records']} of {each['of']} records"
    if what == "new_field":
        return f"{name} is {'back' if detail else 'new'} {where}"
    if what == "missing_field":
        return f"{name} is missing {where}, was there in {each['before']:.3g}"
    if what == "changed_type":
        return f"{name} is a {detail} {where}"
    if what == "unseen_category" and not detail.startswith("not one of"):
        return f"{name} has values never seen before {where}: {detail}"
    if what in ("out_of_range", "unseen_category"):
        return f"{name} is {detail.replace(':', f' {where}:', 1)}"
    if what == "missing_required":
        return f"{name} is required and missing {where}"
    if what == "missing_rate":
        return f"{name} is missing {where}, {detail}"
    return f"dead letters {where}, {each['before']:.3g} of them before: {detail}"


def _classes(incident: Incident) -> str:
    """Name the class whose share changed most."""
    before, since = (
        {name: count / max(sum(each[0] for each in classes.values()), 1.0)
         for name, (count, _) in classes.items()}
        for classes in (incident.classes_before, incident.classes_since)
    )  # fmt: skip
    names = sorted({*before, *since})
    name = max(names, key=lambda name: abs(since.get(name, 0.0) - before.get(name, 0.0)))
    return f"label moved ({name}: {before.get(name, 0.0):.2f} to {since.get(name, 0.0):.2f})"


def _moved(each: dict[str, Any]) -> str:
    before, after = each["before"], each["after"]
    total, now = max(sum(before[1:]), 1), max(sum(after[1:]), 1)
    labels = each["bins"]
    shares = [(n / now - o / total) for o, n in zip(before[1:], after[1:], strict=True)]
    if each["missing"]:
        return f"{each['name']} is missing in {_missing(after):.3g}, was in {_missing(before):.3g}"
    place = max(range(len(labels)), key=lambda at: abs(shares[at]))
    was, is_ = before[1 + place] / total, after[1 + place] / now
    return f"{each['name']} moved ({labels[place]}: {was:.2f} to {is_:.2f})"


def evidence(incident: Incident) -> dict[str, Any]:
    """Give the numbers a person can check."""
    told: dict[str, Any] = {}
    if incident.rise is not None:
        told |= incident.rise
    elif incident.before is not None:
        told["error_before"] = incident.before
    if incident.labels:
        told["error_since"] = incident.errors / incident.labels
        told["labels_since"] = incident.labels
    if incident.moved:
        told["features"] = [
            {key: each[key] for key in ("name", "js", "psi", "ks", "deviate")}
            | {"missing_before": _missing(each["before"]), "missing_after": _missing(each["after"])}
            for each in incident.moved[:_MOST_TOLD]
        ]
    shown = next(iter(incident.moved), None) or incident.label or incident.prediction
    if shown is not None:
        told["histogram"] = {
            "signal": shown["name"],
            "bins": ["missing", *shown["bins"]],
            "before": shown["before"][: len(shown["bins"]) + 1],
            "after": shown["after"][: len(shown["bins"]) + 1],
        }
    for name in ("label", "prediction"):
        one = getattr(incident, name)
        if one is not None:
            told[name] = {key: one[key] for key in ("js", "psi", "ks", "deviate")}
    mix = incident.mix() if incident.verdict in ("label_shift", "concept_drift") else None
    if mix is not None:
        told["classes"] = {"js": mix.js, "error_before": mix.before, "error_due": mix.due,
                           "error_since": mix.now}  # fmt: skip
    if incident.shape:
        told["shape"] = incident.shape[:_MOST_TOLD]
    if incident.cause is not None:
        told["cause"] = {key: value for key, value in incident.cause.items() if key != "text"}
    return told
