"""What Prometheus is told, and the endpoint that tells it."""

import socket
import threading
import urllib.error
import urllib.request
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from prometheus_client.parser import text_string_to_metric_families as plain_families

from stream import replay
from stream.edges.families import FAMILIES
from stream.edges.telemetry import Telemetry
from stream.edges.telemetry_http import TelemetryError, serve_http
from tests.exposed import tell_everything

CONFIG = {
    "name": "app",
    "task": "binary",
    "input": {"label": "late"},
    "scoring": {"every": 50},
}
COUNTS = {"events": 10, "predictions": 8, "dead": {"bad_json": 2}, "alarms": {"concept": 3}}


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def registry():
    return CollectorRegistry()


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def telemetry(registry, clock):
    return Telemetry(registry, "app", stalled_after=5, monotonic=clock, wall=lambda: 7.0)


@pytest.fixture
def ask(telemetry):
    with closing(serve_http(telemetry, ("127.0.0.1", 0))) as server:
        yield lambda path, **headers: fetch(server, path, headers)


def fetch(server, path, headers):
    host, port = server.address
    request = urllib.request.Request(f"http://{host}:{port}{path}", headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def value(registry, name, partition=0, **labels):
    return registry.get_sample_value(
        name, {"application": "app", "partition": str(partition), **labels}
    )


def test_a_real_report_and_real_counts_are_shown_to_the_last_digit(registry, telemetry):
    events = [{"delay": n % 7, "late": n % 7 > 3} for n in range(120)] + [b"broken"]
    run = replay(CONFIG, events)
    report = run.metrics[-1]
    telemetry.owned({0}, {0})
    telemetry.observe(0, report, {**run.summary, "dead": run.summary["dead_letters_by_reason"]})
    for over in ("cumulative", "window", "fading"):
        for metric, score in report[over].items():
            assert value(registry, "driftline_score", metric=metric, over=over) == score
    for baseline, scores in report["baselines"].items():
        for metric, score in scores.items():
            shown = value(registry, "driftline_baseline_score", metric=metric, baseline=baseline)
            assert shown == score
    assert value(registry, "driftline_events_total") == 121
    assert value(registry, "driftline_predictions_total") == 120
    assert value(registry, "driftline_dead_letters_total", reason="bad_json") == 1
    assert value(registry, "driftline_reports_total") == report["seq"]
    assert value(registry, "driftline_model_info", model="v1") == 1


def test_totals_are_those_of_the_state_however_often_they_are_told(registry, telemetry):
    telemetry.owned({0}, {0})
    for _ in range(3):
        telemetry.observe(0, None, COUNTS)
    assert value(registry, "driftline_events_total") == 10
    assert value(registry, "driftline_alarms_total", kind="concept") == 3
    telemetry.observe(0, None, {**COUNTS, "events": 25})
    assert value(registry, "driftline_events_total") == 25


def test_a_take_over_goes_on_with_the_totals_and_the_old_owner_shows_nothing(telemetry, registry):
    other = CollectorRegistry()
    heir = Telemetry(other, "app")
    telemetry.owned({0, 1}, {0, 1})
    telemetry.observe(1, {"seq": 4, "window": {"Accuracy": 0.5}}, COUNTS)
    telemetry.commit(1, 0.1)
    telemetry.owned({0}, {0})
    heir.owned({1}, set())
    heir.observe(1, None, {**COUNTS, "events": 12})
    assert value(other, "driftline_events_total", 1) == 12
    shown = [
        (sample.name, sample.labels)
        for family in registry.collect()
        for sample in family.samples
        if sample.labels.get("partition") == "1"
    ]
    assert shown == []


def test_what_comes_late_of_a_lost_partition_is_not_shown(registry, telemetry):
    telemetry.owned({0}, {0})
    telemetry.lost(0)
    telemetry.observe(0, {"seq": 1}, COUNTS)
    telemetry.commit(0, 0.1)
    telemetry.checkpoint(0, 0.1, 10)
    telemetry.lag(0, "events", 5)
    telemetry.alarm(0, "concept")
    names = {s.name for f in registry.collect() for s in f.samples if "partition" in s.labels}
    assert names == set()
    assert telemetry.ready


def test_commits_checkpoints_lag_and_alarms(registry, telemetry):
    telemetry.owned({2}, set())
    telemetry.commit(2, 0.3)
    telemetry.commit(2, 0.003)
    telemetry.checkpoint(2, 2.0, 4096)
    telemetry.lag(2, "labels", 17)
    telemetry.alarm(2, "concept")
    assert value(registry, "driftline_commit_seconds_count", 2) == 2
    assert value(registry, "driftline_commit_seconds_bucket", 2, le="0.005") == 1
    assert value(registry, "driftline_checkpoint_seconds_sum", 2) == 2.0
    assert value(registry, "driftline_checkpoint_bytes", 2) == 4096
    assert value(registry, "driftline_lag_records", 2, stream="labels") == 17
    assert value(registry, "driftline_last_alarm_timestamp_seconds", 2, kind="concept") == 7.0
    assert value(registry, "driftline_last_commit_timestamp_seconds", 2) == 7.0
    assert value(registry, "driftline_partition_live", 2) == 0


def test_more_alarms_than_before_are_noted_but_not_those_of_the_owner_before(registry, telemetry):
    def last(kind):
        return value(registry, "driftline_last_alarm_timestamp_seconds", kind=kind)

    telemetry.owned({0}, {0})
    telemetry.observe(0, None, {"alarms": {"concept": 3}})
    assert last("concept") is None
    telemetry.observe(0, None, {"alarms": {"concept": 3, "data": 1}})
    assert (last("concept"), last("data")) == (None, 7.0)


def test_pending_is_that_of_the_moment_where_it_is_told_else_of_the_report(registry, telemetry):
    telemetry.owned({0}, {0})
    telemetry.observe(0, {"pending": 5}, {})
    assert value(registry, "driftline_pending") == 5
    telemetry.observe(0, {"pending": 5}, {"pending": 9})
    assert value(registry, "driftline_pending") == 9


@given(owned=st.sets(st.integers(0, 5)), live=st.sets(st.integers(0, 5)))
def test_ready_once_all_owned_partitions_are_live(owned, live):
    telemetry = Telemetry(CollectorRegistry(), "app")
    assert not telemetry.ready
    telemetry.owned(owned, live)
    assert telemetry.ready == (owned <= live)
    assert telemetry.waiting == sorted(owned - live)


def test_taking_partitions_over_is_counted(registry, telemetry):
    for owned in ({0}, {0, 1}, {1}, {0, 1}):
        telemetry.owned(owned, owned)
    assert registry.get_sample_value("driftline_takeovers_total", {"application": "app"}) == 3


def test_health_follows_the_beat(telemetry, clock, ask):
    assert ask("/healthz") == (200, "ok\n")
    clock.now += 6
    assert ask("/healthz") == (503, "the loop has stood still for 6 s\n")
    telemetry.beat()
    assert ask("/healthz")[0] == 200


def test_readiness_says_what_is_missing(telemetry, ask):
    assert ask("/readyz") == (503, "no partitions were assigned yet\n")
    telemetry.owned({0, 2, 1}, {0})
    assert ask("/readyz") == (503, "catching up on partitions 1, 2\n")
    telemetry.owned({0, 2, 1}, {0, 1, 2})
    assert ask("/readyz") == (200, "ok\n")
    assert ask("/elsewhere")[0] == 404


@pytest.mark.parametrize(("accept", "parse"), [
    ("text/plain", plain_families),
    ("application/openmetrics-text; version=1.0.0", text_string_to_metric_families),
])
def test_the_metrics_are_in_the_format_that_was_asked_for(telemetry, ask, accept, parse):
    telemetry.owned({0}, {0})
    telemetry.observe(0, None, {**COUNTS, "dead": {'odd "reason"\n': 1}})
    telemetry.commit(0, 0.1)
    status, body = ask("/metrics?x=1", Accept=accept)
    names = {sample.name for family in parse(body) for sample in family.samples}
    assert status == 200
    assert {"driftline_events_total", "driftline_commit_seconds_bucket", "driftline_info",
            "process_resident_memory_bytes", "process_cpu_seconds_total"} <= names  # fmt: skip


def test_an_address_that_is_taken_is_refused_in_words(telemetry):
    with closing(serve_http(telemetry, ("127.0.0.1", 0))) as server:
        port = server.address[1]
        with pytest.raises(TelemetryError, match=rf"127\.0\.0\.1:{port}: cannot be listened on"):
            serve_http(telemetry, ("127.0.0.1", port))
    with closing(serve_http(telemetry, ("127.0.0.1", port))):
        pass  # given back


def test_a_client_that_says_nothing_holds_nobody_up(telemetry):
    server = serve_http(telemetry, ("127.0.0.1", 0))
    with socket.create_connection(server.address):
        assert fetch(server, "/healthz", {})[0] == 200
        closer = threading.Thread(target=server.close)
        closer.start()
        closer.join(3)
        assert not closer.is_alive()


def test_scrapes_while_partitions_come_and_go_never_fail(telemetry):
    stop = threading.Event()
    failures = []

    def scrape():
        while not stop.is_set():
            try:
                list(telemetry.registry.collect())
            except Exception as error:
                failures.append(error)

    thread = threading.Thread(target=scrape)
    thread.start()
    for n in range(300):
        telemetry.owned(set(range(n % 5)), set())
        for partition in range(n % 5):
            telemetry.lag(partition, f"s{n}", n)
            telemetry.alarm(partition, f"k{n}")
            telemetry.commit(partition, 0.1)
    stop.set()
    thread.join()
    assert failures == []


def test_names_and_labels_are_as_prometheus_wants_them():
    for family in FAMILIES:
        assert family.name.startswith("driftline_")
        assert family.name.endswith("_total") == (family.kind == "counter"), family.name
    assert len({family.name for family in FAMILIES}) == len(FAMILIES)


def test_every_key_that_a_family_reads_is_one_that_the_fold_gives(registry, telemetry):
    """A family that shows nothing of a full report would hide a renamed field."""
    tell_everything(telemetry)
    shown = {sample.name for each in registry.collect() for sample in each.samples}
    assert [family.name for family in FAMILIES if family.name not in shown] == []


def test_what_happened_to_models_is_counted_from_nothing_on(registry, telemetry):
    def shown():
        return {event: value(registry, "driftline_model_events_total", event=event)
                for event in ("trigger", "refused", "start", "promotion", "drop", "rollback")}

    telemetry.owned({0}, {0})
    telemetry.observe(0, None, COUNTS)
    assert set(shown().values()) == {0}
    telemetry.observe(0, None, COUNTS | {"models": {"start": 2, "promotion": 1}})
    assert shown() == {"trigger": 0, "refused": 0, "start": 2, "promotion": 1, "drop": 0,
                       "rollback": 0}  # fmt: skip


def test_a_kind_without_alarms_is_there_so_that_its_first_one_is_a_rise(registry, telemetry):
    tell_everything(telemetry)
    kinds = {kind: value(registry, "driftline_alarms_total", kind=kind)
             for kind in ("concept", "data", "prediction", "schema", "label")}  # fmt: skip
    assert kinds == {"concept": 1, "data": 0, "prediction": 0, "schema": 0, "label": 0}
