"""The service as a person or an orchestrator meets it."""

import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TypeVar

from stream.app.config import Config, load_config
from stream.app.connection import ensure_topics, open_log
from stream.app.exporter import open_endpoint, telemetry_of
from stream.app.fitting import workshop_of
from stream.app.keepers import keeper_of
from stream.app.observer import TelemetryObserver
from stream.app.stopping import on_signals
from stream.app.topics import settings_of, topics_of
from stream.app.workers import run_workers, stop_with_supervisor
from stream.edges.instance import claim
from stream.edges.service import Observer, Service, Timing
from stream.edges.topics import Topics
from stream.edges.transports.log import Log, LogUnavailableError
from stream.edges.watchdog import end_when_frozen

T = TypeVar("T")


def run_service(config: Path, workers: int) -> None:
    """Serve until SIGTERM or Ctrl-C, in this process or in several."""
    sys.path.insert(0, str(config.resolve().parent))  # where a factory of the user's lies
    loaded = load_config(config)
    if workers > 1:
        raise SystemExit(run_workers(config, workers))
    end_when_frozen(float(loaded.kafka.watchdog))
    with ExitStack() as opened:
        instance = opened.enter_context(claim(topics_of(loaded).group))
        telemetry = telemetry_of(loaded)
        server = open_endpoint(loaded, telemetry, worker=int(instance.rpartition("-")[2]))
        observer = TelemetryObserver(telemetry)
        if server is not None:
            opened.callback(server.close)
            observer.says(f"metrics at http://{server.address[0]}:{server.address[1]}/metrics")
        service, log = patiently(partial(_build, loaded, observer, instance), observer)
        opened.callback(log.close)
        on_signals(service.stop)
        stop_with_supervisor(service.stop)
        service.run()


def _build(config: Config, observer: Observer, instance: str) -> tuple[Service, Log]:
    with ExitStack() as opened:
        log = open_log(config)
        opened.callback(log.close)
        service = service_of(config, log, ensure_topics(log, config), observer, instance)
        opened.pop_all()
    return service, log


def patiently(
    build: Callable[[], T],
    observer: Observer,
    give_up: float = 300.0,
    sleep: Callable[[float], None] = time.sleep,
) -> T:
    """Build something that needs the log, trying again while nobody answers.

    A broker that starts at the same time, or is just being restarted, is no reason to end.

    Raises
    ------
    LogUnavailableError
        Nobody has answered for `give_up` seconds.
    """
    began, told = time.monotonic(), False
    while True:
        try:
            return build()
        except LogUnavailableError as error:
            if time.monotonic() - began >= give_up:
                raise
            if not told:
                observer.says(f"{error}; trying again for {give_up:.0f} s")
                told = True
            observer.turned()
            sleep(1.0)


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
        workshop=workshop_of(config),
    )
