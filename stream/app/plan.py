"""What a configuration comes to, before anything runs."""

from pathlib import Path

from rich.table import Table

from stream.app.config import Config
from stream.app.console import console
from stream.app.engine import open_events, parts_of
from stream.app.source_checks import check_events
from stream.app.topics import topics_of
from stream.app.trial import try_learner
from stream.core.making import labelled_kept
from stream.core.records import Fault
from stream.core.scorer import Scorer

_HEAD = 10_000
_SHOWN = 5
_EVENT_BYTES = 1500
"""What a labelled event of a dozen features takes in memory: a dictionary and its values."""


def show_plan(config: Config, source: Path | None) -> None:
    """Build everything that the configuration names, try it out, and print what it comes to.

    The learner is run on a few hundred made-up records under two hash seeds and over a
    snapshot in the middle: a learner for which a replay would not give the same is refused.

    Raises
    ------
    ConfigError
        A class, parameter or metric cannot be used, or the learner does not replay.
    SourceError
        The source cannot be read or lacks a configured field.
    """
    parts = parts_of(config)
    learner, detectors = parts.fresh_learner(), parts.fresh_detectors()
    scoring = config.scoring
    metrics = Scorer(config.task, scoring.metrics).metrics
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    fields = config.input
    table.add_row("application", f"{config.name} ({config.task}), seed {config.seed}")
    table.add_row("id", fields.id or "the position of the record")
    table.add_row("time", fields.time or "the position of the record")
    table.add_row("label", _label(config))
    table.add_row("learner", " ".join(str(learner.estimator).split()))
    contract = config.contract
    table.add_row("contract", f"learnt from the first {contract.reference:,} events; then unknown "
                              f"field: {contract.unknown_field}, wrong type: "
                              f"{contract.wrong_type}, missing field: {contract.missing_field}")
    if contract.fields:
        table.add_row("declared", f"{_declared(config)}; then out of range: "
                                  f"{contract.out_of_range}, unseen category: "
                                  f"{contract.unseen_category}")
    names = ", ".join(type(each).__name__ for each in detectors)
    table.add_row("watched", f"the error ({names or 'calibrated'}), each feature ("
                             f"{config.drift.reference} reference), predictions, labels, shape")
    table.add_row("promise", f"at most {config.drift.false_alarms_per_100k:g} false alarms in "
                             f"100,000 records")
    actions = ", ".join(f"{kind}: {what}" for kind, what in config.response.actions().items())
    table.add_row("on an alarm", actions)
    table.add_row("training", _training(config))
    table.add_row("metrics", f"{', '.join(metrics)}; every {scoring.every:,} labels, "
                             f"window {scoring.window:,}, fading {scoring.fading}")
    table.add_row("pending", f"at most {config.labels.max_pending:,}, for {_ttl(config)}")
    table.add_row("checkpoints", f"{config.checkpoints.url}, every {config.checkpoints.every:,} "
                                 f"records, the last {config.checkpoints.keep} kept")
    table.add_row("on Kafka", _topics(config))
    table.add_row("digest", config.digest[:12])
    if source is not None:
        split = fields.label is not None
        opener = lambda: open_events(config, source)  # noqa: E731  # one use, bound to this file
        types, _ = check_events(config, source, opener, split=split)
        table.add_row("features", ", ".join(f"{name} ({kind})" for name, kind in types.items())
                      or "as the events show them")
        if contract.fields:
            table.add_row("", _broken(config, source))
    table.add_row("replay", try_learner(config, source))
    console().print(table)


def _declared(config: Config) -> str:
    words = []
    for name, each in config.contract.fields.items():
        said = []
        if each.categories is not None:
            shown = ", ".join(str(value) for value in each.categories[:_SHOWN])
            more = len(each.categories) - _SHOWN
            said.append(f"{shown} and {more} more" if more > 0 else shown)
        if each.min is not None:
            said.append(f"from {each.min:g}")
        if each.max is not None:
            said.append(f"to {each.max:g}")
        if each.required is not None:
            said.append("required" if each.required else "optional")
        if each.missing is not None:
            said.append(f"missing in {each.missing:g}")
        words.append(f"{name} ({', '.join(said) or 'nothing said of it'})")
    return ", ".join(words)


def _broken(config: Config, source: Path) -> str:
    """Say how many of the first rows are not as declared."""
    reader = open_events(config, source)
    try:
        rows = [row.fields for row in reader.read(_HEAD) if not isinstance(row.fields, Fault)]
    finally:
        reader.close()
    found = []
    for name, rule in config.settings().rules.items():
        values = [row.get(name) for row in rows]
        number = rule.categories is None
        bad = sum(
            value is not None and not (number and isinstance(value, str)) and not rule.allows(value)
            for value in values
        )
        gone = values.count(None) if rule.required else 0
        found += [f"{name} in {count}" for count in (bad + gone,) if count]
    told = f"{', '.join(found)} are not as declared" if found else "all are as declared"
    return f"of the first {len(rows):,} records {told}"


def _label(config: Config) -> str:
    fields = config.input
    if fields.label is None:
        return "in records of their own"
    return f"{fields.label}, known at {fields.label_time}" if fields.label_time else fields.label


def _training(config: Config) -> str:
    training = config.training
    reasons = ["alarms that are answered by challenge"]
    if training.doubts_per_100k and config.response.concept == "challenge":
        reasons.append("smaller rises of the error")
    reasons += [
        f"every {each.every.written}" if each.every is not None else f"{each.metric}"
        for each in training.triggers
    ]
    kept = labelled_kept(config.settings().training)
    memory = f"; {kept:,} labelled events kept, about {kept * _EVENT_BYTES / 2**20:.1f} MiB"
    if training.beside and kept > training.kept:
        memory += f" (on Kafka {training.kept:,}, and the rest read back from the topics)"
    return (
        f"a {training.how} challenger on {', '.join(reasons)}; {training.serve} serves; at most "
        f"{training.challengers} models in the shadow{memory if kept else ''}"
    )


def _topics(config: Config) -> str:
    topics, kafka = topics_of(config), config.kafka
    labels = f" and {topics.labels}" if topics.labels else ""
    return (
        f"{topics.events}{labels} to {config.name}.*, group {topics.group}, at "
        f"{kafka.bootstrap_servers} ({kafka.client})"
    )


def _ttl(config: Config) -> str:
    if config.input.time is None:
        return f"{config.labels.ttl:,.0f} records"
    return f"{config.labels.ttl.written} of event time"
