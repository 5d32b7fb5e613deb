"""What is shipped to run it: image, compose, alerts, dashboard, and the page that explains it."""

import csv
import itertools
import json
import re
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from contextlib import closing
from pathlib import Path

import pytest

from stream.app.client_settings import expand
from stream.app.config import load_config
from stream.app.flights import COLUMNS, CONFIG, write_flights
from stream.edges.families import FAMILIES
from stream.edges.telemetry_http import serve_http
from tests.exposed import full_telemetry, tell_everything

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "deploy"
DASHBOARD = DEPLOY / "grafana/dashboards/driftline.json"
RULES = DEPLOY / "prometheus/rules.yml"
COMPOSE = (ROOT / "docker-compose.yml").read_text()
DOCKERFILE = (ROOT / "Dockerfile").read_text()
NAME = re.compile(r"\b(?:driftline|process|python)_[a-z0-9_]+")
PAGE = (ROOT / "docs/operations.md").read_text()


def panels():
    return [each for each in json.loads(DASHBOARD.read_text())["panels"] if each["type"] != "row"]


def queries():
    """All expressions of the dashboard, with the values that its variables could have."""
    board = json.loads(DASHBOARD.read_text())
    found = [target["expr"] for panel in panels() for target in panel["targets"]]
    found += [each["expr"] for each in board["annotations"]["list"]]
    values = {"$application": "app", "$partition": ".*", "$metric": "Accuracy",
              "$__rate_interval": "1m"}  # fmt: skip
    for name, value in values.items():
        found = [query.replace(name, value) for query in found]
    return found


def exported():
    """Names and label names of everything that a service tells Prometheus."""
    names, labels = set(), {"job", "instance", "le"}
    for family in full_telemetry().registry.collect():
        for sample in family.samples:
            names.add(sample.name)
            labels |= sample.labels.keys()
    return names, labels


def labels_of(expression):
    named = re.findall(r"(?:by|on|without|group_left|ignoring) \(([^)]*)\)", expression)
    named += re.findall(r"([a-z_]+)\s*(?:=~|!~|!=|=)\s*\"", expression)
    return {each.strip() for group in named for each in group.split(",") if each.strip()}


def rule_expressions():
    return re.findall(r"expr: (.*(?:\n {10,}.*)*)", RULES.read_text())


@pytest.mark.parametrize("expressions", [queries, rule_expressions], ids=["dashboard", "rules"])
def test_nothing_is_asked_of_prometheus_that_is_not_exported(expressions):
    names, labels = exported()
    asked = expressions()
    assert len(asked) > 15
    for expression in asked:
        assert set(NAME.findall(expression)) <= names, expression
        assert labels_of(expression) <= labels, expression


def test_every_metric_of_ours_is_on_the_dashboard_or_in_a_rule():
    used = " ".join([*queries(), *rule_expressions()])
    unused = {family.name for family in FAMILIES if family.name not in used}
    assert unused == {
        "driftline_errors_avoided", "driftline_last_alarm_timestamp_seconds",
        "driftline_reports_total", "driftline_shadow_answers_total",
        "driftline_shadow_labels_total",
    }  # fmt: skip


def test_the_operations_page_lists_every_metric_with_its_type_and_labels():
    rows = {
        name: (kind, set(re.findall(r"`(\w+)`", labels)))
        for name, kind, labels in re.findall(r"^\| `(driftline_\w+)` \| (\w+) \|([^|]*)\|", PAGE,
                                             re.MULTILINE)
    }  # fmt: skip
    for family in FAMILIES:
        assert rows.pop(family.name) == (family.kind, set(family.labels)), family.name
    assert rows == {
        "driftline_commit_seconds": ("histogram", set()),
        "driftline_checkpoint_seconds": ("histogram", set()),
        "driftline_model_making_seconds": ("histogram", set()),
        "driftline_info": ("gauge", {"config_digest", "task", "river", "numpy", "python",
                                     "driftline"}),
        "driftline_takeovers_total": ("counter", set()),
        "driftline_last_turn_timestamp_seconds": ("gauge", set()),
    }  # fmt: skip


