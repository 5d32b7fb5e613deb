"""How long predictions stay away after a process was killed.

Three cases, each with real `driftline run` processes, SIGKILL, the defaults as shipped and either
client. Times are from the kill, or from the start of the process that goes on, to the moment at
which a reader of committed predictions is handed the first new one, while events keep coming.

- *catching up*: killed with nearly `[checkpoints] every` = 50,000 records folded since the last
  checkpoint; the same member is started again.
- *take-over*: two processes, a partition each; one is killed and stays away. The group takes it
  for dead when its session of 6 s is over, then the other one takes its partition over.
- *restart*: the only process is killed, and started again at once under the same name.

``python -m benchmarks.recovery [--quick]`` prints the table, writes ``results/recovery.json``.
"""

import argparse
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import orjson
from confluent_kafka import Consumer, Producer, TopicPartition

from benchmarks.kafka import run
from benchmarks.stage import START, Offsets, Process, Stage, agrawal, values_of
from stream.app.topics import topics_of
from stream.edges.transports.log import Place

RESULTS = Path(__file__).parent / "results" / "recovery.json"
SINCE = 49_900
"""Records since the last checkpoint; the next one would come a hundred later."""

CLIENTS = ("confluent", "kafka-python")


@dataclass
class Case:
    """One case with one client; seconds.

    Attributes
    ----------
    parts
        Of the same runs, until the partition was taken over, and from there on.
    """

    case: str
    client: str
    target: float
    seconds: list[float] = field(default_factory=list)
    until_taken: list[float] = field(default_factory=list)
    after_taken: list[float] = field(default_factory=list)
    note: str = ""

    def show(self) -> str:
        """Give the line as it is printed."""
        middle = statistics.median(self.seconds)
        after = statistics.median(self.after_taken)
        return (
            f"{self.case:<12} {self.client:<13} {middle:5.2f} s (most {max(self.seconds):.2f}), "
            f"of it {after:.2f} s (most {max(self.after_taken):.2f}) after the partition was "
            f"taken over; target {self.target:.0f} s  {self.note}"
        )


@contextmanager
def trickle(bootstrap: str, topic: str, partitions: int) -> Iterator[None]:
    """Produce 200 events a second to each partition, as long as it is wanted."""
    producer, over = Producer({"bootstrap.servers": bootstrap, "linger.ms": 1}), threading.Event()
    records = agrawal(1000)

    def feed() -> None:
        n = 0
        while not over.wait(0.01):
            for number in range(partitions):
                for x, y in (records[n % 1000], records[(n + 1) % 1000]):
                    event = {"id": f"t{number}-{n}", "at": START + 10**6 + n, **x, "y": int(y)}
                    n += 1
                    producer.produce(topic, orjson.dumps(event), event["id"].encode(), number)
            producer.poll(0)

    thread = threading.Thread(target=feed)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        producer.flush(10)


