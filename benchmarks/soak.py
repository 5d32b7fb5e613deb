"""Half an hour at half of the highest rate: memory stays flat, and the lag does not grow.

First the highest rate is measured: a backlog is worked off, exactly once, one partition, labels
in the event, a Hoeffding tree whose size is bounded (otherwise it grows as long as it learns), all
else as shipped. Then a `driftline run` process is fed at half of it, and its resident memory, the
processor time it takes and its lag (records at the end of the input that are not committed) are
noted every 10 s.

``python -m benchmarks.soak [--minutes N]`` writes ``results/soak.json``.
"""

import argparse
import statistics
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import orjson
from confluent_kafka import Producer

from benchmarks.kafka import run
from benchmarks.stage import START, Offsets, Stage, agrawal, time_commits, values_of
from stream.edges.transports.log import Place

RESULTS = Path(__file__).parent / "results" / "soak.json"
EVERY = 10.0
"""Seconds between two samples."""

FLAT = 0.05
"""Growth from the second to the last third, as a share, that still counts as flat."""

MOST_LAG = 2.0
"""Seconds of input that may be uncommitted, at the median of the last third."""

BOUNDED = {
    "class": "river.tree.HoeffdingTreeClassifier",
    "params": {"max_size": 4.0, "memory_estimate_period": 100_000},
}

_KINDS = 4096
"""Different feature values that go round; ids and times are always new."""


@dataclass(frozen=True)
class Sample:
    """How it was at one moment: seconds since the start, MiB, seconds of the processor, records."""

    at: float
    resident: float
    cpu: float
    committed: int
    lag: int


class Feed:
    """Produces at a steady rate, on a thread of its own."""

    def __init__(self, bootstrap: str, topic: str, rate: float) -> None:
        self.sent = 0
        self._topic = topic
        self._rate = rate
        self._over = threading.Event()
        self._producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 5})
        self._tails = [
            orjson.dumps({**x, "y": int(y)})[1:] for x, y in agrawal(_KINDS)
        ]
        self._thread = threading.Thread(target=self._feed)
        self._thread.start()

    def _feed(self) -> None:
        started, topic, tails = time.monotonic(), self._topic, self._tails
        produce = self._producer.produce
        while not self._over.wait(0.01):
            due = round((time.monotonic() - started) * self._rate)
            for n in range(self.sent, min(due, self.sent + 50_000)):
                head = b'{"id":"s%d","at":%d,' % (n, START + n)
                produce(topic, head + tails[n % _KINDS], b"s%d" % n, 0)
                self.sent = n + 1
                if n % 5000 == 0:
                    self._producer.poll(0)
            self._producer.poll(0)

    def stop(self) -> None:
        """Produce no more."""
        self._over.set()
        self._thread.join()
        self._producer.flush(30)


def highest_rate(stage: Stage, client: str) -> float:
    """Give the events a second at which a backlog is worked off."""
    events, _ = values_of(agrawal(60_000), 0)
    config = stage.config("highest", stage.fill("highest.in", events), None, client, BOUNDED)
    offsets = Offsets(stage.bootstrap, config.name, ["highest.in"], 1)
    process = stage.start(config)
    try:
        return 1e6 / time_commits(process, offsets, len(events), "partition ").us
    finally:
        process.stop()
        offsets.close()


def soak(stage: Stage, client: str, minutes: float, rate: float) -> list[Sample]:
    """Feed a process for so long; gives the samples."""
    config = stage.config("soak", stage.topic("soak.in"), None, client, BOUNDED)
    offsets, place = Offsets(stage.bootstrap, "soak", ["soak.in"], 1), Place("soak.in", 0)
    process = stage.start(config)
    while offsets.look() == [None]:
        process.check_alive()
        time.sleep(0.1)
    feed, started, samples = Feed(stage.bootstrap, "soak.in", rate), time.monotonic(), []
    try:
        while (at := time.monotonic() - started) < 60 * minutes:
            time.sleep(EVERY - at % EVERY)
            process.check_alive()
            end = stage.log.ranges([place])[place].end
            [done] = offsets.look()
            sample = Sample(round(time.monotonic() - started, 1),
                            round(process.resident() / 2**20, 1), round(process.cpu(), 1),
                            done or 0, end - (done or 0))  # fmt: skip
            samples.append(sample)
            if len(samples) % 6 == 0:
                print(sample, flush=True)
    finally:
        feed.stop()
        process.stop()
        offsets.close()
    return samples


def verdict(samples: Sequence[Sample], rate: float) -> dict[str, Any]:
    """Compare the second and the last third of the samples."""
    third = len(samples) // 3
    middle, last = samples[third : 2 * third], samples[-third:]
    memory = [statistics.median(s.resident for s in some) for some in (middle, last)]
    lag = [statistics.median(s.lag for s in some) for some in (middle, last)]
    growth = memory[1] / memory[0] - 1
    seconds = samples[-1].at - samples[0].at
    return {
        "events": samples[-1].committed,
        "events_per_second": round((samples[-1].committed - samples[0].committed) / seconds),
        "resident_mib": {"second_third": memory[0], "last_third": memory[1],
                         "most": max(s.resident for s in samples)},
        "resident_growth": round(growth, 4),
        "lag_records": {"second_third": lag[0], "last_third": lag[1],
                        "most": max(s.lag for s in samples)},
        "memory_flat": growth <= FLAT,
        "lag_flat": lag[1] <= MOST_LAG * rate,
    }  # fmt: skip


def main() -> None:
    """Measure, print a sample a minute and the verdict, write the result file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--client", default="confluent", choices=("confluent", "kafka-python"))
    parser.add_argument("--rate", type=float, help="events a second; half of the highest if absent")
    parser.add_argument("--output", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    failed: list[str] = []

    def everything(stage: Stage) -> dict[str, Any]:
        highest = highest_rate(stage, arguments.client)
        rate = arguments.rate or highest / 2
        print(f"{arguments.client}: at most {highest:,.0f} events/s; fed {rate:,.0f}", flush=True)
        samples = soak(stage, arguments.client, arguments.minutes, rate)
        found = verdict(samples, rate)
        failed.extend(key for key in ("memory_flat", "lag_flat") if not found[key])
        print(found)
        return {
            "client": arguments.client, "minutes": arguments.minutes,
            "highest_rate": round(highest), "rate": round(rate), **found,
            "samples": [asdict(sample) for sample in samples[:: max(len(samples) // 180, 1)]],
        }  # fmt: skip

    run(everything, arguments.output)
    if failed:
        raise SystemExit(f"not so: {', '.join(failed)}")


if __name__ == "__main__":
    main()
