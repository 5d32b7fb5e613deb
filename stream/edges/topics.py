"""The topics of an application by their part."""

from dataclasses import dataclass

COMPACTED = {"cleanup.policy": "compact"}
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
            self.predictions, self.metrics, self.alarms, self.checkpoints, self.dead_letters,
            self.journal,
        )  # fmt: skip

    def settings(self, name: str) -> dict[str, str]:
        """Give the settings with which a topic is created when it is missing.

        Checkpoints are compacted: a tombstone removes one that was collected. The control
        topic and the journal are kept for good: a replay needs them back to the oldest
        checkpoint, and they are small. The others are kept as long as the broker says.

        Examples
        --------
        >>> topics = Topics("e", "l", "c", "p", "m", "a", "ck", "d", "j", "g")
        >>> topics.settings("ck"), topics.settings("p")
        ({'cleanup.policy': 'compact'}, {})
        """
        if name == self.checkpoints:
            return dict(COMPACTED)
        return dict(FOR_GOOD) if name in (self.control, self.journal) else {}