def test_the_operations_page_explains_every_alert():
    alerts = set(re.findall(r"alert: (\w+)", RULES.read_text()))
    assert len(alerts) > 10
    assert set(re.findall(r"^\| `(Driftline\w+)` \|", PAGE, re.MULTILINE)) == alerts


def test_every_rule_is_tried_out():
    tried = set(re.findall(r"alertname: (\w+)", (DEPLOY / "prometheus/rules.test.yml").read_text()))
    assert tried == set(re.findall(r"alert: (\w+)", RULES.read_text()))


def test_panels_have_a_place_of_their_own_and_the_provisioned_datasource():
    board = json.loads(DASHBOARD.read_text())
    source = (DEPLOY / "grafana/provisioning/datasources/prometheus.yml").read_text()
    uids = set(re.findall(r'"uid": "(\w+)"', DASHBOARD.read_text())) - {board["uid"]}
    assert uids == {"prometheus"}
    assert "uid: prometheus\n" in source
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    taken: set[tuple[int, int]] = set()
    for panel in board["panels"]:
        at = panel["gridPos"]
        cells = set(itertools.product(range(at["x"], at["x"] + at["w"]),
                                      range(at["y"], at["y"] + at["h"])))  # fmt: skip
        assert not cells & taken, panel["title"]
        assert at["x"] + at["w"] <= 24
        taken |= cells


def test_images_are_pinned_and_ours_does_not_run_as_root():
    images = re.findall(r"^\s*(?:image:|FROM) (\S+)", COMPOSE + DOCKERFILE, re.MULTILINE)
    assert len(images) >= 6
    for image in images:
        assert re.search(r":v?\d+\.\d+\.\d+(-[\w.-]+)?$", image), image
    users = re.findall(r"^USER (\S+)", DOCKERFILE, re.MULTILINE)
    assert users
    assert not users[-1].startswith(("0", "root"))


def test_what_the_image_is_built_from_is_there_and_not_ignored():
    kept = [line.removeprefix("!") for line in (ROOT / ".dockerignore").read_text().splitlines()
            if line.startswith("!")]  # fmt: skip
    copied = re.findall(r"^COPY (?!--from)(.*) \S+$", DOCKERFILE, re.MULTILINE)
    for name in " ".join(copied).split():
        assert (ROOT / name).exists(), name
        assert name in kept or f"{name}/**" in kept, name


def test_what_compose_mounts_is_there():
    mounts = re.findall(r"- (\./[\w/.-]+):", COMPOSE)
    assert len(mounts) >= 4
    for name in mounts:
        assert (ROOT / name).exists(), name


def test_the_image_has_the_versions_that_are_tested():
    pin = re.compile(r"^([\w.-]+)==(\S+)", re.MULTILINE)
    tested = dict(pin.findall((ROOT / "requirements.lock").read_text()))
    image = dict(pin.findall((DEPLOY / "requirements.lock").read_text()))
    assert {"river", "kafka-python", "confluent-kafka", "prometheus-client"} <= image.keys()
    assert image.items() <= tested.items()


def test_the_service_of_compose_can_be_configured_and_is_asked_where_it_listens(tmp_path):
    config = load_config(DEPLOY / "flights.toml")
    port = config.telemetry.port
    assert config.telemetry.host == "0.0.0.0"
    assert f"127.0.0.1:{port}:{port}" in COMPOSE
    assert f"http://127.0.0.1:{port}/healthz" in COMPOSE
    assert f'"driftline:{port}"' in (DEPLOY / "prometheus/prometheus.yml").read_text()
    assert f"EXPOSE {port}" in DOCKERFILE
    bootstrap = re.search(r"KAFKA_BOOTSTRAP_SERVERS: (\S+)", COMPOSE)
    assert bootstrap
    environment = {"KAFKA_BOOTSTRAP_SERVERS": bootstrap[1]}
    assert expand(config.kafka.bootstrap_servers, "x", environment) == "kafka:9092"
    roles = {config.input.id, config.input.time, config.input.label, config.input.label_time}
    assert {*config.input.types, *roles} == set(COLUMNS)


