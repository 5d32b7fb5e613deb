"""Fixtures of the tests that need a real broker."""

import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from kafka import KafkaAdminClient

from stream.edges.transports.log import Log
from tests.kafka.broker import Broker, open_broker
from tests.kafka.errors import BrokerUnavailableError
from tests.kafka.worlds import CLIENTS, World, open_world

NewTopic = Callable[..., str]


@contextmanager
def broker_or_skip(folder: Path) -> Iterator[Broker]:
    """Open a broker; where there is no way to one, skip with the reason, or fail under CI."""
    with ExitStack() as stack:
        try:
            found = stack.enter_context(open_broker(folder))
        except BrokerUnavailableError as reason:
            if os.environ.get("CI"):
                pytest.fail(f"under CI a real broker is a must: {reason}", pytrace=False)
            pytest.skip(str(reason))
        yield found


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """Return the broker of the session; under pytest-xdist each worker has its own.

    So a test may kill it without disturbing another.
    """
    with broker_or_skip(tmp_path_factory.mktemp("kafka")) as found:
        yield found


@pytest.fixture
def own_broker(broker: Broker) -> Broker:
    """Return the broker of the session when a test may stop and kill it."""
    if not broker.ours:
        pytest.skip("the broker of KAFKA_BOOTSTRAP is not ours to stop")
    return broker


@pytest.fixture
def new_topic(broker: Broker) -> Iterator[NewTopic]:
    """Return a function that creates a topic of a fresh name: `new_topic(partitions=1, **config)`.

    Configuration keys are Kafka's with underscores for the dots: `cleanup_policy="compact"`.
    """
    created: list[str] = []

    def create(partitions: int = 1, **config: str) -> str:
        name = f"test-{uuid.uuid4().hex[:12]}"
        topic = {
            "num_partitions": partitions,
            "replication_factor": 1,
            "configs": {key.replace("_", "."): value for key, value in config.items()},
        }
        # Closed at once: one that stays open while a test kills the broker leaks its attempts.
        with KafkaAdminClient(bootstrap_servers=broker.bootstrap) as admin:
            admin.create_topics({name: topic}, wait_for_metadata=True)
        created.append(name)
        return name

    yield create
    if created and not broker.ours:
        with KafkaAdminClient(bootstrap_servers=broker.bootstrap) as admin:
            admin.delete_topics(created)


@pytest.fixture(params=["memory", *CLIENTS])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    """Return each of the logs that the contract suite runs over."""
    with open_world(request.param, request) as found:
        yield found


@pytest.fixture
def log(world: World) -> Log:
    """Return a connection."""
    return world.log()
