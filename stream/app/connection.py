"""From a configuration to a log that can be talked to, its topics in place."""

from contextlib import ExitStack

from stream.app.client_settings import expand
from stream.app.config import Config
from stream.app.topics import topics_of
from stream.edges.topics import Topics, prepare
from stream.edges.transports.connection import Timeouts
from stream.edges.transports.kafka import open_log as open_client
from stream.edges.transports.log import Log, LogUnavailableError


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
    return open_client(kafka.client, bootstrap, settings, timeouts)


def open_log(config: Config) -> Log:
    """Connect as `[kafka]` says, and make sure that somebody answers.

    Raises
    ------
    LogUnavailableError
        Nobody answers.
    """
    with ExitStack() as opened:
        log = connect(config)
        opened.callback(log.close)
        try:
            log.cluster()
        except LogUnavailableError as error:
            where = expand(config.kafka.bootstrap_servers, "[kafka] bootstrap_servers")
            raise LogUnavailableError(
                f"no broker answers at {where}: is it running, and are [kafka] bootstrap_servers "
                f"and [kafka.client_settings] right? ({error})"
            ) from error
        opened.pop_all()
        return log


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