class Watcher:
    """Waits for new committed predictions of a partition."""

    def __init__(self, stage: Stage, topic: str, number: int) -> None:
        self._consumer = Consumer({
            "bootstrap.servers": stage.bootstrap, "group.id": "watcher",
            "enable.auto.commit": False, "isolation.level": "read_committed",
            "fetch.wait.max.ms": 10,
        })  # fmt: skip
        end = stage.log.ranges([Place(topic, number)])[Place(topic, number)].end
        self._consumer.assign([TopicPartition(topic, number, end)])

    def drain(self, seconds: float) -> None:
        """Read what there is already; what was committed before the kill is no recovery."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self._consumer.consume(1000, 0.02)

    def first(self, process: Process) -> float:
        """Give the time at which the next one came."""
        until = time.monotonic() + 120
        while time.monotonic() < until:
            if any(message.error() is None for message in self._consumer.consume(1, 0.02)):
                self._consumer.close()
                return time.monotonic()
            process.check_alive()
        raise RuntimeError(f"no prediction within 120 s: {process.said()}")


def wait_for(process: Process, words: str, times: int = 1) -> float:
    """Wait until a process has said something so often; gives when."""
    until = time.monotonic() + 120
    while process.said().count(words) < times:
        process.check_alive()
        if time.monotonic() > until:
            raise RuntimeError(f"it never said {words!r}: {process.said()}")
        time.sleep(0.01)
    return time.monotonic()


def catching_up(stage: Stage, client: str, repeats: int) -> Case:
    """Kill with as many records as can be since the last checkpoint, and start again."""
    case = Case("catching up", client, 5.0)
    events, _ = values_of(agrawal(50_000 + SINCE), 0)
    for attempt in range(repeats):
        name = f"behind-{client}-{attempt}"
        stage.fill(f"{name}.in", events)
        config = stage.config(name, f"{name}.in", None, client)
        process = stage.start(config)
        offsets = Offsets(stage.bootstrap, name, [f"{name}.in"], 1)
        end = stage.log.ranges([Place(f"{name}.in", 0)])[Place(f"{name}.in", 0)].end
        while offsets.look() != [end]:
            process.check_alive()
            time.sleep(0.1)
        offsets.close()
        process.kill()
        behind = end - _checkpointed(stage, config)
        watcher = Watcher(stage, topics_of(config).predictions, 0)
        started = time.monotonic()
        process = stage.start(config)
        with trickle(stage.bootstrap, f"{name}.in", 1):
            taken = wait_for(process, "partition 0 taken over")
            _note(case, started, taken, watcher.first(process))
        process.stop()
        case.note = f"{behind:,} records since the last checkpoint"
        print(f"  {case.show()}", flush=True)
    return case


def _checkpointed(stage: Stage, config: Any) -> int:
    place = Place(topics_of(config).checkpoints, 0)
    span = stage.log.ranges([place])[place]
    values = [record.value for record in stage.log.read(place, *span) if record.value is not None]
    return int(orjson.loads(values[-1])["position"]["events"])


def _note(case: Case, started: float, taken: float, first: float) -> None:
    case.seconds.append(round(first - started, 3))
    case.until_taken.append(round(taken - started, 3))
    case.after_taken.append(round(first - taken, 3))


def take_over(stage: Stage, client: str, repeats: int) -> Case:
    """Kill one of two processes and leave it dead."""
    case = Case("take-over", client, 8.0)
    for attempt in range(repeats):
        name = f"dead-{client}-{attempt}"
        config = stage.config(name, stage.topic(f"{name}.in", 2), None, client)
        first = stage.start(config)
        wait_for(first, "taken over", 2)
        second = stage.start(config)
        wait_for(second, "taken over")
        mine = int(second.said().rpartition("partition ")[2].split()[0])
        with trickle(stage.bootstrap, f"{name}.in", 2):
            watcher = Watcher(stage, topics_of(config).predictions, mine)
            watcher.drain(3.0)
            before = first.said().count(f"partition {mine} taken over")
            second.kill()
            killed = time.monotonic()
            watcher.drain(0.3)  # of what it had committed
            taken = wait_for(first, f"partition {mine} taken over", before + 1)
            _note(case, killed, taken, watcher.first(first))
        first.stop()
        print(f"  {case.show()}", flush=True)
    return case


def restart(stage: Stage, client: str, repeats: int) -> Case:
    """Kill the only process and start it again at once."""
    case = Case("restart", client, 4.0)
    name = f"again-{client}"
    config = stage.config(name, stage.topic(f"{name}.in"), None, client)
    process = stage.start(config)
    wait_for(process, "taken over")
    with trickle(stage.bootstrap, f"{name}.in", 1):
        for _ in range(repeats):
            watcher = Watcher(stage, topics_of(config).predictions, 0)
            watcher.drain(3.0)
            process.kill()
            killed = time.monotonic()
            process = stage.start(config)
            watcher.drain(0.3)
            taken = wait_for(process, "partition 0 taken over")
            _note(case, killed, taken, watcher.first(process))
            print(f"  {case.show()}", flush=True)
    process.stop()
    return case


def main() -> None:
    """Measure everything, print the table, write the result file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="each once")
    parser.add_argument("--output", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    repeats = 1 if arguments.quick else arguments.repeats

    def everything(stage: Stage) -> dict[str, Any]:
        cases = [
            measure(stage, client, repeats)
            for measure in (restart, take_over, catching_up)
            for client in CLIENTS
        ]
        for case in cases:
            print(case.show())
        return {"repeats": repeats, "results": [asdict(case) for case in cases]}

    run(everything, arguments.output)


if __name__ == "__main__":
    main()
