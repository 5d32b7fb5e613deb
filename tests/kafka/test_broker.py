"""The broker of the tests itself, and what driftline asks of it, with each of the two clients."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import confluent_kafka
import kafka
import pytest
from kafka.admin import ConfigResource, ConfigResourceType

from tests.kafka import broker as broker_module
from tests.kafka.broker import Broker, BrokerError, BrokerUnavailableError, open_broker
from tests.kafka.conftest import NewTopic, broker_or_skip
from tests.kafka.jars import broker_jars, kafka_version

ROOT = Path(__file__).parents[2]
SECONDS = 20


def kafka_python_write(bootstrap: str, topic: str, values: Sequence[bytes], commit: bool) -> None:
    with kafka.KafkaProducer(bootstrap_servers=bootstrap, transactional_id=f"{topic}-writer") as to:
        to.init_transactions()
        to.begin_transaction()
        sent = [to.send(topic, value=value, partition=0) for value in values]
        to.flush(timeout=SECONDS)
        for future in sent:
            future.get(timeout=0)
        if commit:
            to.commit_transaction()
        else:
            to.abort_transaction()


def kafka_python_read(bootstrap: str, topic: str, count: int) -> list[bytes]:
    partition = kafka.TopicPartition(topic, 0)
    reader = kafka.KafkaConsumer(
        bootstrap_servers=bootstrap,
        enable_auto_commit=False,
        auto_offset_reset="none",
        isolation_level="read_committed",
    )
    reader.assign([partition])
    reader.seek(partition, 0)
    values: list[bytes] = []
    deadline = time.monotonic() + SECONDS
    while len(values) < count and time.monotonic() < deadline:
        for records in reader.poll(timeout_ms=200).values():
            values += [record.value for record in records]
    reader.close()
    return values


def confluent_write(bootstrap: str, topic: str, values: Sequence[bytes], commit: bool) -> None:
    errors: list[confluent_kafka.KafkaError] = []

    def delivered(error: confluent_kafka.KafkaError | None, _: confluent_kafka.Message) -> None:
        if error is not None:
            errors.append(error)

    to = confluent_kafka.Producer(
        {"bootstrap.servers": bootstrap, "transactional.id": f"{topic}-writer", "linger.ms": 5}
    )
    to.init_transactions(SECONDS)
    to.begin_transaction()
    for value in values:
        to.produce(topic, value=value, partition=0, on_delivery=delivered)
    assert to.flush(SECONDS) == 0
    assert not errors
    if commit:
        to.commit_transaction(SECONDS)
    else:
        to.abort_transaction(SECONDS)
    to.close()


def confluent_read(bootstrap: str, topic: str, count: int) -> list[bytes]:
    reader = confluent_kafka.Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "none",
            "enable.auto.commit": False,
            "auto.offset.reset": "error",
            "isolation.level": "read_committed",
        }
    )
    reader.assign([confluent_kafka.TopicPartition(topic, 0, 0)])
    values: list[bytes] = []
    deadline = time.monotonic() + SECONDS
    while len(values) < count and time.monotonic() < deadline:
        for message in reader.consume(1000, 0.2):
            value = message.value()
            assert message.error() is None
            assert value is not None
            values.append(value)
    reader.close()
    return values


# The readers are told how many values to wait for: a broker acknowledges a commit before its mark
# is in every partition, so for a moment the committed end may lie before what was committed.
CLIENTS = {
    "kafka-python": (kafka_python_write, kafka_python_read),
    "confluent": (confluent_write, confluent_read),
}


@pytest.mark.parametrize("writer", CLIENTS)
@pytest.mark.parametrize("reader", CLIENTS)
def test_a_committed_transaction_is_read_and_an_aborted_one_is_not(
    broker: Broker, new_topic: NewTopic, writer: str, reader: str
) -> None:
    topic, write, read = new_topic(), CLIENTS[writer][0], CLIENTS[reader][1]
    write(broker.bootstrap, topic, [b"1", b"2"], True)
    write(broker.bootstrap, topic, [b"never"], False)
    write(broker.bootstrap, topic, [b"3"], True)
    assert read(broker.bootstrap, topic, 3) == [b"1", b"2", b"3"]


def test_data_and_address_outlive_a_kill_and_a_restart(
    own_broker: Broker, new_topic: NewTopic
) -> None:
    topic, address = new_topic(), own_broker.bootstrap
    kafka_python_write(address, topic, [b"before"], True)
    own_broker.kill()
    assert not broker_module.answers(address)
    own_broker.start()
    assert kafka_python_read(address, topic, 1) == [b"before"]
    confluent_write(address, topic, [b"after"], True)
    own_broker.restart()
    assert own_broker.bootstrap == address
    assert confluent_read(address, topic, 2) == [b"before", b"after"]


def test_topics_get_the_partitions_and_settings_that_were_asked_for(
    broker: Broker, new_topic: NewTopic
) -> None:
    topic = new_topic(3, cleanup_policy="compact")
    resource = ConfigResource(ConfigResourceType.TOPIC, topic)
    with kafka.KafkaAdminClient(bootstrap_servers=broker.bootstrap) as admin:
        assert len(admin.describe_topics([topic])[0]["partitions"]) == 3
        settings = admin.describe_configs([resource])["topic"][topic]
    assert settings["cleanup.policy"]["value"] == "compact"


def test_a_broker_dies_with_the_process_that_started_it() -> None:
    code = """
