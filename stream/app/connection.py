"""From a configuration to a log that can be talked to, its topics in place."""

from stream.app.client_settings import expand
from stream.app.config import Config
from stream.app.topics import topics_of
from stream.edges.topics import Topics, prepare
from stream.edges.transports.connection import Timeouts
from stream.edges.transports.kafka import open_log
from stream.edges.transports.log import Log


def connect(config: Config) -> Log:
    """Connect to the Kafka that a configuration names.

    Raises
    ------
    ConfigError
        A secret is missing, or the client is not installed.
    LogUnavailableError
        No broker answers.
    """
    kafka = config.kafka
    settings = expand(dict(kafka.client_settings), "[kafka.client_settings]")
    bootstrap = expand(kafka.bootstrap_servers, "[kafka] bootstrap_servers")
    timeouts = Timeouts(
        session=float(kafka.session_timeout), transaction=float(kafka.transaction_timeout)
    )
    return open_log(kafka.client, bootstrap, settings, timeouts)


def ensure_topics(log: Log, config: Config) -> Topics:
    """Create what is missing, as many partitions as the input has.

    Raises
    ------
    TopicError
        A topic is missing and may not be created, or they have different numbers of partitions.
    """
    topics = topics_of(config)
    kafka = config.kafka
    wanted = [*topics.inputs, *topics.outputs]
    prepare(log, topics, wanted, kafka.partitions, kafka.replication, create=kafka.create_topics)
    return topics
