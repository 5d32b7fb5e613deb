"""Kafka by either client; only the one that is asked for is imported."""

from collections.abc import Mapping
from typing import Any

from stream.edges.transports.connection import Timeouts
from stream.edges.transports.log import Log, LogError


def open_log(
    client: str,
    bootstrap: str,
    settings: Mapping[str, Any] | None = None,
    timeouts: Timeouts | None = None,
) -> Log:
    """Connect to Kafka.

    Parameters
    ----------
    client
        ``"kafka-python"`` or ``"confluent"``.
    bootstrap
        `host:port`, or several with commas between them.
    settings
        Passed through to the client, in its own spelling.
    timeouts
        How long to wait.

    Raises
    ------
    LogError
        The client is not installed, or does not take a setting.
    """
    try:
        if client == "confluent":
            from stream.edges.transports.confluent import ConfluentLog

            return ConfluentLog(bootstrap, settings, timeouts)
        from stream.edges.transports.kafka_python import KafkaPythonLog

        return KafkaPythonLog(bootstrap, settings, timeouts)
    except ModuleNotFoundError as missing:
        extra = "driftline[confluent]" if client == "confluent" else "driftline"
        raise LogError(
            f"[kafka] client = {client!r} needs a package that is not installed ({missing.name}):"
            f" pip install '{extra}'"
        ) from missing
