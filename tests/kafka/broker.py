"""A real Kafka broker for tests and benchmarks, without anything to set up.

It is looked for in this order: `KAFKA_BOOTSTRAP` in the environment, Docker, Java with Maven.
"""

import os
import socket
import struct
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.kafka.errors import BrokerError, BrokerUnavailableError
from tests.kafka.jars import require_java
from tests.kafka.launch import QUICK_START, DockerProcess, JavaProcess, Process, docker_answers

__all__ = ["Broker", "BrokerError", "BrokerUnavailableError", "open_broker"]

START_SECONDS = 60
FOREIGN_SECONDS = 5


class Broker:
    """A broker that answers at `bootstrap`.

    Parameters
    ----------
    bootstrap
        `host:port`, or several with commas between them.
    process
        What runs it; None for a broker that somebody else runs, which can only be used.
    """

    def __init__(self, bootstrap: str, process: Process | None = None) -> None:
        self.bootstrap = bootstrap
        self._process = process

    @property
    def ours(self) -> bool:
        """Whether it can be started, stopped and killed from here."""
        return self._process is not None

    def start(self) -> None:
        """Start it and wait until it answers; on the data that it had, at the port that it had.

        Raises
        ------
        BrokerError
            When it ends, or does not answer within 60 s; the message holds the end of its log.
        """
        process = self._own_process()
        process.start()
        deadline = time.monotonic() + START_SECONDS
        while not answers(self.bootstrap):
            if not process.alive() or time.monotonic() > deadline:
                raise BrokerError(f"the broker did not start:\n{process.log_tail()}")
            time.sleep(0.05)

    def stop(self) -> None:
        """Stop it in order."""
        self._own_process().terminate()

    def kill(self) -> None:
        """Stop it as a crash would: SIGKILL."""
        self._own_process().kill()

    def restart(self) -> None:
        """Stop it in order and start it again: same data, same port."""
        self.stop()
        self.start()

    def _own_process(self) -> Process:
        if self._process is None:
            raise BrokerError(f"the broker at {self.bootstrap} is run by somebody else")
        return self._process


def answers(bootstrap: str) -> bool:
    """Tell whether one of the addresses answers a metadata request and knows of a broker.

    Spoken by hand (Metadata request, version 0, of no client id), since it is asked many times a
    second and needs neither a client nor its retries.
    """
    body = struct.pack(">hhihi", 3, 0, 1, -1, 0)
    for address in bootstrap.split(","):
        host, _, port = address.strip().rpartition(":")
        try:
            with socket.create_connection((host.strip("[]"), int(port)), 1) as connection:
                connection.sendall(struct.pack(">i", len(body)) + body)
                head = connection.makefile("rb").read(12)
        except OSError:
            continue
        if len(head) == 12 and struct.unpack(">iii", head)[2] > 0:
            return True
    return False


@contextmanager
def open_broker(
    folder: Path,
    settings: Mapping[str, str] | None = None,
    java_options: Sequence[str] = QUICK_START,
) -> Iterator[Broker]:
    """Find or start a broker; one that was started is stopped, and its data deleted, at the end.

    Parameters
    ----------
    folder
        Existing folder for the data and `broker.log` of a broker started with Java.
    settings
        Broker settings over those of `launch.server_settings`; a broker that somebody else runs
        has its own.
    java_options
        Options of the virtual machine of a broker started with Java. The default starts it fast;
        a benchmark wants `("-Xmx1g",)`, with both compilers.

    Raises
    ------
    BrokerUnavailableError
        When this machine offers no way to a broker.
    BrokerError
        When the one of `KAFKA_BOOTSTRAP` does not answer, or ours does not start.
    """
    bootstrap = os.environ.get("KAFKA_BOOTSTRAP")
    if bootstrap:
        yield _foreign_broker(bootstrap)
        return
    process = _new_process(folder, settings or {}, java_options)
    broker = Broker(f"127.0.0.1:{process.port}", process)
    try:
        broker.start()
        yield broker
        broker.stop()
    finally:
        process.remove()


def _foreign_broker(bootstrap: str) -> Broker:
    deadline = time.monotonic() + FOREIGN_SECONDS
    while not answers(bootstrap):
        if time.monotonic() > deadline:
            raise BrokerError(
                f"no broker answers at KAFKA_BOOTSTRAP={bootstrap}: start it, or unset the variable"
            )
        time.sleep(0.05)
    return Broker(bootstrap)


def _new_process(folder: Path, settings: Mapping[str, str], java_options: Sequence[str]) -> Process:
    if docker_answers():
        return DockerProcess(settings)
    try:
        require_java()
    except BrokerUnavailableError as missing:
        raise BrokerUnavailableError(
            f"no Kafka broker: KAFKA_BOOTSTRAP is not set, no Docker engine answers, and {missing}"
        ) from missing
    return JavaProcess(folder, settings, java_options)
