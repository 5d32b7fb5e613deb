"""`produce`, `run` and `watch` as a person uses them, on a real broker, with each client."""

import re
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import orjson
import pytest

from stream.app.asking import ControlError, ask
from stream.app.config import load_config
from stream.app.connection import connect
from stream.app.stretch import opened
from stream.app.topics import topics_of
from stream.edges.transports.directory import read_records
from stream.edges.transports.log import Place
from tests.kafka.broker import Broker
from tests.runs import write_data

CONFIG = """
name = "{name}"
task = "binary"
[input]
id = "id"
time = "at"
label = "late"
label_time = "known"
types = {{ a = "number", b = "number", city = "text" }}
[labels]
ttl = "2h"
[scoring]
every = 300
[checkpoints]
url = "checkpoints"
[kafka]
bootstrap_servers = "{bootstrap}"
client = "{client}"
[telemetry]
port = 0
"""


def driftline(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "stream.app.cli", *arguments],
        cwd=folder, capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip


def first_match(pattern: str, process: "subprocess.Popen[str]") -> str:
    assert process.stderr is not None
    for line in process.stderr:
        if found := re.search(pattern, line):
            return found[1]
    raise AssertionError(f"nothing like {pattern} was said")


@pytest.mark.parametrize("client", ["kafka-python", "confluent"])
def test_a_file_produced_and_served_gives_what_its_replay_does(
    broker: Broker, tmp_path: Path, client: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    text = CONFIG.format(name=f"cmd-{client}", bootstrap=broker.bootstrap, client=client)
    (tmp_path / "app.toml").write_text(text)
    write_data(tmp_path / "data.csv", 3000)
    said = driftline(tmp_path, "produce", "app.toml", "data.csv").stdout
    events = int(said.split(" ")[0].replace(",", ""))
    driftline(tmp_path, "replay", "app.toml", "data.csv", "--out", "out")
    command = [sys.executable, "-m", "stream.app.cli", "run", "app.toml"]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as service:
        try:
            url = first_match(r"metrics at (\S+)", service)
            deadline = time.monotonic() + 60
            shown = ""
            while f"}} {events}.0\n" not in shown:
                assert time.monotonic() < deadline, shown
                with urllib.request.urlopen(url, timeout=5) as answer:
                    lines = answer.read().decode().splitlines(keepends=True)
                shown = "".join(x for x in lines if x.startswith("driftline_predictions_total"))
                shown += "".join(x for x in lines if x.startswith("driftline_events_total"))
            with urllib.request.urlopen(url.replace("metrics", "readyz"), timeout=5) as answer:
                assert answer.status == 200
            time.sleep(1)
            frame = driftline(tmp_path, "watch", "app.toml", "--once").stdout
            ask_for_things(tmp_path)
        finally:
            service.send_signal(signal.SIGTERM)
            service.communicate(timeout=30)
    assert service.returncode == 0
    assert re.search(rf"events +{events:,}  .*lag 0 events, 0 labels", frame)
    compare(tmp_path)


def ask_for_things(folder: Path) -> None:
    """Ask the running service for what it can and for what it cannot do."""
    with opened(load_config(folder / "app.toml"), None) as stretch:
        (first, *_) = stretch.manifests()
        ask(stretch, {"action": "rollback", "checkpoint": first["checkpoint"]}, 20)
        with pytest.raises(ControlError, match="the service refused it: 0 checkpoints"):
            ask(stretch, {"action": "rollback", "checkpoint": "00000000"}, 20)
        made = [m["position"] for m in stretch.manifests() if m["reason"] == "control"]
    assert [position["control"] for position in made] == [1, 2]
    said = driftline(folder, "models", "list", "app.toml").stdout
    assert "served is v" in said


def compare(folder: Path) -> None:
    config = load_config(folder / "app.toml")
    topics, log = topics_of(config), connect(config)
    for kind, topic in (("predictions", topics.predictions), ("metrics", topics.metrics)):
        place = Place(topic, 0)
        start, end = log.ranges([place])[place]
        found = [orjson.loads(each.value or b"") for each in log.read(place, start, end)]
        wanted = [each for each in read_records(folder / "out", kind) if not each.get("final")]
        assert found == wanted
        assert len(found) > 5
    log.close()


def test_the_example_shop_gets_a_prediction_for_every_order(broker: Broker, tmp_path: Path) -> None:
    examples = Path(__file__).parents[2] / "examples/kafka"
    text = (examples / "app.toml").read_text().replace("localhost:9092", broker.bootstrap)
    (tmp_path / "app.toml").write_text(text)
    command = [sys.executable, "-m", "stream.app.cli", "run", "app.toml"]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as service:
        try:
            first_match("(taken over)", service)
            shop = [sys.executable, str(examples / "shop.py"), "1500", broker.bootstrap]
            said = subprocess.run(shop, capture_output=True, text=True, check=True).stdout
            reader = [sys.executable, str(examples / "decisions.py"), "1500", broker.bootstrap]
            read = subprocess.run(reader, capture_output=True, text=True, check=True).stdout
        finally:
            service.send_signal(signal.SIGTERM)
            service.communicate(timeout=30)
    assert said.startswith("1,500 orders, 1,")
    assert len(read.splitlines()) == 1500
    assert all("chance that it comes back" in line for line in read.splitlines())
    log = connect(load_config(tmp_path / "app.toml"))
    place = Place("shop.metrics", 0)
    start, end = log.ranges([place])[place]
    last = [orjson.loads(each.value or b"") for each in log.read(place, start, end)][-1]
    log.close()
    assert last["dead_letters"] == {}
    assert last["window"]["Accuracy"] > 0.7
