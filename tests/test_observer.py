"""What the service tells Prometheus by way of its observer."""

from collections import deque
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from stream.app.config import parse_config
from stream.app.engine import parts_of
from stream.app.exporter import open_endpoint, telemetry_of
from stream.app.observer import TelemetryObserver
from stream.core.partition import Partition
from stream.core.records import Row
from stream.edges.keeper import Took
from stream.edges.telemetry_http import TelemetryError

CONFIG = parse_config({"input": {"id": "id", "label": "late"}, "scoring": {"every": 10}})


def tenure(number, live=True, took=(), made=()):
    part = Partition(CONFIG.settings(), parts_of(CONFIG), number)
    for n in range(25):
        part.on_event(n, Row({"id": str(n), "x": n % 3, "late": n % 3 == 1}, b""))
    keeper = SimpleNamespace(
        partition=part, last_report=part.out.metrics[-1], took=deque(took)
    )
    bench = SimpleNamespace(seconds=list(made))
    return SimpleNamespace(number=number, live=live, keeper=keeper, bench=bench)


@pytest.fixture
def registry():
    return CollectorRegistry()


@pytest.fixture
def telemetry(registry):
    return telemetry_of(CONFIG, registry)


@pytest.fixture
def observer(telemetry):
    return TelemetryObserver(telemetry)


@pytest.fixture
def value(registry):
    def look(name, number=0, **labels):
        own = {"application": "app", "partition": str(number), **labels}
        return registry.get_sample_value(name, own)

    return look


def test_a_commit_shows_the_state_of_its_partition(observer, value):
    mine = tenure(3, took=[Took(0.25, 0.0, None)])
    observer.owns({3}, {3: mine})
    observer.committed(mine)
    observer.lags(3, "labels", 8)
    assert value("driftline_events_total", 3) == 25
    assert value("driftline_reports_total", 3) == 2
    assert value("driftline_commit_seconds_sum", 3) == 0.25
    assert value("driftline_lag_records", 3, stream="labels") == 8
    assert value("driftline_checkpoint_seconds_count", 3) is None


def test_every_commit_and_checkpoint_counts_once(observer, value):
    made: Any = {"bytes": 2048}
    took = [Took(0.1, 0.0, None), Took(0.2, 1.5, made), Took(0.3, 0.0, None)]
    mine = tenure(0, took=took, made=[2.0, 5.0])
    observer.owns({0}, {0: mine})
    observer.committed(mine)
    observer.committed(mine)
    assert value("driftline_commit_seconds_count") == 3
    assert value("driftline_commit_seconds_sum") == pytest.approx(0.6)
    assert value("driftline_checkpoint_seconds_count") == 1
    assert value("driftline_checkpoint_seconds_sum") == 1.5
    assert value("driftline_checkpoint_bytes") == 2048
    assert value("driftline_model_making_seconds_count") == 2
    assert value("driftline_model_making_seconds_sum") == 7.0


def test_a_partition_that_becomes_live_makes_the_process_ready(observer, telemetry):
    mine = tenure(0, live=False)
    assert not telemetry.ready
    observer.owns({0}, {})
    assert telemetry.waiting == [0]
    observer.owns({0}, {0: mine})
    assert not telemetry.ready
    mine.live = True
    observer.turned()
    assert telemetry.ready


def test_a_partition_given_up_is_shown_no_more(observer, value):
    owned = {0: tenure(0), 1: tenure(1)}
    observer.owns({0, 1}, owned)
    observer.committed(owned[1])
    del owned[1]
    observer.owns({0}, owned)
    assert value("driftline_events_total", 1) is None
    assert value("driftline_partition_live", 0) == 1


def test_messages_go_to_standard_error(observer, capsys):
    observer.says("partition 0 taken over")
    assert capsys.readouterr().err == "driftline: partition 0 taken over\n"


def test_each_worker_takes_the_port_after_the_one_before(telemetry):
    any_port = partial(parse_config, {"telemetry": {"port": 0}})
    with_port = open_endpoint(any_port(), telemetry)
    assert with_port is not None
    port = with_port.address[1]
    with_port.close()
    config = parse_config({"telemetry": {"port": port - 1}})
    second = open_endpoint(config, telemetry, worker=1)
    assert second is not None
    with pytest.raises(TelemetryError):
        open_endpoint(config, telemetry, worker=1)
    second.close()
    assert second.address[1] == port


def test_without_a_port_there_is_no_endpoint(telemetry):
    assert open_endpoint(CONFIG, telemetry) is None
