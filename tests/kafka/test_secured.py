"""TLS, passwords and client certificates with both clients; the broker asks for them."""

import os
import re
import tomllib
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from stream.edges.transports.connection import Timeouts
from stream.edges.transports.kafka import open_log
from stream.edges.transports.log import Log, LogError, LogUnavailableError, Place
from tests.kafka.errors import BrokerUnavailableError
from tests.kafka.logs import deliver, settle, transaction, values, written
from tests.kafka.secured import PASSWORD, USER, Secured, secured_broker
from tests.kafka.worlds import CLIENTS, fresh_name

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.slow

TIMEOUTS = Timeouts(session=6, call=3)
WAYS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "certificate")


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    with ExitStack() as stack:
        try:
            found = stack.enter_context(secured_broker(tmp_path_factory.mktemp("secured")))
        except BrokerUnavailableError as reason:
            if os.environ.get("CI"):
                pytest.fail(f"under CI a real broker is a must: {reason}", pytrace=False)
            pytest.skip(str(reason))
        yield found


def settings(client: str, way: str, secured: Secured, password: str = PASSWORD) -> dict[str, Any]:
    if client == "confluent" and way == "certificate":
        return {
            "security.protocol": "SSL",
            "ssl.ca.location": str(secured.authority),
            "ssl.certificate.location": str(secured.certificate),
            "ssl.key.location": str(secured.key),
        }
    if client == "confluent":
        return {
            "security.protocol": "SASL_SSL",
            "ssl.ca.location": str(secured.authority),
            "sasl.mechanism": way,
            "sasl.username": USER,
            "sasl.password": password,
        }
    if way == "certificate":
        return {
            "security_protocol": "SSL",
            "ssl_cafile": str(secured.authority),
            "ssl_certfile": str(secured.certificate),
            "ssl_keyfile": str(secured.key),
        }
    return {
        "security_protocol": "SASL_SSL",
        "bootstrap_timeout_ms": 2000,
        "ssl_cafile": str(secured.authority),
        "sasl_mechanism": way,
        "sasl_plain_username": USER,
        "sasl_plain_password": password,
    }


def connected(client: str, way: str, secured: Secured) -> Log:
    address = secured.mutual if way == "certificate" else secured.sasl
    return open_log(client, address, settings(client, way, secured), TIMEOUTS)


def test_the_page_on_connecting_shows_what_is_tried_here(tmp_path):
    page = (ROOT / "docs/kafka.md").read_text("utf-8")
    shown = [tomllib.loads(sample) for sample in re.findall(r"```toml\n(.*?)```", page, re.DOTALL)]
    ways = {(sample["kafka"]["client"], way_of(sample)): sample for sample in shown}
    assert len(ways) == len(shown) == 4
    for (client, way), sample in ways.items():
        tried = settings(client, way, Secured(tmp_path)).keys() - {"bootstrap_timeout_ms"}
        assert sample["kafka"]["client_settings"].keys() == tried


def way_of(sample: dict[str, Any]) -> str:
    given = sample["kafka"]["client_settings"]
    return str(given.get("sasl_mechanism", given.get("sasl.mechanism", "certificate")))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("client", CLIENTS)
def test_the_whole_way_of_a_record(secured, client, way):
    log = connected(client, way, secured)
    place, group = Place(fresh_name(), 0), fresh_name()
    log.create(place.topic, 1, {})
    transaction(log, fresh_name(), place, [b"1", b"2"])
    assert values(written(log, place, 2)) == [b"1", b"2"]
    member = log.member(group, [place.topic], "m")
    settle(member)
    member.start(place, 0)
    assert [value for _, _, value in deliver(member, place, 2)] == [b"1", b"2"]
    assert member.assignment is not None
    producer = log.producer(fresh_name())
    producer.begin()
    producer.commit({place: 2}, "", member.assignment.token)
    producer.close()
    assert log.committed(group, [place])[place].offset == 2
    member.close()
    log.close()


@pytest.mark.parametrize(("client", "way"), [("kafka-python", "PLAIN"), ("confluent", WAYS[2])])
def test_a_wrong_password_is_an_error_that_says_so_and_does_not_tell_it(secured, client, way):
    log = open_log(client, secured.sasl, settings(client, way, secured, "wrong-word-9"), TIMEOUTS)
    for ask in (log.cluster, lambda: log.producer("p")):
        with pytest.raises(LogError) as caught:
            ask()
        if client == "confluent":  # kafka-python may see only that the connection is cut off
            assert not isinstance(caught.value, LogUnavailableError)
        assert re.search("password|authentic", str(caught.value), re.IGNORECASE)
        assert "wrong-word-9" not in str(caught.value)
    log.close()


@pytest.mark.parametrize("client", CLIENTS)
def test_a_broker_that_is_not_of_the_authority_is_not_talked_to(secured, client, tmp_path):
    other = Secured(tmp_path)
    log = open_log(client, secured.sasl, settings(client, "PLAIN", other), TIMEOUTS)
    with pytest.raises(LogError, match=r"(?i)certificate"):
        log.cluster()
    log.close()
