"""A connection to Kafka, for commands that only look or only write."""

from stream.app.config import Config
from stream.edges.transports.log import Log


def open_log(config: Config) -> Log:
    """Connect as `[kafka]` says; the client is imported only now, since it takes a while."""
    from stream.app.connection import connect

    return connect(config)
