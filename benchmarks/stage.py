"""What the measurements on Kafka share: topics filled with Agrawal's records, real processes.

The processes are `driftline run` as a user starts it, on a configuration file, with what is
shipped as defaults. What a process has done is read off the offsets that its group has
committed: with exactly-once these move in the same step as its predictions become visible.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from confluent_kafka import Consumer, KafkaException, TopicPartition
from river.datasets import synth

from benchmarks.bench import LEARNERS
from stream.app.config import parse_config
from stream.app.connection import connect
from stream.edges.topics import FOR_GOOD
from stream.edges.transports.log import Log, Place
from tests.kafka.broker import open_broker

ROOT = Path(__file__).parents[1]
START = 1_700_000_000
"""Event time of the first record, in seconds; each next one is a second later."""

JAVA = ("-Xmx1g",)
BROKER = {"log.retention.bytes": str(1 << 30), "log.segment.bytes": str(64 << 20)}
LOOK = 0.02
"""Seconds between two looks at the committed offsets."""


@contextmanager
def open_stage(folder: Path) -> Iterator["Stage"]:
    """Start a broker, and a connection to it."""
    with open_broker(folder, BROKER, JAVA) as broker:
        stage = Stage(folder, broker.bootstrap)
        try:
            yield stage
        finally:
            stage.close()


class Stage:
    """A broker, and what is run against it.

    Parameters
    ----------
    folder
        For configuration files, checkpoints, and what processes say.
    """

    def __init__(self, folder: Path, bootstrap: str) -> None:
        self.folder = folder
        self.bootstrap = bootstrap
        self._runs = 0
        self.log: Log = connect(self.config("stage", "stage", None, "confluent"))

    def close(self) -> None:
        """Let go of the connection."""
        self.log.close()

    def config(
        self, name: str, events: str, labels: str | None, client: str,
        learner: dict[str, Any] | None = None, **kafka: Any,
    ) -> Any:  # fmt: skip
        """Give a configuration in which everything that is not named here is the default."""
        return parse_config({
            "name": name, "task": "binary",
            "input": {"id": "id", "time": "at", "label": "y"},
            "learner": learner or LEARNERS["Hoeffding tree"][0],
            "checkpoints": {"url": str(self.folder / name)},
            "kafka": {"bootstrap_servers": self.bootstrap, "client": client, "events": events,
                      "labels": labels or "", **kafka},
        })  # fmt: skip

    def start(self, config: Any, workers: int = 1, wrap: Sequence[str] = ()) -> "Process":
        """Start `driftline run`."""
        file = self.folder / f"{config.name}.toml"
        file.write_text(toml_of(config.to_dict()))
        many = ["--workers", str(workers)] if workers > 1 else []
        command = [sys.executable, *wrap, "-m", "stream.app.cli", "run", str(file), *many]
        return self.process(command, config.name)

    def process(self, command: Sequence[str], name: str) -> "Process":
        """Start any other process."""
        self._runs += 1
        return Process(command, self.folder / f"{name}-{self._runs}.log", self.folder)

    def topic(self, name: str, partitions: int = 1) -> str:
        """Create an input topic."""
        self.log.create(name, partitions, {**FOR_GOOD, "retention.bytes": str(1 << 30)})
        return name

    def fill(self, name: str, values: Sequence[bytes], partitions: int = 1, late: int = 0) -> str:
        """Create a topic and write records to it, evenly over its partitions.

        Parameters
        ----------
        late
            Seconds that each lies after the event of its number.
        """
        self.topic(name, partitions)
        writer = self.log.writer()
        for n, value in enumerate(values):
            at = (START + n + late) * 1000
            writer.write(Place(name, n % partitions), b"e%d" % n, value, at)
        writer.close()
        return name


class Process:
    """A process that is measured, and what it said."""

    def __init__(self, command: Sequence[str], said: Path, folder: Path) -> None:
        self._said = said
        environment = {
            **os.environ, "TMPDIR": str(folder), "PYTHONWARNINGS": "ignore", "OMP_NUM_THREADS": "1",
        }  # fmt: skip
        with said.open("wb") as log:
            self._process = subprocess.Popen(
                command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    @property
    def pid(self) -> int:
        """Its number."""
        return self._process.pid

    def said(self) -> str:
        """Give what it said so far."""
        return self._said.read_text(errors="replace")

    def check_alive(self) -> None:
        """Make sure that it still runs."""
        if self._process.poll() is not None:
            raise RuntimeError(f"it ended with {self._process.returncode}: {self.said()[-3000:]}")

    def cpu(self) -> float:
        """Give the processor seconds of all its threads so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def resident(self) -> int:
        """Give the bytes of memory that it holds."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def kill(self) -> None:
        """End it at once, as a crash would."""
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        """End it in order, or by force when that takes more than 20 s."""
        with suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self.kill()


class Offsets:
    """Looks at what a group has committed."""

    def __init__(self, bootstrap: str, group: str, topics: Sequence[str], partitions: int) -> None:
        self._consumer = Consumer({
            "bootstrap.servers": bootstrap, "group.id": group, "enable.auto.commit": False,
            "isolation.level": "read_committed",
        })  # fmt: skip
        self._places = [TopicPartition(topic, n) for topic in topics for n in range(partitions)]

    def look(self) -> list[int | None]:
        """Give the committed offset of each place; None where there is none."""
        try:
            found = self._consumer.committed(self._places, timeout=10)
        except KafkaException:  # the broker makes the topic of offsets when it is first asked
            return [None] * len(self._places)
        return [each.offset if each.offset >= 0 else None for each in found]

    def close(self) -> None:
        """Let go of the connection."""
        self._consumer.close()


@dataclass
class Timed:
    """How long a number of records took, by the clock and of the processor."""

    records: int
    seconds: float
    cpu: float

    @property
    def us(self) -> float:
        """Microseconds a record."""
        return 1e6 * self.seconds / self.records

    @property
    def cpu_us(self) -> float:
        """Microseconds of the processor a record."""
        return 1e6 * self.cpu / self.records


def time_commits(
    process: Process, offsets: Offsets, total: int, owners: str | None, settle: float = 0.0,
    at_full_load: bool = False,
) -> Timed:  # fmt: skip
    """Time a process from its first commit to the one that reaches the end of its input.

    The clock starts when every place has a committed offset and `settle` seconds have passed
    since what the process last said of who owns what; only what is committed after that is
    counted. It stops at the first look that finds everything committed.

    Parameters
    ----------
    total
        Committed offsets at the end, over all places.
    owners
        A word in what the process says whenever the ownership of partitions changes.
    at_full_load
        Stop at the last commit before the end: of a process that lets an interval pass before
        it commits, whatever there is left to do.
    """
    first: Timed | None = None
    last = Timed(0, 0.0, 0.0)
    changes, changed_at, deadline = 0, time.perf_counter(), time.perf_counter() + 300
    while True:
        found, now = offsets.look(), time.perf_counter()
        done = sum(each for each in found if each is not None)
        if owners is not None and (heard := process.said().count(owners)) != changes:
            changes, changed_at, first = heard, now, None
        elif (
            first is None and None not in found and now - changed_at >= settle
            and (changes or owners is None)
        ):  # fmt: skip
            first = last = Timed(done, now, process.cpu())
        if first is not None and done >= total:
            end = last if at_full_load else Timed(done, now, process.cpu())
            return Timed(end.records - first.records, end.seconds - first.seconds,
                         end.cpu - first.cpu)  # fmt: skip
        if first is not None and done != last.records:
            last = Timed(done, now, process.cpu())
        process.check_alive()
        if now > deadline:
            raise RuntimeError(f"{done} of {total} after 300 s: {process.said()[-3000:]}")
        time.sleep(LOOK)


def toml_of(tables: dict[str, Any]) -> str:
    """Write a configuration as a file has it."""
    return "".join(f"{key} = {_inline(value)}\n" for key, value in tables.items()
                   if value is not None)  # fmt: skip


def _inline(value: Any) -> str:
    if isinstance(value, dict):
        pairs = (f"{json.dumps(k)} = {_inline(v)}" for k, v in value.items() if v is not None)
        return f"{{ {', '.join(pairs)} }}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_inline, value))}]"
    return json.dumps(value)


def agrawal(count: int) -> list[tuple[dict[str, Any], bool]]:
    """Give Agrawal's loan data, as the bare loop takes it."""
    stream = synth.Agrawal(seed=1, classification_function=2).take(count)
    return [(dict(x), bool(y)) for x, y in stream]


def values_of(
    records: Sequence[tuple[dict[str, Any], bool]], delay: int
) -> tuple[list[bytes], list[bytes]]:
    """Encode events, and their labels where these come later (else in the event)."""
    events, labels = [], []
    for n, (x, y) in enumerate(records):
        event = {"id": f"e{n}", "at": START + n, **x}
        if delay:
            label = {"id": f"e{n}", "at": START + n + delay, "y": int(y)}
            labels.append(orjson.dumps(label))
        else:
            event["y"] = int(y)
        events.append(orjson.dumps(event))
    return events, labels
