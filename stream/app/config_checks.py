"""Checks of a configuration that take more than one key to see."""

from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING

from detectors.build import DetectorError, build_detector
from stream.app.config_errors import printable, shown
from stream.app.topics import clashes
from stream.core.metrics import plan_metrics

if TYPE_CHECKING:  # the models import this module
    from stream.app.config import Config
    from stream.app.config_sections import FieldConfig


def contradictions(config: "Config") -> list[str]:
    """Name keys that cannot hold together, unknown metrics and detectors that cannot be built."""
    checks = (
        _roles, _fields, _times, _labels, _metrics, _triggers, _detectors, clashes, _timeouts,
    )  # fmt: skip
    return [printable(line) for check in checks for line in check(config)]


def _roles(config: "Config") -> Iterator[str]:
    fields = config.input
    taken: dict[str, str] = {}
    for role in ("id", "time", "label", "label_time"):
        field = getattr(fields, role)
        if field is None:
            continue
        if field in taken:
            yield f"[input] {role} = {shown(field)}: is the {taken[field]} already; name another"
        taken.setdefault(field, role)
    for field in fields.ignore:
        if field in taken:
            yield f"[input] ignore: {shown(field)} is the {taken[field]}; leave it out of ignore"
        elif field in fields.types:
            yield f"[input.types] {field}: is also in [input] ignore; leave it out of one of them"


def _fields(config: "Config") -> Iterator[str]:
    fields = config.input
    roles = {getattr(fields, role): role for role in ("id", "time", "label", "label_time")}
    for name, each in config.contract.fields.items():
        here = f"[contract.fields.{name}]"
        if name in roles:
            yield f"{here}: is the {roles[name]}, and no feature; leave it out"
        elif name in fields.ignore:
            yield f"{here}: is also in [input] ignore; leave it out of one of them"
        yield from (f"{here} {line}" for line in _field(each))
        kind, declared = each.kind(), fields.types.get(name)
        if kind and declared and kind != declared:
            yield (
                f"{here}: what is said here fits a {kind}, but [input.types] {name} = "
                f"{shown(declared)}; change one of them"
            )


def _field(each: "FieldConfig") -> Iterator[str]:
    if each.min is not None and each.max is not None and each.min > each.max:
        yield f"min = {shown(each.min)}: is above max, which is {shown(each.max)}"
    if each.categories is not None:
        if each.min is not None or each.max is not None:
            yield "categories: they are all values there are; leave out min and max"
        texts = sum(isinstance(value, str) for value in each.categories)
        if 0 < texts < len(each.categories):
            yield f"categories = {shown(each.categories)}: must all be texts, or none of them"
    if each.required and each.missing:
        yield f"missing = {shown(each.missing)}: the field is required; leave out one of the two"


def _times(config: "Config") -> Iterator[str]:
    if config.input.time is not None:
        return
    if isinstance(config.labels.ttl.written, str) and "ttl" in config.labels.model_fields_set:
        yield (
            f"[labels] ttl = {shown(config.labels.ttl)}: the input has no time; "
            "name its field in [input] time, or give a number of records"
        )
    if "time_slack" in config.input.model_fields_set:
        yield (
            f"[input] time_slack = {shown(config.input.time_slack)}: the input has no time; "
            "name its field in [input] time, or leave time_slack out"
        )


def _labels(config: "Config") -> Iterator[str]:
    fields = config.input
    if fields.label_time is not None and fields.label is None:
        yield (
            f"[input] label_time = {shown(fields.label_time)}: says when a label became known; "
            "name the label's own field in [input] label too"
        )
    if fields.positive is not None and config.task != "binary":
        yield (
            f"[input] positive = {shown(fields.positive)}: is for binary tasks only; "
            f'leave it out, or set task = "binary" (now {shown(config.task)})'
        )
    if config.learner.classes is not None and config.task == "regression":
        yield "[learner] classes: a regression has none; leave it out"


def _metrics(config: "Config") -> Iterator[str]:
    try:
        plan_metrics(config.task, config.scoring.metrics)
    except ValueError as error:
        yield f"[scoring] metrics = {shown(config.scoring.metrics)}: {error}"


def _triggers(config: "Config") -> Iterator[str]:
    known = plan_metrics(config.task, None) if config.scoring.metrics is None else None
    names = config.scoring.metrics or (tuple(known.kinds) if known is not None else ())
    for number, each in enumerate(config.training.triggers, start=1):
        if each.metric is not None and each.metric not in names:
            yield (
                f"[[training.triggers]] #{number} metric = {shown(each.metric)}: is not among "
                f"[scoring] metrics: {', '.join(names)}"
            )
        timed = each.every is not None and isinstance(each.every.written, str)
        if timed and config.input.time is None:
            yield (
                f"[[training.triggers]] #{number} every = {shown(each.every)}: the input has no "
                f"time; name its field in [input] time, or give a number of records"
            )


def _detectors(config: "Config") -> Iterator[str]:
    numeric = config.task == "regression"
    for number, each in enumerate(config.detectors, start=1):
        try:
            build_detector(each, config.seed, numeric=numeric)
        except DetectorError as error:
            value = each.class_ if error.key == "class" else dict(each.params)
            yield f"[[detectors]] #{number} {error.key} = {shown(value)}: {error}"


def _timeouts(config: "Config") -> Iterator[str]:
    kafka = config.kafka
    order = ("commit_every", "transaction_timeout", "watchdog")
    for key, other in pairwise(order):
        if getattr(kafka, key) >= getattr(kafka, other):
            yield (
                f"[kafka] {key} = {shown(getattr(kafka, key))}: must be shorter than {other}, "
                f"which is {shown(getattr(kafka, other))}"
            )
