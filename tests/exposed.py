"""A telemetry that has been told of everything there is to tell."""

from functools import partial

from prometheus_client import CollectorRegistry

from stream.app.config import parse_config
from stream.app.engine import parts_of
from stream.app.exporter import telemetry_of
from stream.core.partition import Partition
from stream.core.records import Row
from stream.edges.telemetry import Telemetry, counts_of

CONFIG = parse_config(
    {"input": {"label": "late", "id": "id"}, "scoring": {"every": 50}, "name": "app"}
)


def folded(number: int = 0, events: int = 60) -> Partition:
    build = partial(Partition, CONFIG.settings(), parts_of(CONFIG), number)
    part = build()
    for n in range(events):
        part.on_event(n, Row({"id": str(n), "x": n % 3, "late": n % 3 == 1}, b""))
    part.on_event(events, Row({"id": "1", "x": 1}, b""))
    part.response.raised("concept", events)
    part.response.suppress("concept", 1)
    return part


def tell_everything(telemetry: Telemetry, number: int = 0, events: int = 60) -> None:
    part = folded(number, events)
    telemetry.owned({number}, {number})
    telemetry.observe(number, part.out.metrics[-1], counts_of(part))
    for stream in ("events", "labels"):
        telemetry.lag(number, stream, 3)
    telemetry.alarm(number, "concept")
    telemetry.commit(number, 0.1)
    telemetry.checkpoint(number, 0.1, 1)
    telemetry.beat()


def full_telemetry() -> Telemetry:
    telemetry = telemetry_of(CONFIG, CollectorRegistry())
    tell_everything(telemetry)
    return telemetry
