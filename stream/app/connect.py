"""A connection to Kafka on which somebody is known to answer."""

from contextlib import ExitStack

from stream.app.client_settings import expand
from stream.app.config import Config
from stream.edges.transports.log import Log, LogUnavailableError


def open_log(config: Config) -> Log:
    """Connect as `[kafka]` says, and make sure that somebody answers.

    Raises
    ------
    LogUnavailableError
        Nobody answers.
    """
    from stream.app.connection import connect  # the client takes a while to import

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
