"""How long an event takes from its producer to a reader of committed predictions.

Events are produced at a steady rate, each with its time of production; a reader with
``read_committed`` notes when it is handed the prediction. Both are in this process, so there is
one clock. The service commits as shipped. The first two seconds are left out.
"""

import statistics
import threading
import time
from dataclasses import dataclass

import orjson
from confluent_kafka import Consumer, Producer, TopicPartition

from benchmarks.stage import Offsets, Stage, agrawal
from stream.app.topics import topics_of

RATES = (1_000, 5_000, 10_000)
WARM_UP = 2.0
_STEP = 0.005
"""Seconds between two portions of events."""


@dataclass
class Latency:
    """Milliseconds from production to the committed prediction, by quantile."""

    client: str
    rate: int
    produced: float
    events: int
    p50: float
    p95: float
    p99: float
    longest: float

    def show(self) -> str:
        """Give the line as it is printed."""
        return (
            f"{self.client:<13} {self.rate:>6,} events/s (really {self.produced:,.0f})   "
            f"p50 {self.p50:.0f} ms   p95 {self.p95:.0f} ms   p99 {self.p99:.0f} ms"
        )


class Reader:
    """Notes when predictions arrive, on a thread of its own."""

    def __init__(self, bootstrap: str, topic: str, due: int) -> None:
        self.arrived: dict[bytes, float] = {}
        self._due = due
        self._consumer = Consumer({
            "bootstrap.servers": bootstrap, "group.id": "reader", "enable.auto.commit": False,
            "isolation.level": "read_committed", "fetch.wait.max.ms": 10,
            "fetch.queue.backoff.ms": 1,
        })  # fmt: skip
        self._consumer.assign([TopicPartition(topic, 0, 0)])
        self._thread = threading.Thread(target=self._read)
        self._until = time.monotonic() + 120
        self._thread.start()

    def _read(self) -> None:
        while len(self.arrived) < self._due and time.monotonic() < self._until:
            messages = self._consumer.consume(2000, 0.01)
            now = time.time()
            for message in messages:
                if message.error() is None:
                    self.arrived[message.key()] = now

    def join(self) -> dict[bytes, float]:
        """Wait for all of them; gives when each came."""
        self._until = time.monotonic() + 20
        self._thread.join()
        self._consumer.close()
        return self.arrived


def produce(bootstrap: str, topic: str, rate: float, count: int) -> dict[bytes, float]:
    """Produce events at a steady rate; gives when each was handed to the client."""
    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 1, "acks": "all"})
    features = [x for x, _ in agrawal(1000)]
    labels = [int(y) for _, y in agrawal(1000)]
    sent: dict[bytes, float] = {}
    started = time.perf_counter()
    while len(sent) < count:
        due = min(count, round((time.perf_counter() - started) * rate))
        now = time.time()
        for n in range(len(sent), due):
            key = b"l%d" % n
            event = {"id": key.decode(), "at": now, **features[n % 1000], "y": labels[n % 1000]}
            producer.produce(topic, orjson.dumps(event), key, 0, timestamp=int(now * 1000))
            sent[key] = now
        producer.poll(0)
        time.sleep(_STEP)
    producer.flush(30)
    return sent


def measure_latency(stage: Stage, client: str, rate: int, seconds: int) -> Latency:
    """Measure one client at one rate."""
    name = f"latency-{client}-{rate}"
    config = stage.config(name, stage.topic(f"{name}.in"), None, client)
    offsets = Offsets(stage.bootstrap, name, [f"{name}.in"], 1)
    process = stage.start(config)
    try:
        while offsets.look() == [None]:
            process.check_alive()
            time.sleep(0.1)
        count = round(rate * (WARM_UP + seconds))
        reader = Reader(stage.bootstrap, topics_of(config).predictions, count)
        sent = produce(stage.bootstrap, f"{name}.in", rate, count)
        arrived = reader.join()
    finally:
        process.stop()
        offsets.close()
    assert len(arrived) == count, f"{len(arrived)} of {count} predictions"
    keys = list(sent)[round(rate * WARM_UP) :]
    took = sorted(1000 * (arrived[key] - sent[key]) for key in keys)
    cuts = statistics.quantiles(took, n=100, method="inclusive")
    span = sent[keys[-1]] - sent[keys[0]]
    found = Latency(client, rate, round((len(keys) - 1) / span), len(keys), round(cuts[49], 1),
                    round(cuts[94], 1), round(cuts[98], 1), round(took[-1], 1))  # fmt: skip
    print(found.show(), flush=True)
    return found


def measure_latencies(stage: Stage, seconds: int) -> list[Latency]:
    """Measure both clients at all rates."""
    return [
        measure_latency(stage, client, rate, seconds)
        for client in ("confluent", "kafka-python")
        for rate in RATES
    ]
