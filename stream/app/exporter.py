"""The Prometheus endpoint as a configuration has it, for the service and for runs on files."""

from contextlib import ExitStack
from types import TracebackType
from typing import Self

from prometheus_client import CollectorRegistry

from stream.app.config import Config
from stream.edges.telemetry import Telemetry, counts_of
from stream.edges.telemetry_http import TelemetryServer, serve_http
from stream.edges.worker import Worker
from stream.state.blob import versions


def telemetry_of(config: Config, registry: CollectorRegistry | None = None) -> Telemetry:
    """Give the telemetry of a process that runs this configuration."""
    return Telemetry(
        registry or CollectorRegistry(),
        config.name,
        info={"config_digest": config.digest[:12], "task": config.task, **versions()},
        stalled_after=float(config.telemetry.stalled_after),
    )


def open_endpoint(
    config: Config, telemetry: Telemetry, worker: int = 0
) -> TelemetryServer | None:
    """Listen where `[telemetry]` says; None when it is off.

    Parameters
    ----------
    worker
        Which of several processes this is, from 0: each takes the port after the one before.
    """
    host, port = config.telemetry.host, config.telemetry.port
    if port is None:
        return None
    return serve_http(telemetry, (host, port + worker if port else 0))


class FileExporter:
    """Shows a run on files to Prometheus while it goes on.

    Parameters
    ----------
    port
        Where to listen, on the configured host; 0 for any free one. None for nowhere: the
        configured port is the service's.

    Attributes
    ----------
    address
        Host and port of the endpoint; None without one.
    """

    def __init__(self, config: Config, port: int | None) -> None:
        self._telemetry = telemetry_of(config)
        self._opened = ExitStack()
        self.address: tuple[str, int] | None = None
        if port is not None:
            server = serve_http(self._telemetry, (config.telemetry.host, port))
            self._opened.callback(server.close)
            self.address = server.address

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._opened.close()

    def update(self, worker: Worker) -> None:
        """Show the state as of a commit."""
        if self.address is not None:
            number = worker.partition.number
            self._telemetry.owned({number}, live={number})
            self._telemetry.observe(number, worker.last_report, counts_of(worker.partition))
            self._telemetry.beat()
