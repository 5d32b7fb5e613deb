"""The service as a person or an orchestrator meets it."""

import signal
import sys
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from stream.app.config import Config, load_config
from stream.app.connect import open_log
from stream.app.connection import ensure_topics
from stream.app.exporter import open_endpoint, telemetry_of
from stream.app.keepers import keeper_of
from stream.app.observer import TelemetryObserver
from stream.app.topics import settings_of
from stream.edges.instance import claim
from stream.edges.service import Observer, Service, Timing
from stream.edges.topics import Topics
from stream.edges.transports.log import Log


def run_service(config: Path, workers: int) -> None:
    """Serve until SIGTERM or Ctrl-C, in this process or in several."""
    sys.path.insert(0, str(config.resolve().parent))  # where a factory of the user's lies
    loaded = load_config(config)
    if workers > 1:
        from stream.app.workers import run_workers

        raise SystemExit(run_workers(config, workers))
    with ExitStack() as opened:
        log = open_log(loaded)
        opened.callback(log.close)
        topics = ensure_topics(log, loaded)
        instance = opened.enter_context(claim(topics.group))
        telemetry = telemetry_of(loaded)
        server = open_endpoint(loaded, telemetry, worker=int(instance.rpartition("-")[2]))
        observer = TelemetryObserver(telemetry)
        if server is not None:
            opened.callback(server.close)
            observer.says(f"metrics at http://{server.address[0]}:{server.address[1]}/metrics")
        service = service_of(loaded, log, topics, observer, instance)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: service.stop())
        service.run()


def service_of(
    config: Config, log: Log, topics: Topics, observer: Observer, instance: str | None
) -> Service:
    """Put the service together.

    Parameters
    ----------
    log
        Where the topics are; they have to exist.
    instance
        Name of this static member of the group; None for one that comes and goes.
    """
    settings = settings_of(config)
    return Service(
        log=log,
        topics=topics,
        settings=settings,
        keeper_of=partial(keeper_of, config, settings),
        observer=observer,
        timing=Timing(
            poll_records=config.kafka.poll_records,
            idle=float(config.kafka.idle),
            watchdog=float(config.kafka.watchdog),
        ),
        instance=instance,
    )
