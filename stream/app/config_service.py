"""The tables that only the service on Kafka looks at; none of them changes what comes out."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from stream.app.config_sections import AtLeast1, Params, Seconds, Section, Text
from stream.app.config_values import no_topic_or_its_name, topic_name
from stream.app.durations import Duration

TopicName = Annotated[str, AfterValidator(topic_name)]
MaybeTopic = Annotated[str, AfterValidator(no_topic_or_its_name)]


class KafkaConfig(Section):
    """Where the service finds Kafka, and how it works with it; runs on files do without.

    Attributes
    ----------
    bootstrap_servers, client_settings
        ``${NAME}`` in them stands for an environment variable and ``${file:/path}`` for the
        text of a file; both are looked up when a connection is made and never kept.
    client_settings
        Passed through to the client as they are.
    events, labels, control
        Input topics; the application's name and ``.events``, ... when absent. No `labels`
        ("") means that labels come in the topic of events.
    group
        The consumer group; the application's name when absent.
    partitions, replication, create_topics
        For topics that do not exist yet, and whether they are created. As many copies as the
        broker's default says when `replication` is absent.
    commit_every
        Wall-clock time between commits, under load.
    poll_records
        Most records taken from the log at once.
    idle
        How long an input that has more to give, and does not give it, holds up the others. One
        that is at its end holds nothing up.
    session_timeout
        Silence after which the group takes a member for dead.
    transaction_timeout
        After it the broker aborts a transaction that nobody has ended.
    watchdog
        A call to the client that takes longer ends the process.
    """

    bootstrap_servers: Text = "localhost:9092"
    client: Literal["kafka-python", "confluent"] = "kafka-python"
    events: TopicName | None = None
    labels: MaybeTopic | None = None
    control: TopicName | None = None
    group: Text | None = None
    partitions: AtLeast1 = 1
    replication: Annotated[int, Field(ge=1, le=32_767)] | None = None
    create_topics: bool = True
    commit_every: Seconds = Duration("500ms")
    poll_records: AtLeast1 = 5000
    idle: Seconds = Duration("5s")
    session_timeout: Seconds = Duration("6s")
    transaction_timeout: Seconds = Duration("30s")
    watchdog: Seconds = Duration("60s")
    client_settings: Params = Field(default_factory=dict)


class TelemetryConfig(Section):
    """Where ``/metrics``, ``/healthz`` and ``/readyz`` are served.

    Attributes
    ----------
    host
        Address to listen on; ``0.0.0.0`` in a container.
    port
        Off when absent; 0 takes any free one. Of several workers the first takes it, the
        second the next one, and so on.
    stalled_after
        Without a turn of the loop for so long the service no longer calls itself healthy.
    """

    host: Text = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65_535)] | None = None
    stalled_after: Seconds = Duration("60s")