def test_the_flights_of_compose_are_those_of_the_demo(tmp_path):
    path = tmp_path / "app.toml"
    path.write_text(CONFIG)
    demo, service = load_config(path), load_config(DEPLOY / "flights.toml")
    assert service.input.model_copy(update={"types": {}}) == demo.input
    assert (service.learner, service.labels) == (demo.learner, demo.labels)
    command = re.search(r"python /deploy/(\w+\.py)", COMPOSE)
    assert command
    assert (DEPLOY / command[1]).exists()
    write_flights(tmp_path / "flights.csv", 3000)
    with (tmp_path / "flights.csv").open() as file:
        rows = list(csv.DictReader(file))
    numbers = [name for name, kind in service.input.types.items() if kind == "number"]
    for row in rows:
        for name in numbers:
            assert row[name] == "" or float(row[name]) is not None


promtool = pytest.mark.skipif(
    shutil.which("promtool") is None or shutil.which("prometheus") is None,
    reason="needs Prometheus (Debian: apt-get install prometheus)",
)


@promtool
def test_prometheus_accepts_its_configuration_and_the_rules_do_as_their_tests_say():
    for arguments in (["check", "config", "prometheus.yml"], ["test", "rules", "rules.test.yml"]):
        done = subprocess.run(["promtool", *arguments], cwd=DEPLOY / "prometheus",
                              capture_output=True, text=True, check=False)  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr


@promtool
@pytest.mark.slow
def test_a_real_prometheus_answers_every_query_of_the_dashboard(tmp_path):
    telemetry = full_telemetry()
    with closing(serve_http(telemetry, ("127.0.0.1", 0))) as server:
        text = (DEPLOY / "prometheus/prometheus.yml").read_text()
        text = text.replace("scrape_interval: 5s", "scrape_interval: 1s")
        text = text.replace("evaluation_interval: 15s", "evaluation_interval: 1s")
        text = text.replace("driftline:9464", f"127.0.0.1:{server.address[1]}")
        (tmp_path / "prometheus.yml").write_text(text)
        shutil.copy(RULES, tmp_path)
        port = free_port()
        command = ["prometheus", f"--config.file={tmp_path}/prometheus.yml",
                   f"--storage.tsdb.path={tmp_path}/data",
                   f"--web.listen-address=127.0.0.1:{port}", "--log.level=error"]  # fmt: skip
        process = subprocess.Popen(command)
        try:
            for events in range(61, 67):  # counters have to move for rates to be seen
                tell_everything(telemetry, events=events)
                time.sleep(1.2)
            wait_for(lambda: ask(port, "driftline:lag:records"), 20)
            empty = [query for query in queries() if not ask(port, query)]
            alerts = ask(port, "ALERTS")
        finally:
            process.terminate()
            process.wait(20)
    assert all("takeovers" in query or "changes(" in query for query in empty), empty
    assert {alert["metric"]["alertname"] for alert in alerts} <= {
        "DriftlineDeadLetters", "DriftlineScoreBelowBaseline",
    }  # fmt: skip


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as found:
        return found.getsockname()[1]


def ask(port, query):
    url = f"http://127.0.0.1:{port}/api/v1/query?{urllib.parse.urlencode({'query': query})}"
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return json.load(answer)["data"]["result"]
    except urllib.error.HTTPError as error:
        with error:
            pytest.fail(f"{query}: {error.read().decode()}")
    except urllib.error.URLError:
        return []


def wait_for(condition, seconds):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.3)