import os, subprocess, time
from tests.kafka.launch import watchdog
broker = subprocess.Popen(["sleep", "60"], start_new_session=True)
watchdog(["kill", "-9", str(broker.pid)])
print(broker.pid, flush=True)
time.sleep(60)
"""
    owner = subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    with owner:
        assert owner.stdout is not None
        started = int(owner.stdout.readline())
        os.kill(started, 0)
        owner.send_signal(signal.SIGKILL)
        owner.wait()
    eventually(lambda: not runs(started))


def test_the_broker_of_the_environment_is_used_and_left_alone(
    broker: Broker, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("KAFKA_BOOTSTRAP", broker.bootstrap)
    with open_broker(tmp_path) as found:
        assert found.bootstrap == broker.bootstrap
        assert not found.ours
        with pytest.raises(BrokerError, match="run by somebody else"):
            found.kill()
    assert broker_module.answers(broker.bootstrap)


def test_a_broker_of_the_environment_that_does_not_answer_is_an_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(broker_module, "FOREIGN_SECONDS", 0)
    monkeypatch.setenv("KAFKA_BOOTSTRAP", "127.0.0.1:1")
    with pytest.raises(BrokerError, match=r"KAFKA_BOOTSTRAP=127\.0\.0\.1:1"), open_broker(tmp_path):
        pass


@pytest.mark.parametrize(("ci", "outcome"), [("", pytest.skip), ("true", pytest.fail)])
def test_without_a_way_to_a_broker_tests_are_skipped_but_fail_under_ci(
    ci: str, outcome: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("KAFKA_BOOTSTRAP", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CI", ci)
    with (
        pytest.raises(outcome.Exception, match="no Docker engine answers, and no `java` on"),
        broker_or_skip(tmp_path),
    ):
        pass


FAKE_MAVEN = """#!/bin/sh
for argument; do case $argument in -DoutputDirectory=*) folder=${argument#*=};; esac; done
mkdir -p "$folder"
echo jar > "$folder/first.jar"
sleep 0.3
echo jar > "$folder/last.jar"
"""


def test_jars_fetched_by_several_processes_at_once_appear_whole(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    install_maven(monkeypatch, tmp_path, FAKE_MAVEN)
    with ThreadPoolExecutor(3) as pool:
        folders = list(pool.map(broker_jars, [tmp_path / "cache"] * 3))
    assert len(set(folders)) == 1
    assert {jar.name for jar in folders[0].iterdir()} == {"first.jar", "last.jar"}
    assert list((tmp_path / "cache").iterdir()) == [folders[0]]
    assert kafka_version() in folders[0].name


def test_jars_that_maven_cannot_fetch_leave_nothing_behind(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    install_maven(monkeypatch, tmp_path, "#!/bin/sh\necho no network; exit 1\n")
    with pytest.raises(BrokerUnavailableError, match="no network"):
        broker_jars(tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def install_maven(monkeypatch: pytest.MonkeyPatch, folder: Path, script: str) -> None:
    program = folder / "bin" / "mvn"
    program.parent.mkdir()
    program.write_text(script)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")


def runs(process: int) -> bool:
    """Tell whether a process runs; a zombie that nobody has waited for does not."""
    shown = subprocess.run(
        ["ps", "-o", "stat=", "-p", str(process)], capture_output=True, text=True, check=False
    )
    return shown.stdout.strip()[:1] not in ("", "Z")


def eventually(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
