"""The topics of an application by their part, and having them there before they are used."""

from collections.abc import Sequence
from dataclasses import dataclass

from stream.edges.transports.log import Log, LogError, Topic

COMPACTED = {"cleanup.policy": "compact", "segment.ms": "3600000"}
FOR_GOOD = {"cleanup.policy": "delete", "retention.ms": "-1"}


@dataclass(frozen=True, slots=True)
class Topics:
    """Names of the topics that an application reads and writes.

    Attributes
    ----------
    labels
        None when labels come in the topic of events.
    group
        The consumer group that owns the positions in the inputs.
    """

    events: str
    labels: str | None
    control: str
    predictions: str
    metrics: str
    alarms: str
    models: str
    checkpoints: str
    dead_letters: str
    journal: str
    group: str

    @property
    def inputs(self) -> tuple[str, ...]:
        """What is read: events, labels if they have a topic, control."""
        return tuple(name for name in (self.events, self.labels, self.control) if name)

    @property
    def outputs(self) -> tuple[str, ...]:
        """What is written in transactions."""
        return (
            self.predictions, self.metrics, self.alarms, self.models, self.checkpoints,
            self.dead_letters, self.journal,
        )  # fmt: skip

    def settings(self, name: str) -> dict[str, str]:
        """Give the settings with which a topic is created when it is missing.

        Checkpoints are compacted: a tombstone removes one that was collected. Inputs and the
        journal are kept for good: a replay needs them, and records from a history have the
        time stamps of then, by which a broker would delete them at once. Whoever has much
        input sets a limit. Outputs are kept as long as the broker says.

        Examples
        --------
        >>> topics = Topics("e", "l", "c", "p", "m", "a", "mo", "ck", "d", "j", "g")
        >>> topics.settings("ck"), topics.settings("p")
        ({'cleanup.policy': 'compact', 'segment.ms': '3600000'}, {})
        """
        if name == self.checkpoints:
            return dict(COMPACTED)
        return dict(FOR_GOOD) if name in (*self.inputs, self.journal) else {}


class TopicError(LogError):
    """A topic is missing, or is not as it has to be."""


def prepare(
    log: Log,
    topics: Topics,
    names: Sequence[str],
    partitions: int,
    replication: int | None,
    *,
    create: bool,
) -> dict[str, Topic]:
    """Give the topics, after creating those that do not exist and holding all to one number.

    Parameters
    ----------
    names
        Which of them.
    partitions
        Of new topics, when none of them exists yet; else as many as those have.
    replication
        Copies of new topics; None: as many as the broker's default says.
    create
        Whether missing topics may be created.

    Raises
    ------
    TopicError
        One is missing, or they have different numbers of partitions.
    """
    there = log.topics(names)
    missing = [name for name in names if name not in there]
    count = next((topic.partitions for topic in there.values()), partitions)
    if missing and not create:
        raise TopicError(
            f"no topic {', '.join(missing)}: create with {count} partition{'s' * (count > 1)} "
            f"each, or set [kafka] create_topics = true"
        )
    for name in missing:
        log.create(name, count, topics.settings(name), replication)
    there = log.topics(names)
    if len({topic.partitions for topic in there.values()}) > 1:
        shown = ", ".join(f"{name} {topic.partitions}" for name, topic in there.items())
        raise TopicError(
            f"different numbers of partitions ({shown}), so that a label would not lie with its "
            f"event: create them anew with the same number"
        )
    return there
