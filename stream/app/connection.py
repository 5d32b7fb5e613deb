"""From a configuration to a log that can be talked to, its topics in place."""

from stream.app.client_settings import expand
from stream.app.config import Config
from stream.app.topics import topics_of
from stream.core.errors import ConfigError
from stream.edges.topics import Topics
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
    return open_log(kafka.client, bootstrap, settings)


def ensure_topics(log: Log, config: Config) -> Topics:
    """Create what is missing, as many partitions as the input has.

    Raises
    ------
    ConfigError
        A topic is missing and may not be created.
    """
    topics = topics_of(config)
    wanted = [topics.events, *([topics.labels] if topics.labels else []), *topics.outputs]
    found = log.topics(wanted)
    missing = [name for name in wanted if name not in found]
    if missing and not config.kafka.create_topics:
        raise ConfigError(
            f"[kafka] create_topics = false, and there is no topic {', '.join(missing)}: create "
            f"them, with the partitions of {topics.events}"
        )
    known = found.get(topics.events) or (found.get(topics.labels) if topics.labels else None)
    partitions = config.kafka.partitions if known is None else known.partitions
    for name in missing:
        log.create(name, partitions, topics.settings(name))
    return topics
