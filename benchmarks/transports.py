"""What the Kafka transports alone cost per record: poll and take, send and commit.

Run with ``python -m benchmarks.transports [BOOTSTRAP]``; without an address it starts a broker. CPU
seconds of this process are counted, as the broker and others share the cores.
"""

import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from pathlib import Path

from stream.edges.transports.kafka import open_log
from stream.edges.transports.log import Log, Member, Outgoing, Place
from tests.kafka.broker import open_broker

CHUNK = 5000
CHUNKS = 12
EVENT = b'{"id": "f%08d", "dep_delay": 12.5, "distance": 1400.0, "carrier": "UA", "hour": 17.0}'
PREDICTION = (
    b'{"id":"f%08d","time":1357034400.0,"prediction":true,"probability":0.7342156,"model":"m-000012"}'
)


def fill(log: Log, place: Place) -> None:
    """Write the events to read."""
    writer = log.writer()
    for number in range(CHUNK * CHUNKS):
        writer.write(place, b"f%08d" % number, EVENT % number + b" " * 150, 1_000_000 + number)
    writer.close()


def opened(log: Log, group: str, place: Place) -> Member:
    """Give a member that is ready to deliver from the start."""
    member = log.member(group, [place.topic], "bench")
    while member.assignment is None:
        member.poll(0.1, 1)
    member.start(place, 0)
    return member


def reading(log: Log, place: Place) -> Callable[[], int]:
    """Give what reads everything."""
    member = opened(log, uuid.uuid4().hex, place)

    def run() -> int:
        taken = 0
        while taken < CHUNK * CHUNKS:
            for batch in member.poll(1, CHUNK):
                for _, _, value in batch.records:
                    taken += value is not None
        member.close()
        return taken

    return run


def writing(log: Log, place: Place, out: Place) -> Callable[[], int]:
    """Give what commits prediction records, with the offset of their input."""
    member = opened(log, uuid.uuid4().hex, place)
    assert member.assignment is not None
    token = member.assignment.token
    producer = log.producer(uuid.uuid4().hex)
    records: list[Outgoing] = [(b"f%08d" % i, PREDICTION % i) for i in range(CHUNK)]

    def run() -> int:
        for chunk in range(CHUNKS):
            producer.begin()
            producer.send(out, records, ("position", b"%d" % chunk))
            producer.commit({place: (chunk + 1) * CHUNK}, "{}", token)
        return CHUNKS * CHUNK

    return run


def measured(run: Callable[[], int]) -> str:
    """Give CPU and elapsed microseconds a record."""
    cpu, wall = time.process_time(), time.perf_counter()
    count = run()
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    return f"{cpu / count * 1e6:6.2f} us CPU {wall / count * 1e6:6.2f} us elapsed"


def main(bootstrap: str) -> None:
    """Measure both clients and print."""
    for client in ("kafka-python", "confluent"):
        log = open_log(client, bootstrap)
        place, out = Place(uuid.uuid4().hex, 0), Place(uuid.uuid4().hex, 0)
        log.create(place.topic, 1, {})
        log.create(out.topic, 1, {})
        fill(log, place)
        for what, run in (
            ("poll", reading(log, place)),
            ("send and commit", writing(log, place, out)),
        ):
            print(f"{client:13s} {what:16s} {measured(run)}", flush=True)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(sys.argv[1])
    else:
        with (
            tempfile.TemporaryDirectory() as folder,
            open_broker(Path(folder), java_options=("-Xmx1g",)) as broker,
        ):
            main(broker.bootstrap)
