"""The topics that a configuration names, and those it does not name by their defaults."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from stream.core.settings import Settings
from stream.edges.topics import Topics

if TYPE_CHECKING:  # the configuration checks itself with what is here
    from stream.app.config import Config

_LONGEST = 249


def topics_of(config: "Config") -> Topics:
    """Give the names of all topics and of the consumer group.

    Examples
    --------
    >>> from stream.app.config import Config
    >>> topics = topics_of(Config(name="flights", kafka={"labels": "landings"}))
    >>> topics.events, topics.labels, topics.dead_letters, topics.group
    ('flights.events', 'landings', 'flights.dead-letters', 'flights')
    >>> topics_of(Config(name="flights", kafka={"labels": ""})).labels is None
    True
    """
    kafka, name = config.kafka, config.name
    return Topics(
        events=kafka.events or f"{name}.events",
        labels=(f"{name}.labels" if kafka.labels is None else kafka.labels) or None,
        control=kafka.control or f"{name}.control",
        predictions=f"{name}.predictions",
        metrics=f"{name}.metrics",
        alarms=f"{name}.alarms",
        models=f"{name}.models",
        checkpoints=f"{name}.checkpoints",
        dead_letters=f"{name}.dead-letters",
        journal=f"{name}.journal",
        group=kafka.group or name,
    )


def clashes(config: "Config") -> Iterator[str]:
    """Name topics that cannot be together: two parts in one, or a name that is too long."""
    topics = topics_of(config)
    taken = Counter([*topics.inputs, *topics.outputs])
    for key in ("events", "labels", "control"):
        topic = getattr(topics, key)
        if topic is not None and taken[topic] > 1:
            also = 'leave labels empty ("") for labels in the topic of events; else ' * (
                key == "labels"
            )
            yield f'[kafka] {key} = "{topic}": is another topic of {config.name} too; {also}name ' \
                  f"a topic of its own"
    if longest := max((t for t in taken if len(t) > _LONGEST), key=len, default=""):
        yield (
            f"name: gives topics such as {longest[:20]}...{longest[-13:]} of {len(longest)} "
            f"characters, and Kafka allows {_LONGEST}; choose a shorter one"
        )


def settings_of(config: "Config", topics: Topics | None = None) -> Settings:
    """Give the fold its share of a configuration, with the names of the real topics.

    Parameters
    ----------
    topics
        Those of today, for a configuration out of a checkpoint, which does not name them.
    """
    topics = topics or topics_of(config)
    settings = config.settings()
    return replace(
        settings,
        training=replace(settings.training, beside=config.training.beside),
        events_topic=topics.events,
        labels_topic=topics.labels or topics.events,
        control_topic=topics.control,
    )
