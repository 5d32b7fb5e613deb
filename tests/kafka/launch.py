"""The two ways to run a broker of our own: a Java process, or a container."""

import base64
import os
import random
import re
import shutil
import socket
import subprocess
import time
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from tests.kafka.errors import BrokerError
from tests.kafka.jars import broker_jars, kafka_version

FIRST_PORT = 20_000
HEAP = "-Xmx512m"
# Half the processor time of a start goes into the second compiler; only a benchmark is worth it.
QUICK_START = (HEAP, "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
STOP_SECONDS = 20
FENCE_SECONDS = 30
GIVEN_UP = re.compile(rb"Fencing broker .*its session has timed out.*fenced=1", re.DOTALL)


class Process(Protocol):
    """A broker that we run; its data outlives a stop or a kill, until `remove`."""

    port: int

    def start(self) -> None:
        """Start it; it need not answer yet."""

    def terminate(self) -> None:
        """Stop it in order (SIGTERM, and SIGKILL when that takes too long)."""

    def kill(self) -> None:
        """Stop it as a crash would (SIGKILL)."""

    def remove(self) -> None:
        """End it when it still runs, and delete its data."""

    def alive(self) -> bool:
        """Tell whether it runs."""

    def log_tail(self) -> str:
        """Return the end of its log."""


def free_port() -> int:
    """Return a free port of 127.0.0.1 that the system gives to no client.

    Above, a client that keeps calling a broker that is down can be given that very port as its own
    end, and keep the broker from coming back.
    """
    chance = random.SystemRandom()  # the global one may be seeded alike in every test worker
    for port in chance.sample(range(FIRST_PORT, _first_client_port()), 100):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise OSError(f"100 ports from {FIRST_PORT} on were tried, and none is free")


def _first_client_port() -> int:
    setting = Path("/proc/sys/net/ipv4/ip_local_port_range")
    first = int(setting.read_text().split()[0]) if setting.exists() else 32_768
    return first if first >= FIRST_PORT + 1000 else 32_768


def server_settings(host: str, port: int, controller_port: int, data: Path) -> dict[str, str]:
    """Return the settings of a one-node broker that starts fast and stays small.

    Parameters
    ----------
    host
        Address to listen on; clients are always sent to 127.0.0.1.
    port, controller_port
        Where clients, and the node itself, reach it.
    data
        Folder of the logs.
    """
    return {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.voters": f"1@127.0.0.1:{controller_port}",
        "controller.listener.names": "CONTROLLER",
        "listeners": f"PLAINTEXT://{host}:{port},CONTROLLER://127.0.0.1:{controller_port}",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{port}",
        "log.dirs": str(data),
        "auto.create.topics.enable": "false",
        # One node cannot replicate, and every partition of the inner topics costs start-up time.
        "offsets.topic.replication.factor": "1",
        "offsets.topic.num.partitions": "4",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "transaction.state.log.num.partitions": "4",
        # Tests want rebalances, short sessions and expiring transactions without a wait.
        "group.initial.rebalance.delay.ms": "0",
        "group.min.session.timeout.ms": "500",
        "transaction.abort.timed.out.transaction.cleanup.interval.ms": "500",
        # A node comes back after a kill once its old session is over: 9 s by default.
        "broker.session.timeout.ms": "1000",
        "broker.heartbeat.interval.ms": "200",
        # Small on disk, in memory and in threads: two cores are shared with the tests.
        "log.segment.bytes": str(16 * 1024**2),
        "offsets.topic.segment.bytes": str(1024**2),
        "transaction.state.log.segment.bytes": str(1024**2),
        "log.index.size.max.bytes": str(256 * 1024),
        "log.cleaner.dedupe.buffer.size": str(4 * 1024**2),
        "num.network.threads": "2",
        "num.io.threads": "4",
        "background.threads": "2",
    }


def cluster_id() -> str:
    """Return a random Kafka uuid: 16 bytes in base64; ASCII ones, as none may start with `-`."""
    return base64.urlsafe_b64encode(uuid.uuid4().hex[:16].encode()).decode().rstrip("=")


def watchdog(command: Sequence[str]) -> subprocess.Popen[bytes]:
    """Run `command` once this process is gone, however it ends, unless killed before.

    The watchdog waits on a pipe whose other end only this process holds. (A parent-death signal
    would fire when the thread that started the broker ends.)
    """
    script = 'read -r _; exec "$@"'
    return subprocess.Popen(
        ["sh", "-c", script, "watchdog", *command],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def _dismiss(dog: subprocess.Popen[bytes] | None) -> None:
    if dog is not None:
        dog.kill()
        dog.wait()
        if dog.stdin is not None:
            dog.stdin.close()


class JavaProcess:
    """`kafka.Kafka` on the jars of Maven; folder, ports and cluster stay over restarts.

    After a kill its controller runs alone first, until it has given up the dead broker, as the
    controllers of a real cluster have by the time a broker comes back. Where both come back at
    once, the broker is at first told that it still leads its partitions, and a moment later that
    nobody does; Kafka 4 takes partitions that nobody leads for deleted ones, and never writes the
    marks of transactions that were being ended (KAFKA-20734): their records stay hidden for ever.
    """

    def __init__(
        self, folder: Path, settings: Mapping[str, str], java_options: Sequence[str]
    ) -> None:
        self.port = free_port()
        self._data = folder / "data"
        self._log = folder / "broker.log"
        self._properties = folder / "server.properties"
        self._java = ["java", *java_options, "-cp", f"{broker_jars()}/*"]
        self._process: subprocess.Popen[bytes] | None = None
        self._watchdog: subprocess.Popen[bytes] | None = None
        self._killed = False
        base = server_settings("127.0.0.1", self.port, free_port(), self._data)
        lines = (f"{key}={value}\n" for key, value in {**base, **settings}.items())
        self._properties.write_text("".join(lines))
        self._format()

    def _format(self) -> None:
        tool = ["kafka.tools.StorageTool", "format", "-t", cluster_id(), "-c"]
        done = subprocess.run(
            [*self._java, *tool, str(self._properties)], capture_output=True, text=True, check=False
        )
        self._log.write_text(done.stdout + done.stderr)
        if done.returncode:
            raise BrokerError(f"the broker's folder was not formatted:\n{self.log_tail()}")

    def start(self) -> None:
        """Start the broker; its log goes on in `broker.log`."""
        if self._killed:
            self._fence()
            self._killed = False
        self._launch(self._properties)

    def _fence(self) -> None:
        """Run the controller until it has given up the broker that was killed."""
        alone = self._properties.with_name("controller.properties")
        of_broker = ("process.roles=", "listeners=", "advertised.listeners=")
        lines = self._properties.read_text().splitlines(keepends=True)
        listener = next(line for line in lines if line.startswith("listeners=")).rpartition(",")[2]
        lines = [line for line in lines if not line.startswith(of_broker)]
        alone.write_text("".join(["process.roles=controller\n", f"listeners={listener}", *lines]))
        seen = self._log.stat().st_size
        self._launch(alone)
        deadline = time.monotonic() + FENCE_SECONDS
        while not GIVEN_UP.search(self._log.read_bytes(), seen):
            if not self.alive() or time.monotonic() > deadline:
                raise BrokerError(f"the broker was not given up:\n{self.log_tail()}")
            time.sleep(0.02)
        self.terminate()  # in order: what was said need not have been written yet

    def _launch(self, properties: Path) -> None:
        level = "-Dorg.apache.logging.log4j.level=INFO"
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [*self._java, level, "kafka.Kafka", str(properties)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # a Ctrl-C at the tests is none at the broker
            )
        self._watchdog = watchdog(["kill", "-9", str(self._process.pid)])

    def terminate(self) -> None:
        """Stop in order: SIGTERM, and SIGKILL after 20 s."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
        self._reap()

    def kill(self) -> None:
        """Send SIGKILL, and wait until it has worked."""
        if self._process is not None:
            self._process.kill()
            self._killed = True
        self._reap()

    def _reap(self) -> None:
        _dismiss(self._watchdog)
        if self._process is not None:
            self._process.wait()
        self._process = self._watchdog = None

    def remove(self) -> None:
        """End the process and delete the data; the log stays."""
        self.kill()
        shutil.rmtree(self._data, ignore_errors=True)

    def alive(self) -> bool:
        """Tell whether the process runs."""
        return self._process is not None and self._process.poll() is None

    def log_tail(self) -> str:
        """Return the last 2,000 characters of `broker.log`."""
        return self._log.read_text(errors="replace")[-2000:]


def docker_answers() -> bool:
    """Tell whether a Docker engine answers within 5 s."""
    if shutil.which("docker") is None:
        return False
    try:
        done = subprocess.run(["docker", "info"], capture_output=True, timeout=5, check=False)
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


class DockerProcess:
    """The `apache/kafka` image of the pinned version; the container keeps its data."""

    def __init__(self, settings: Mapping[str, str]) -> None:
        self.port = free_port()
        self._name = f"driftline-kafka-{os.getpid()}-{self.port}"
        base = server_settings("0.0.0.0", self.port, 9093, Path("/tmp/kafka-data"))
        options = ["--publish", f"127.0.0.1:{self.port}:{self.port}"]
        options += ["--env", f"CLUSTER_ID={cluster_id()}", "--env", f"KAFKA_HEAP_OPTS={HEAP}"]
        for key, value in {**base, **settings}.items():
            options += ["--env", f"KAFKA_{key.upper().replace('.', '_')}={value}"]
        self._watchdog = watchdog(["docker", "rm", "--force", self._name])
        self._docker("create", "--name", self._name, *options, f"apache/kafka:{kafka_version()}")

    def _docker(self, *arguments: str) -> str:
        done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)
        if done.returncode:
            raise BrokerError(f"docker {arguments[0]} failed: {done.stderr}")
        return done.stdout + done.stderr

    def start(self) -> None:
        """Start the container."""
        self._docker("start", self._name)

    def terminate(self) -> None:
        """Stop in order: SIGTERM, and SIGKILL after 20 s."""
        self._docker("stop", "-t", str(STOP_SECONDS), self._name)

    def kill(self) -> None:
        """Send SIGKILL."""
        self._docker("kill", self._name)

    def remove(self) -> None:
        """Delete the container with its data; that ends it too."""
        self._docker("rm", "--force", "--volumes", self._name)
        _dismiss(self._watchdog)

    def alive(self) -> bool:
        """Tell whether the container runs."""
        shown = self._docker("inspect", "--format", "{{.State.Running}}", self._name)
        return shown.strip() == "true"

    def log_tail(self) -> str:
        """Return the last 30 lines of the container's log."""
        return self._docker("logs", "--tail", "30", self._name)
