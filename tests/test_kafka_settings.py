"""Settings, secrets and missing packages of the Kafka clients; no broker is needed."""

import sys
import time

import pytest

from stream.edges.transports.connection import Timeouts, bounded
from stream.edges.transports.kafka import open_log
from stream.edges.transports.log import LogError, LogUnavailableError

CLIENTS = ("kafka-python", "confluent")
NOWHERE = "127.0.0.1:1"
PASSWORDS = {
    "kafka-python": {
        "security_protocol": "SASL_PLAINTEXT",
        "sasl_mechanism": "PLAIN",
        "sasl_plain_username": "app",
        "sasl_plain_password": "hunter2",
    },
    "confluent": {
        "security.protocol": "SASL_PLAINTEXT",
        "sasl.mechanism": "PLAIN",
        "sasl.username": "app",
        "sasl.password": "hunter2",
    },
}


@pytest.mark.parametrize("client", CLIENTS)
def test_a_setting_that_the_client_does_not_know_is_named(client):
    with pytest.raises(LogError, match=r"no.such.setting"):
        open_log(client, NOWHERE, {"no.such.setting": 1})


@pytest.mark.parametrize(
    ("client", "key"),
    [
        ("kafka-python", "isolation_level"),
        ("kafka-python", "enable_auto_commit"),
        ("confluent", "isolation.level"),
        ("confluent", "enable.idempotence"),
    ],
)
def test_what_the_guarantees_rest_on_cannot_be_set(client, key):
    with pytest.raises(LogError, match=f"{key} is set by driftline"):
        open_log(client, NOWHERE, {key: "read_uncommitted"})


@pytest.mark.parametrize(
    ("client", "package", "extra"),
    [("confluent", "confluent_kafka", "confluent"), ("kafka-python", "kafka", "pip install")],
)
def test_a_client_that_is_not_installed_is_one_clear_error(monkeypatch, client, package, extra):
    ours = f"stream.edges.transports.{client.replace('-', '_')}"
    for name in [name for name in sys.modules if name.split(".")[0] == package or ours in name]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(LogError, match=extra) as caught:
        open_log(client, NOWHERE)
    assert client in str(caught.value)


@pytest.mark.parametrize("client", CLIENTS)
def test_a_broker_that_is_not_there_is_unavailable_in_time_and_no_secret_is_told(client):
    quick = {"bootstrap_timeout_ms": 500} if client == "kafka-python" else {}
    log = open_log(client, NOWHERE, {**PASSWORDS[client], **quick}, Timeouts(call=0.5))
    started = time.monotonic()
    with pytest.raises(LogError) as caught:
        log.cluster()
    log.close()
    assert time.monotonic() - started < 10
    assert "hunter2" not in str(caught.value)


def test_secrets_are_masked_in_what_a_client_says():
    from stream.edges.transports.kafka_python.client import Connection

    connection = Connection(NOWHERE, PASSWORDS["kafka-python"], Timeouts())
    failure = connection.failure("connect", ValueError("cannot log in: app/hunter2"))
    assert str(failure) == "Kafka: connect: ValueError: cannot log in: app/***"


def test_a_call_that_does_not_return_is_given_up():
    with pytest.raises(LogUnavailableError, match="sleep: no answer within"):
        bounded(0.01, "sleep", time.sleep, 0.2)
